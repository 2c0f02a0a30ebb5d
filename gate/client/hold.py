"""A hold as a context: reserve at the start, commit or release at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self, TypeVar

from gate.domain.errors import OutcomeUnknown, Unavailable
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.domain.outcomes import Reserved

if TYPE_CHECKING:
    from types import TracebackType

    from gate.client.gate import Gate
    from gate.domain.sends import Send

Answer = TypeVar("Answer")

#: Pauses before asking again, in seconds: under the same id that is always safe.
_PAUSES_S = (0.02, 0.1, 0.5)


async def ask_again(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asks up to four times while the answer is unknown or Redis is away. For verbs with an id."""
    for pause in _PAUSES_S:
        try:
            return await ask()
        except (OutcomeUnknown, Unavailable):
            await asyncio.sleep(pause)
    return await ask()


class Hold:
    """What `gate.hold(...)` makes. Entering raises Denied, Unavailable or OutcomeUnknown.

    Leaving normally commits `used` credits (None: all that were granted). Leaving by an exception
    releases, unless `used` says that something has left already: that is committed.
    """

    def __init__(self, gate: Gate, reserve: Callable[[], Awaitable[object]]) -> None:
        """Use `gate.hold`."""
        self._gate = gate
        self._reserve = reserve
        self._sends: list[Send] = []
        self._kept = False
        self._receipt: Reserved | None = None
        self._used: int | None = None

    @property
    def receipt(self) -> Reserved:
        """What was reserved; take it along after `keep()`."""
        if self._receipt is None:
            raise RuntimeError("the hold is not open: use `async with gate.hold(...)`")
        return self._receipt

    @property
    def credits(self) -> int:
        """Credits that were granted."""
        return self.receipt.credits

    @property
    def used(self) -> int | None:
        """Credits to commit at the end; None: all."""
        return self._used

    @used.setter
    def used(self, credits: int) -> None:
        self._used = check_whole("used", credits, 0, CREDITS_MAX)

    def record(self, send: Send) -> None:
        """Sends along with the settlement what became of one message."""
        self._sends.append(send)

    def keep(self) -> None:
        """Leaves the hold open at the end: somebody else settles it, or it expires."""
        self._kept = True

    async def __aenter__(self) -> Self:
        outcome = await ask_again(self._reserve)
        if not isinstance(outcome, Reserved):
            outcome.raise_if_denied()  # type: ignore[attr-defined]
        self._receipt = outcome  # type: ignore[assignment]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        receipt, sends = self.receipt, self._sends or None
        if self._kept:
            return
        if kind is None or self._used:
            settled = await ask_again(lambda: self._gate.commit(receipt, self._used, sends=sends))
        else:
            await ask_again(lambda: self._gate.release(receipt, reason=kind.__name__, sends=sends))
            return
        if error is None:
            settled.raise_if_denied()
