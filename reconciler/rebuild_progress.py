"""How far a rebuild is: a bar for a person, lines for a log."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TELL_EVERY_S: Final = 3.0


def rate(accounts: int, seconds: float) -> str:
    """Accounts a second."""
    return f"{accounts / max(seconds, 0.001):,.0f}/s"


@contextmanager
def progress(accounts: int) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that takes a partition and how many accounts are loaded."""
    if not sys.stderr.isatty():
        yield _lines(accounts)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    except ModuleNotFoundError:
        yield _lines(accounts)
        return
    started = monotonic()
    columns = (
        TextColumn("loading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}, partition {task.fields[partition]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("loading", total=accounts, rate="", partition="-")

        def tell(partition: int, loaded: int) -> None:
            speed = rate(loaded, monotonic() - started)
            bar.update(task, completed=loaded, rate=speed, partition=partition)

        yield tell


def _lines(accounts: int) -> Callable[[int, int], None]:
    started = told_at = monotonic()

    def tell(partition: int, loaded: int) -> None:
        nonlocal told_at
        if monotonic() - told_at >= TELL_EVERY_S:
            told_at = monotonic()
            speed = rate(loaded, told_at - started)
            sys.stderr.write(
                f"loaded {loaded:,} of {accounts:,} accounts ({speed}), partition {partition}\n"
            )

    return tell
