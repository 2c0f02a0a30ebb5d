"""The state of a deployment as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.cli.one_line import one_line
from gate.cli.page_parts import clean, instant, span, table
from gate.ledger.overview import COUNTED_MAX

if TYPE_CHECKING:
    from datetime import datetime

    from gate.ledger.overview import Overview
    from gate.telemetry.status import PartitionStatus, Status

#: For files and pipes, which have no width of their own.
_WIDTH_PIPED = 160
#: With more partitions than these, the ones with something to see are shown.
_PARTITIONS_SHOWN_MAX = 16

_VERDICTS = {
    "healthy": ("healthy", "bold green"),
    "needs_person": ("needs a person", "bold red"),
    "cannot_tell": ("cannot tell", "bold yellow"),
}


def print_status(status: Status) -> None:
    """Prints the page on standard output."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    word, style = _VERDICTS[status.verdict]
    when = f", {instant(status.now, seconds=True)} UTC" if status.now is not None else ""
    console.print(Text(word + when, style=style))
    for sentence in status.needs:
        console.print(f"! {one_line(sentence)}")
    for sentence in status.unknown:
        console.print(f"? {one_line(sentence)}")
    console.print(_summary(status))
    if status.ledger is not None and status.ledger.repairs:
        console.print(_repairs(status.ledger, status.now))
    if status.partitions:
        console.print(_partitions(status))


def _summary(status: Status) -> Table:
    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="bold")
    rows.add_column()
    rows.add_row("lag", _lag(status))
    if status.ledger is not None:
        ledger, waiting = status.ledger, status.ledger.waiting
        names = ", ".join(clean(one.owner) for one in ledger.reconcilers)
        rows.add_row(
            "reconcilers", f"{len(ledger.reconcilers)} alive: {names}" if names else "none"
        )
        counts = {one.repair_state: one.accounts for one in ledger.accounts}
        states = ", ".join(f"{counts.get(state, 0):,} {state}" for state in _STATES)
        rows.add_row("accounts", states)
        for name, number, since in (
            ("drift reports", waiting.drift_reports, waiting.oldest_drift_at),
            ("quarantine", waiting.quarantined, waiting.oldest_quarantined_at),
            ("operations", waiting.operations, waiting.oldest_operation_at),
            ("outbox", waiting.events, waiting.oldest_event_at),
        ):
            rows.add_row(name, f"{_number(number)} {_WAITS[name]}{_since(since, status.now)}")
    if status.oldest_hold_expires_at is not None and status.now is not None:
        ms = round((status.oldest_hold_expires_at - status.now).total_seconds() * 1000)
        when = f"expires in {span(ms)}" if ms >= 0 else f"is overdue for {span(-ms)}"
        rows.add_row("open holds", f"the first one {when}")
    return rows


_STATES = ("ok", "reloading", "stopped")
_WAITS = {
    "drift reports": "open",
    "quarantine": "journal entries",
    "operations": "not booked",
    "outbox": "events not sent",
}


def _lag(status: Status) -> str:
    known = [one for one in status.partitions if one.behind is not None]
    if not known:
        return "not known"
    deltas = sum(one.behind or 0 for one in known)
    at_least = "≥ " if any(one.at_least for one in known) else ""
    late = [one for one in known if one.behind]
    oldest_s = max((one.lag_s or 0 for one in known), default=0)
    if not late:
        return "none: every journal is booked to its end"
    where = f"in {len(late)} of {len(known)} partitions"
    return f"{at_least}{deltas:,} deltas {where}, the oldest is {_seconds(oldest_s)} old"


def _repairs(ledger: Overview, now: datetime | None) -> Table:
    shown = len(ledger.repairs)
    rows = table(f"Accounts under repair, the first {shown}", "organization", "state", "why", "for")
    for one in ledger.repairs:
        since = _since(one.repair_since, now).removeprefix(", the oldest for ")
        rows.add_row(
            clean(one.organization_id), one.repair_state, clean(one.repair_reason or ""), since
        )
    return rows


def _partitions(status: Status) -> Table:
    partitions = list(status.partitions)
    title = "Partitions"
    if len(partitions) > _PARTITIONS_SHOWN_MAX:
        partitions.sort(key=_interest, reverse=True)
        partitions = sorted(partitions[:_PARTITIONS_SHOWN_MAX])
        title = (
            f"Partitions, {_PARTITIONS_SHOWN_MAX} of {len(status.partitions)}: those most behind"
        )
    rows = table(
        title,
        *("no.>", "tag", "booked>", "up to", "at"),
        *("behind>", "lag>", "kept>", "reconciler", "note"),
    )
    for one in partitions:
        rows.add_row(
            f"{one.partition}",
            one.tag or "–",
            "–" if one.booked is None else f"{one.booked:,}",
            one.cursor or "–",
            "–" if one.booked_at is None else instant(one.booked_at, seconds=True),
            "–" if one.behind is None else f"{'≥ ' if one.at_least else ''}{one.behind:,}",
            "–" if one.lag_s is None else _seconds(one.lag_s),
            "–" if one.kept_s is None else span(round(one.kept_s * 1000)),
            clean(one.owner or "nobody"),
            "" if one.is_anchored is not False else "the last booked entry is not in the journal",
        )
    return rows


def _interest(one: PartitionStatus) -> tuple[float, ...]:
    return (one.lag_s or 0, one.is_anchored is False, one.owner is None, one.booked or 0)


def _number(number: int) -> str:
    return f"≥ {number:,}" if number >= COUNTED_MAX else f"{number:,}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else span(round(seconds * 1000))


def _since(when: datetime | None, now: datetime | None) -> str:
    if when is None or now is None:
        return ""
    return f", the oldest for {span(max(0, round((now - when).total_seconds() * 1000)))}"
