"""An inspected organization as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.cli.page_parts import away, clean, instant, span, table
from gate.domain.limits import ms_instant

if TYPE_CHECKING:
    from gate.hot.commands.peek import Account
    from gate.hot.inspection import HoldView, Inspection
    from gate.hot.journal import Delta

#: For files and pipes, which have no width of their own.
_WIDTH_PIPED = 160


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
    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="bold")
    rows.add_column()
    ends = f"until {instant(ms_instant(a.ends_at_ms))}{away(a.ends_at_ms, found.now_ms)}"
    rows.add_row(a.organization_id, f"{_status(found)}, period {a.period_no} {ends}")
    rows.add_row(
        "posted",
        f"{a.posted:,} = {a.left:,} left − {a.overage:,} overage − {a.debt:,} debt".replace(
            "-", "−"
        ),
    )
    rows.add_row("held", f"{a.held:,} by {a.open_holds:,} open holds")
    rows.add_row("used", f"{a.used:,} in this period{_warned(a)}")
    if a.overage_limit:
        rows.add_row("overage", f"{a.overage:,} of {a.overage_limit:,} allowed")
    rows.add_row("1 credit", _verdict(a))
    rows.add_row(
        "stands at",
        f"epoch {a.epoch}, seq {a.seq:,}, configuration {a.config_version}, hash tag {found.tag}",
    )
    return rows


def _verdict(account: Account) -> str:
    denial = account.denial
    if denial is None:
        return f"Would be admitted now; {account.available:,} available."
    wait_ms = denial.retry_after_ms
    return f"{denial} ({span(wait_ms)})" if wait_ms and wait_ms > 10_000 else str(denial)


def _status(found: Inspection) -> str:
    a = found.account
    if a.status == "past_due" and a.grace_until_ms:
        return f"past_due, grace until {instant(ms_instant(a.grace_until_ms))}"
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
    rows = table("Grants, in the order of use", "kind", "left>", "expires")
    for grant in found.account.grants:
        ends_at = grant.expires_at
        expires = "never" if grant.kind == "purchased" else "with the period"
        if ends_at:
            expires = instant(ends_at) + away(int(ends_at.timestamp() * 1000), found.now_ms)
        rows.add_row(grant.kind, f"{grant.left:,}", expires)
    return rows


def _limits(found: Inspection) -> Table:
    rows = table("Limits", "per", "rate>", "at once>", "tokens now>")
    for limit in found.limits:
        rows.add_row(limit.unit, f"{limit.rate:,}", f"{limit.burst:,}", f"{limit.tokens:,}")
    if found.account.max_open_holds:
        free = max(0, found.account.max_open_holds - found.account.open_holds)
        rows.add_row("open holds", "", f"{found.account.max_open_holds:,}", f"{free:,}")
    return rows


def _holds(found: Inspection) -> Table | Text:
    count = found.account.open_holds
    if not found.holds:
        return Text("\nNo open holds", style="bold")
    shown = f", the first {len(found.holds)} to expire" if count > len(found.holds) else ""
    rows = table(
        f"{count:,} open holds{shown}", "id", "credits>", "expires>", "parts settled>", "reference"
    )
    for hold in found.holds:
        rows.add_row(
            hold.hold_id,
            _credits(hold),
            _until(hold, found.now_ms),
            f"{hold.part}",
            clean(hold.reference),
        )
    return rows


def _credits(hold: HoldView) -> str:
    of = f" of {hold.granted:,}" if hold.granted != hold.held else ""
    return f"{hold.held:,}{of}"


def _until(hold: HoldView, now_ms: int) -> str:
    left_ms = hold.expires_at_ms - now_ms
    return f"in {span(left_ms)}" if left_ms > 0 else f"overdue for {span(-left_ms)}"


def _coming(found: Inspection) -> Table | Text:
    if not found.account.coming:
        return Text("\nNo coming periods known", style="bold")
    rows = table("Coming periods", "no.>", "until", "allowance>", "status", "configuration>")
    for period in found.account.coming:
        rows.add_row(
            f"{period.period_no}",
            instant(period.ends_at),
            f"{period.allowance:,}",
            period.status or "as it is",
            f"{period.config_version or 'as it is'}",
        )
    return rows


def _deltas(found: Inspection) -> Table | Text:
    if not found.deltas:
        return Text("\nNo deltas in the journal", style="bold")
    searched = "" if found.searched_all else ", of the newest entries of its partition"
    rows = table(
        f"Last deltas, newest first{searched}",
        *("seq>", "at", "kind", "credits", "posted>", "held>", "id", "why"),
    )
    for _, delta in found.deltas:
        rows.add_row(
            f"{delta.seq:,}",
            instant(ms_instant(delta.at_ms), seconds=True),
            f"{delta.kind}{' late' if delta.late else ''}",
            _legs(delta),
            f"{delta.posted:,}".replace("-", "−"),
            f"{delta.held:,}",
            delta.id,
            clean(", ".join(filter(None, (delta.reference, delta.reason)))),
        )
    return rows


def _legs(delta: Delta) -> str:
    shown = []
    for leg in delta.legs:
        if leg.moves_posted:
            shown.append(f"{leg.amount:+,} {leg.source}".replace("-", "−"))
        else:
            shown.append(f"{leg.entry} {leg.amount:,}{' %' if leg.entry == 'warning' else ''}")
    return ", ".join(shown)
