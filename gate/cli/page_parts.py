"""Pieces of a page: tables, instants and spans of time, other people's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table

from gate.domain.limits import ms_instant

if TYPE_CHECKING:
    from datetime import datetime


def clean(text: str) -> str:
    """A sender's own words, without what would steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def table(title: str, *columns: str) -> Table:
    """A table whose columns named with > are set to the right."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column[-1] == ">" else "left"
        table.add_column(column.rstrip(">"), justify=justify, overflow="fold")
    return table


def instant(when: datetime | None, *, seconds: bool = False) -> str:
    """In UTC, to the minute or the second."""
    if when is None:
        return "further notice"
    return f"{when:%Y-%m-%d %H:%M:%S}" if seconds else f"{when:%Y-%m-%d %H:%M} UTC"


def away(ms: int, now_ms: int) -> str:
    """How long it is until then, in brackets; nothing for what is past or never."""
    return f" (in {span(ms - now_ms)})" if ms_instant(ms) and ms > now_ms else ""


def span(ms: int) -> str:
    """About how long: `90 s`, `5 min`, `3 d`."""
    seconds = ms // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
