"""An inspected organization as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.domain.limits import ms_instant

if TYPE_CHECKING:
    from datetime import datetime

    from gate.hot.commands.peek import Account
    from gate.hot.inspection import HoldView, Inspection
    from gate.hot.journal import Delta

#: For files and pipes, which have no width of their own.
_WIDTH_PIPED = 140


def print_page(found: Inspection) -> None:
    """Prints the page on standard output."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    for part in (
        _account(found),
        _grants(found),
        _limits(found),
        _holds(found),
        _coming(found),
        _deltas(found),
    ):
        console.print(part)


def _account(found: Inspection) -> Table:
    a = found.account
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    ends = f"until {_instant(ms_instant(a.ends_at_ms))}{_away(a.ends_at_ms, found.now_ms)}"
    table.add_row(a.organization_id, f"{_status(found)}, period {a.period_no} {ends}")
    table.add_row(
        "posted", f"{a.posted:,} = {a.left:,} left − {a.overage:,} overage − {a.debt:,} debt"
    )
    table.add_row("held", f"{a.held:,} by {a.open_holds:,} open holds")
    table.add_row("used", f"{a.used:,} in this period{_warned(a)}")
    if a.overage_limit:
        table.add_row("overage", f"{a.overage:,} of {a.overage_limit:,} allowed")
    table.add_row("1 credit", str(a.denial or f"Would be admitted now; {a.available:,} available."))
    table.add_row(
        "stands at",
        f"epoch {a.epoch}, seq {a.seq:,}, configuration {a.config_version}, hash tag {found.tag}",
    )
    return table


def _status(found: Inspection) -> str:
    a = found.account
    if a.status == "past_due" and a.grace_until_ms:
        return f"past_due, grace until {_instant(ms_instant(a.grace_until_ms))}"
    return f"{a.status} ({a.reason})" if a.reason else a.status


def _warned(account: Account) -> str:
    if not account.warn_basis:
        return ""
    percent = account.used * 100 // account.warn_basis
    warned = f", warned at {account.warned_percent} %" if account.warned_percent else ""
    return f": {percent} % of the allowance of {account.warn_basis:,}{warned}"


def _grants(found: Inspection) -> Table | Text:
    if not found.account.grants:
        return Text("\nNo grants left", style="bold")
    table = _table("Grants, in the order of use", "kind", "left>", "expires")
    for grant in found.account.grants:
        instant = grant.expires_at
        ending = "never" if grant.kind == "purchased" else "with the period"
        expires = _instant(instant) if instant else ending
        away = _away(int(instant.timestamp() * 1000), found.now_ms) if instant else ""
        table.add_row(grant.kind, f"{grant.left:,}", expires + away)
    return table


def _limits(found: Inspection) -> Table:
    table = _table("Limits", "per", "rate>", "at once>", "tokens now>")
    for limit in found.limits:
        table.add_row(limit.unit, f"{limit.rate:,}", f"{limit.burst:,}", f"{limit.tokens:,}")
    if found.account.max_open_holds:
        free = max(0, found.account.max_open_holds - found.account.open_holds)
        table.add_row("open holds", "", f"{found.account.max_open_holds:,}", f"{free:,}")
    return table


def _holds(found: Inspection) -> Table | Text:
    count = found.account.open_holds
    if not found.holds:
        return Text("\nNo open holds", style="bold")
    shown = f", the first {len(found.holds)} to expire" if count > len(found.holds) else ""
    table = _table(
        f"{count:,} open holds{shown}", "id", "credits>", "expires>", "parts settled>", "reference"
    )
    for hold in found.holds:
        table.add_row(
            hold.hold_id,
            _credits(hold),
            _until(hold, found.now_ms),
            f"{hold.part}",
            _clean(hold.reference),
        )
    return table


def _credits(hold: HoldView) -> str:
    of = f" of {hold.granted:,}" if hold.granted != hold.held else ""
    return f"{hold.held:,}{of}"


def _until(hold: HoldView, now_ms: int) -> str:
    left_ms = hold.expires_at_ms - now_ms
    return f"in {_span(left_ms)}" if left_ms > 0 else f"overdue for {_span(-left_ms)}"


def _coming(found: Inspection) -> Table | Text:
    if not found.account.coming:
        return Text("\nNo coming periods known", style="bold")
    table = _table("Coming periods", "no.>", "until", "allowance>", "status", "configuration>")
    for period in found.account.coming:
        table.add_row(
            f"{period.period_no}",
            _instant(period.ends_at),
            f"{period.allowance:,}",
            period.status or "as it is",
            f"{period.config_version or 'as it is'}",
        )
    return table


def _deltas(found: Inspection) -> Table | Text:
    if not found.deltas:
        return Text("\nNo deltas in the journal", style="bold")
    searched = "" if found.searched_all else ", of the newest entries of its partition"
    table = _table(
        f"Last deltas, newest first{searched}",
        *("seq>", "at", "kind", "credits", "posted>", "held>", "id", "why"),
    )
    for _, delta in found.deltas:
        table.add_row(
            f"{delta.seq:,}",
            _instant(ms_instant(delta.at_ms), seconds=True),
            f"{delta.kind}{' late' if delta.late else ''}",
            _legs(delta),
            f"{delta.posted:,}",
            f"{delta.held:,}",
            delta.id,
            _clean(", ".join(filter(None, (delta.reference, delta.reason)))),
        )
    return table


def _legs(delta: Delta) -> str:
    shown = []
    for leg in delta.legs:
        if leg.moves_posted:
            shown.append(f"{leg.amount:+,} {leg.source}".replace("-", "−"))
        else:
            shown.append(f"{leg.entry} {leg.amount:,}{' %' if leg.entry == 'warning' else ''}")
    return ", ".join(shown)


def _clean(text: str) -> str:
    """A sender's own words, without what would steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _table(title: str, *columns: str) -> Table:
    """A table whose columns named with > are set to the right."""
    table = Table(box=box.SIMPLE_HEAD, title=f"\n{title}", title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column[-1] == ">" else "left")
    return table


def _instant(instant: datetime | None, *, seconds: bool = False) -> str:
    if instant is None:
        return "further notice"
    return f"{instant:%Y-%m-%d %H:%M:%S}" if seconds else f"{instant:%Y-%m-%d %H:%M} UTC"


def _away(ms: int, now_ms: int) -> str:
    return f" (in {_span(ms - now_ms)})" if ms_instant(ms) and ms > now_ms else ""


def _span(ms: int) -> str:
    seconds = ms // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
