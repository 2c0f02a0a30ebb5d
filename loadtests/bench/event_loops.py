"""asyncio's own event loop, and uvloop where it is installed."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec


def available() -> list[str]:
    """The loops that can be measured here."""
    return ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


def runner(name: str) -> asyncio.Runner:
    """A runner on the loop of that name."""
    if name == "uvloop":
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return asyncio.Runner()
