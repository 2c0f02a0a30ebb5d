"""The end of a run: a table that adds up, or says where it does not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table

from gate.demo.progress import reasons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from gate.demo.books import Books
    from gate.demo.tally import Tally

#: What a table for a person may take, also in files and pipes, which have no width of their own.
_WIDTH_MAX: Final = 120
_ORGANIZATION_WIDTH_MAX: Final = 24
_SHOWS_WIDTH_MAX: Final = 14
#: With more organizations than these, those with most letters have a row of their own.
_ROWS_MAX: Final = 50

_LETTERS: Final = ("letters", "sent", "refused")
_CREDITS: Final = ("before", "other", "spent", "after", "ledger")
_LEGEND: Final = """
Denied: letters that were not sent, and throttles that were waited for.
Credits: before + other − spent = after; ledger is what the account's entries add up to.
Agree: what the sender counted, what the live account says, what the ledger has booked."""


def print_report(
    console: Console,
    tallies: Mapping[str, Tally],
    books: Mapping[str, Books],
    shows: Mapping[str, str],
    mistakes: Sequence[str],
) -> None:
    """Prints a row for each organization of `books`, or for the busiest, and the sum of all, then
    every mistake."""
    if not console.is_terminal or console.width > _WIDTH_MAX:
        console.width = _WIDTH_MAX
    letters = {one: _letters(tallies[one]) for one in books}
    credits = {one: _credits(closed) for one, closed in books.items()}
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, show_footer=True
    )
    table.add_column("organization", "all", max_width=_ORGANIZATION_WIDTH_MAX, overflow="fold")
    table.add_column("shows", max_width=_SHOWS_WIDTH_MAX)
    _add_numbers(table, _LETTERS, letters)
    table.add_column("denied")
    _add_numbers(table, _CREDITS, credits)
    table.add_column("agree", "no" if mistakes else "yes", no_wrap=True)
    busiest = sorted(books, key=lambda one: -tallies[one].letters)[:_ROWS_MAX]
    for one in [one for one in books if one in set(busiest)]:
        table.add_row(
            one,
            shows[one],
            *map(_number, letters[one]),
            reasons(_denied(tallies[one])),
            *map(_number, credits[one]),
            "no" if books[one].mistakes else "yes",
        )
    console.print("", table, sep="\n")
    if len(books) > len(busiest):
        console.print(f"… and {len(books) - len(busiest):,} organizations more.")
    console.print(_LEGEND)
    for mistake in mistakes:
        console.print(f"Does not add up: {mistake}.", style="red", soft_wrap=True)


def _add_numbers(table: Table, names: Sequence[str], rows: Mapping[str, tuple[int, ...]]) -> None:
    for name, column in zip(names, zip(*rows.values(), strict=True), strict=True):
        table.add_column(name, _number(sum(column)), justify="right", no_wrap=True)


def _number(number: int) -> str:
    return f"{number:,}".replace("-", "−")


def _letters(tally: Tally) -> tuple[int, ...]:
    return tally.letters, tally.sent, tally.refused


def _credits(books: Books) -> tuple[int, ...]:
    return (
        books.before.live.posted,
        books.other,
        books.spent,
        books.after.live.posted,
        books.booked,
    )


def _denied(tally: Tally) -> Counter[str]:
    """Letters that were not sent, by reason, and how often others were to wait for the rate."""
    waited = {reason: n for reason, n in tally.denied.items() if reason.startswith("throttled")}
    return tally.skipped + Counter(waited) + Counter({"settled before": tally.repeated})
