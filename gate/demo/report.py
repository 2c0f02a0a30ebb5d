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
    from gate.demo.tally import Figures

_NUMBERS = (
    *("credits before", "other", "spent", "credits after", "held"),
    *("letters", "sent", "refused", "not sent"),
)
#: For files and pipes, which have no width of their own.
_WIDTH_PIPED = 150


def print_report(
    console: Console, figures: Figures, books: Mapping[str, Books], shows: Mapping[str, str]
) -> None:
    """Prints a row for each organization, and the sum."""
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    table = Table(box=box.SIMPLE_HEAD, show_footer=len(books) > 1)
    table.add_column("organization", footer="all")
    sums = [sum(column) for column in zip(*(_numbers(figures, books, o) for o in books))]
    for name, total in zip(_NUMBERS, sums):
        table.add_column(name, f"{total:,}", justify="right")
    table.add_column("why not sent, denials on the way")
    table.add_column("adds up", "no" if any(b.mistakes for b in books.values()) else "yes")
    for organization_id, closed in books.items():
        table.add_row(
            f"{organization_id}\n[dim]{shows[organization_id]}[/]",
            *(f"{number:,}" for number in _numbers(figures, books, organization_id)),
            _why(figures, organization_id),
            "[red]no[/]" if closed.mistakes else "[green]yes[/]",
        )
    console.print(table)
    console.print(
        "credits before + other − spent = credits after, of which some may be held; "
        "letters = sent + refused + not sent"
    )
