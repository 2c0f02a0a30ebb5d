"""SIGTERM ends a command as Ctrl-C does, once: by an exception, or in a loop by an event."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_WATCHED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[None]:
    """Raise the first SIGINT or SIGTERM as a KeyboardInterrupt.

    Later ones are ignored, so that they do not cut the cleaning up short.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in _WATCHED:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in _WATCHED}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def signals_set(event: asyncio.Event) -> Iterator[asyncio.Event]:
    """Within the running loop: SIGINT and SIGTERM set `event`, and interrupt nothing.

    One that came in the last moment, when the loop turns no more, has set it behind the block.
    (The loop's own signal handlers would lose that one.)
    """
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        loop.call_soon_threadsafe(event.set)

    before = {one: signal.signal(one, note) for one in _WATCHED}
    try:
        yield event
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        if came:
            event.set()
