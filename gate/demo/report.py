"""The end of a run: a table that adds up, or says where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from gate.demo.progress import reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from gate.demo.books import Books
    from gate.demo.tally import Tally

#: For files and pipes, which have no width of their own.
_WIDTH_PIPED = 140

_NUMBERS = ("before", "other", "spent", "after", "held", "letters", "sent", "refused", "not sent")
_LEGEND = """\
Credits before + other − spent = after, held ones included. Letters = sent + refused + not sent.
Adds up: what the sender counted, what the account says and what its journal moved agree."""


def print_report(
    console: Console,
    tallies: Mapping[str, Tally],
    books: Mapping[str, Books],
    shows: Mapping[str, str],
    mistakes: list[str],
) -> None:
    """Prints a row for each organization and their sum, then every mistake as a sentence."""
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    rows = {one: _numbers(tallies[one], books[one]) for one in books}
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False)
    table.add_column("organization", "all")
    for name, column in zip(_NUMBERS, zip(*rows.values(), strict=True), strict=True):
        table.add_column(name, f"{sum(column):,}", justify="right")
    table.add_column("denied on the way; why not sent")
    table.add_column("adds up", "no" if mistakes else "yes")
    for one, numbers in rows.items():
        table.add_row(
            f"{one}\n  {shows[one]}",
            *(f"{number:,}".replace("-", "−") for number in numbers),
            _why(tallies[one]),
            "no" if books[one].mistakes else "yes",
        )
    console.print(table)
    console.print(_LEGEND)
    for mistake in mistakes:
        console.print(f"Does not add up: {mistake}.", style="red", soft_wrap=True)


def _numbers(tally: Tally, books: Books) -> tuple[int, ...]:
    return (
        books.before.posted,
        books.other,
        books.spent,
        books.after.posted,
        books.after.held,
        tally.letters,
        tally.sent,
        tally.refused,
        tally.repeated + tally.skipped.total(),
    )


def _why(tally: Tally) -> str:
    not_sent = tally.skipped.copy()
    if tally.repeated:
        not_sent["settled before"] = tally.repeated
    lines = []
    if tally.denied:
        lines.append(f"denied: {reasons(tally.denied)}")
    if not_sent:
        lines.append(f"not sent: {reasons(not_sent)}")
    return "\n".join(lines)
