"""Waiting for what another process does: it is asked again and again, up to a deadline."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

POLL_S = 0.02


async def until(what: str, probe: Callable[[], Awaitable[T | None]], within_s: float = 10.0) -> T:
    """What `probe` gives when that is something, and tells how long it took."""
    started = monotonic()
    while not (found := await probe()):
        assert monotonic() - started < within_s, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(POLL_S)
    sys.stdout.write(f"{monotonic() - started:6.2f} s  {what}\n")
    return found
