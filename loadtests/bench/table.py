"""The results as a person reads them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.bench.results import Result

_HEAD = ("what", "median", "unit", "beside", "ratio", "spread", "target", "met", "durability")


def _row(result: Result) -> tuple[str, ...]:
    low, first, _, third, high = result.spread
    return (
        result.name,
        f"{result.value:,.4g}" if result.value < 1000 else f"{result.value:,.0f}",
        result.unit,
        result.compared_with or "",
        "" if result.ratio is None else f"{result.ratio:.2f}",
        f"{low:.3g} [{first:.3g}-{third:.3g}] {high:.3g}",
        "" if result.target is None else str(result.target),
        {True: "yes", False: "NO", None: ""}[result.met],
        result.durability,
    )


def print_table(results: Sequence[Result]) -> None:
    """A table on stderr, and how many targets were met."""
    import sys

    rows = [_row(result) for result in results]
    judged = [result.met for result in results if result.met is not None]
    summary = f"{sum(judged)} of {len(judged)} targets met"
    if find_spec("rich"):
        from rich.console import Console
        from rich.table import Table

        console = Console(stderr=True, width=None if sys.stderr.isatty() else 220)
        table = Table(*_HEAD)
        for row in rows:
            table.add_row(*row, style="red" if row[-2] == "NO" else None)
        console.print(table)
        console.print(summary)
        return
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    for row in (_HEAD, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip(), file=sys.stderr)
    print(summary, file=sys.stderr)
