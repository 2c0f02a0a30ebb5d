"""The end of a run: a table that adds up, or says where it does not."""

from __future__ import annotations

from collections import Counter
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
_LEGEND = """
Credits: before + other − spent = after. Letters = sent + refused + not sent.
Adds up: what the sender counted, what the account says, what its journal moved."""


def print_report(
    console: Console,
    tallies: Mapping[str, Tally],
    books: Mapping[str, Books],
    shows: Mapping[str, str],
    mistakes: list[str],
) -> None:
    """Prints a row for each organization of `books` and their sum, then every mistake."""
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    rows = {one: _numbers(tallies[one], books[one]) for one in books}
    table = _table(show_footer=True)
    table.add_column("organization", "all", no_wrap=True)
    for name, column in zip(_NUMBERS, zip(*rows.values(), strict=True), strict=True):
        table.add_column(name, _number(sum(column)), justify="right")
    table.add_column("adds up", "no" if mistakes else "yes")
    why = _table()
    for name in ("organization", "shows", "denied on the way", "not sent because"):
        why.add_column(name)
    for one, numbers in rows.items():
        table.add_row(one, *map(_number, numbers), "no" if books[one].mistakes else "yes")
        why.add_row(one, shows[one], reasons(tallies[one].denied), reasons(_not_sent(tallies[one])))
    console.print("", why, "", table, sep="\n")
    console.print(_LEGEND)
    for mistake in mistakes:
        console.print(f"Does not add up: {mistake}.", style="red", soft_wrap=True)


def _table(*, show_footer: bool = False) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        show_footer=show_footer,
    )


def _number(number: int) -> str:
    return f"{number:,}".replace("-", "−")


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
        _not_sent(tally).total(),
    )


def _not_sent(tally: Tally) -> Counter[str]:
    return tally.skipped + Counter({"settled before": tally.repeated})
