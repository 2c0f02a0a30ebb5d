"""Waiting that ends when the process is to stop."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

T = TypeVar("T")

_PAUSE_MIN_S: Final = 0.1
_PAUSE_MAX_S: Final = 5.0


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Stopped(Exception):
    """The process is to stop, and what was waited for has not come."""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises. If `stop` is set before, `work` is cancelled, and this raises
    Stopped."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Stopped
        return await task
    finally:
        waiting.cancel()
        if task.cancel():
            await asyncio.wait((task,))


class Backoff:
    """Pauses between attempts: longer from one to the next, up to 5 s, and never in step with
    those of other processes."""

    def __init__(self) -> None:
        self._limit_s = _PAUSE_MIN_S

    def reset(self) -> None:
        """An attempt went well."""
        self._limit_s = _PAUSE_MIN_S

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait before the next attempt, or until `stop` is set."""
        await pause(stop, random.uniform(self._limit_s / 2, self._limit_s))
        self._limit_s = min(self._limit_s * 2, _PAUSE_MAX_S)
