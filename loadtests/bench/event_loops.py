"""asyncio's own event loop, uvloop where it is installed, and one whose timers are fine enough."""

from __future__ import annotations

import asyncio
import ctypes
import selectors
import sys
from importlib.util import find_spec

#: Sleeps of microseconds: epoll, which asyncio and uvloop use on Linux, rounds up to a millisecond.
PRECISE = "asyncio over select()"
_PR_SET_TIMERSLACK = 29


def available() -> list[str]:
    """The loops that can be measured here."""
    return ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


def runner(name: str) -> asyncio.Runner:
    """A runner on the loop of that name."""
    if name == "uvloop":
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)
    if name == PRECISE:
        _wake_in_time()
        return asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        )
    return asyncio.Runner()


def _wake_in_time() -> None:
    """Asks Linux not to put off the wake-ups of this process by its usual 50 µs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
