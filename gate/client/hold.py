"""A hold as a context: reserve at the start, commit or release at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self, TypeVar

from gate.domain.errors import BadArgument, GateError, OutcomeUnknown, Unavailable
from gate.domain.limits import CREDITS_MAX, SENDS_BYTES_MAX, check_whole
from gate.domain.outcomes import Reserved
from gate.domain.sends import Send, pack_sends

if TYPE_CHECKING:
    from types import TracebackType

    from gate.client.gate import Gate
    from gate.domain.outcomes import CommitOutcome

Answer = TypeVar("Answer")

#: Pauses before asking again, in seconds: under the same id that is always safe.
_PAUSES_S = (0.02, 0.1, 0.5)


async def ask_again(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asks up to four times while the answer is unknown or Redis is away. For verbs with an id."""
    for pause in _PAUSES_S:
        try:
            return await ask()
        except (OutcomeUnknown, Unavailable) as error:
            if isinstance(error, Unavailable) and error.reason == "closed":
                raise
            await asyncio.sleep(pause)
    return await ask()


#: Commits under way: the loop itself keeps no task alive.
_COMMITS: set[asyncio.Future[CommitOutcome]] = set()


def _ended(commit: asyncio.Future[CommitOutcome]) -> None:
    _COMMITS.discard(commit)
    if not commit.cancelled():
        commit.exception()  # counts as looked at, where nobody waits any more


class Hold:
    """What `gate.hold(...)` makes. Entering raises Denied, Unavailable or OutcomeUnknown.

    Leaving normally commits `used` credits (None: all that were granted). Leaving by an exception
    releases, unless `used` says that something has left already: that is committed. That exception
    goes on in any case; if the settlement fails too, it bears a note of that.
    """

    def __init__(
        self,
        gate: Gate,
        reserve: Callable[[], Awaitable[object]],
        abandon: Callable[[], None] | None,
    ) -> None:
        """Use `gate.hold`. `abandon`: for an id that nobody else knows."""
        self._gate = gate
        self._reserve = reserve
        self._abandon = abandon
        self._sends: list[Send] = []
        self._sends_bytes = 0
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
        most = CREDITS_MAX if self._receipt is None else self.credits + max(self.credits, 1000)
        self._used = check_whole("used", credits, 0, most)

    def record(self, send: Send) -> None:
        """Sends along with the settlement what became of one message. Raises BadArgument, here
        and not at the end, where it would be too late."""
        if type(send) is not Send:
            raise BadArgument("send", send, "a Send")
        size = self._sends_bytes + len(pack_sends((send,)))
        if size > SENDS_BYTES_MAX:
            raise BadArgument("send", send, "1 MiB of JSON for all sends of a hold")
        self._sends_bytes = size
        self._sends.append(send)

    def keep(self) -> None:
        """Leaves the hold open at the end: somebody else settles it, or it expires."""
        self._kept = True

    async def __aenter__(self) -> Self:
        try:
            outcome = await ask_again(self._reserve)
        except (asyncio.CancelledError, GateError):
            if self._abandon is not None:
                self._abandon()
            raise
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
        if self._kept:
            return
        if error is None:
            (await self._commit()).raise_if_denied()
            return
        try:
            if self._used:
                (await self._commit()).raise_if_denied()
            else:
                await self._release(type(error).__name__)
        except GateError as failure:
            error.add_note(f"the hold {self.receipt.hold_id} was not settled: {failure}")

    async def _commit(self) -> CommitOutcome:
        """What has left is committed, also if whoever waits for it is cancelled meanwhile."""
        receipt, sends = self.receipt, self._sends or None
        commit = asyncio.ensure_future(
            ask_again(lambda: self._gate.commit(receipt, self._used, sends=sends))
        )
        _COMMITS.add(commit)
        commit.add_done_callback(_ended)
        return await asyncio.shield(commit)

    async def _release(self, reason: str) -> None:
        receipt, sends = self.receipt, self._sends or None
        await ask_again(lambda: self._gate.release(receipt, reason=reason, sends=sends))
