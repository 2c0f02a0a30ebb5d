"""What `gate drift` prints: for a person, and for a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from gate.domain.errors import GateError
from reconciler.drift_view import SHOWN_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table

    from reconciler.drift import Sweep
    from reconciler.drift_view import Report, View

#: For files and pipes, which have no width of their own.
_WIDTH_PIPED: Final = 160
#: Said by every side of a report, whether or not it differs.
_PLACE: Final = ("epoch", "seq", "posted")


def print_many(swept: Sweep | None, reports: Sequence[Report]) -> None:
    """What a sweep found, if there was one, and what is open."""
    console = _console()
    if swept is not None:
        console.print(
            f"{swept.accounts:,} live accounts compared in {swept.seconds:.1f} s:"
            f" {swept.differing:,} differ, {swept.unreadable:,} cannot be read"
        )
    if not reports:
        console.print("No open reports, and no account is under repair.")
        return
    rows = _table("organization", "kind", "found", "credits>", "live", "booked", "action", "state")
    for one in reports:
        rows.add_row(
            one.organization_id,
            one.kind or "",
            _instant(one.found_at),
            "" if one.credits is None else f"{one.credits:+,}",
            _told(one.live),
            _told(one.booked),
            one.action or "",
            one.repair_state,
        )
    console.print(rows)
    if len(reports) == SHOWN_MAX:
        console.print(f"The newest {SHOWN_MAX}; there may be more.")


def print_one(view: View) -> None:
    """Both sides of an organization, and what was ever found of it."""
    console = _console()
    console.print(f"{view.organization_id}: {view.verdict}")
    rows = _table("", "field", "live>", "booked>")
    for name in dict.fromkeys((*view.booked, *view.live)):
        mark = "≠" if name in view.differing else ""
        rows.add_row(mark, name, _value(view.live, name), _value(view.booked, name))
    console.print(rows)
    if not view.history:
        console.print("Nothing was ever found to differ.")
        return
    rows = _table("found", "kind", "epoch/seq", "credits>", "live", "booked", "action", "resolved")
    for one in view.history:
        rows.add_row(
            _instant(one.found_at),
            one.kind or "",
            f"{one.epoch}/{one.seq}",
            "" if one.credits is None else f"{one.credits:+,}",
            _told(one.live),
            _told(one.booked),
            one.action or "",
            _instant(one.resolved_at),
        )
    console.print(rows)


def _console() -> Console:
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise GateError("rich is missing: pip install 'creditgate[cli]', or add --json") from error
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    return console


def _table(*columns: str) -> Table:
    """Columns named with > are set to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.endswith(">") else "left"
        table.add_column(column.rstrip(">"), justify=justify, overflow="fold")
    return table


def _told(side: Mapping[str, Any] | None) -> str:
    """A side in one cell: where it stands, and what differs."""
    if not side:
        return ""
    if "reason" in side:
        return str(side["reason"])
    told = [f"{side.get('epoch')}/{side.get('seq')}", f"posted {_text(side.get('posted'))}"]
    told += [f"{name} {_text(value)}" for name, value in side.items() if name not in _PLACE]
    return ", ".join(told)


def _value(side: Mapping[str, object], name: str) -> str:
    if not side:
        return ""
    return _text(side.get(name, 0))


def _text(value: object) -> str:
    return f"{value:,}" if type(value) is int else "none" if value is None else str(value)


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def print_json(value: object) -> None:
    """The value, indented."""
    packed = msgspec.json.format(msgspec.json.encode(value))
    sys.stdout.write(f"{packed.decode()}\n")
