"""What a run has come to, while it runs: a table that moves, or a line every second in a pipe."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator

    from rich.console import Console

    from gate.demo.tally import Figures, Latencies

_LIVE_INTERVAL_S = 0.25
_LINE_INTERVAL_S = 1.0
#: With more organizations than these, those with most letters are shown.
_ROWS_MAX = 12


@asynccontextmanager
async def showing(figures: Figures, console: Console) -> AsyncIterator[None]:
    """Shows `figures` on `console` until the block ends."""
    start = monotonic()
    task = asyncio.create_task(
        _live(figures, console, start) if console.is_terminal else _lines(figures, console, start)
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _live(figures: Figures, console: Console, start: float) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(Group(_table(figures), summary(figures, monotonic() - start)), refresh=True)
            await asyncio.sleep(_LIVE_INTERVAL_S)


async def _lines(figures: Figures, console: Console, start: float) -> None:
    while True:
        await asyncio.sleep(_LINE_INTERVAL_S)
        console.print(summary(figures, monotonic() - start), soft_wrap=True)


def _table(figures: Figures) -> Table:
    table = Table(box=None)
    for name in ("organization", "", "sent", "refused", "denied"):
        table.add_column(name, justify="right" if name in ("sent", "refused") else "left")
    busiest = sorted(figures.tallies.items(), key=lambda one: -one[1].letters)
    for organization_id, tally in busiest[:_ROWS_MAX]:
        bar = ProgressBar(total=max(1, tally.letters), completed=tally.done, width=24)
        table.add_row(
            organization_id, bar, f"{tally.sent:,}", f"{tally.refused:,}", reasons(tally.denied)
        )
    return table


def summary(figures: Figures, seconds: float) -> str:
    """The run on one line."""
    done, letters = figures.total("done"), figures.total("letters")
    return (
        f"{seconds:5.1f} s  {done:,} of {letters:,} letters  admitted {figures.admitted:,} "
        f"({figures.admitted / max(seconds, 0.001):,.0f}/s)  denied {reasons(figures.denied())}  "
        f"reserve {_latency(figures.reserve)}  commit {_latency(figures.commit)}"
    )


def reasons(counts: Counter[str]) -> str:
    """`3 insufficient, 41 throttled (second)`."""
    named = {reason: reason.replace("_", " ") for reason in sorted(counts)}
    return ", ".join(f"{counts[reason]:,} {name}" for reason, name in named.items()) or "–"


def _latency(latencies: Latencies) -> str:
    return f"p50 {_duration(latencies.percentile(50))} p99 {_duration(latencies.percentile(99))}"


def _duration(ms: float | None) -> str:
    if ms is None:
        return "–"
    return f"{ms * 1000:.0f} µs" if ms < 1 else f"{ms:.1f} ms"
