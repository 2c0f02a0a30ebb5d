"""Keeps tasks running: what passes by itself is tried again, a bug ends the process."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from gate.domain.errors import ContractError, OutcomeUnknown, Unavailable
from gate.hot.calls import AnswerLost
from gate.ledger.errors import CommitUnknown
from reconciler.waiting import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.log import Log
    from reconciler.metrics import Metrics

_PASSING: Final = (Unavailable, OutcomeUnknown, CommitUnknown, AnswerLost)
#: A task that ran for so long has got over what it failed of before.
_SOUND_S: Final = 10.0
_CANCELLED_MAX_S: Final = 2.0


class Supervisor:
    """Tasks that run until `stop` is set. One that ends otherwise sets `failed` and calls
    `on_failure`: the process cannot go on without it."""

    def __init__(
        self, stop: asyncio.Event, on_failure: Callable[[], None], log: Log, metrics: Metrics
    ) -> None:
        self.failed = False
        self._stop = stop
        self._on_failure = on_failure
        self._log = log
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, and run it again after a pause when it fails with what passes by itself."""
        self._tasks.add(asyncio.create_task(self._keep(name, work), name=name))

    async def join(self, grace_s: float, *, cancelled_s: float = _CANCELLED_MAX_S) -> bool:
        """After `stop` was set: wait so long, then cancel and wait `cancelled_s`; whether all have
        ended."""
        if not self._tasks:
            return True
        _, late = await asyncio.wait(self._tasks, timeout=grace_s)
        for task in late:
            self._log.warning("did not end in time", task=task.get_name(), grace_s=grace_s)
            task.cancel()
        if late:
            _, late = await asyncio.wait(late, timeout=cancelled_s)
        return not late

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            started_at = monotonic()
            try:
                await work()
            except Exception as error:
                if not passes(error):
                    self._give_up(name, error)
                    return
                self._log.warning("starts again", task=name, reason=describe(error))
            else:
                if not self._stop.is_set():
                    self._give_up(name, RuntimeError(f"{name} returned before it was told to"))
                return
            self._metrics.restarts.labels(name).inc()
            if monotonic() - started_at > _SOUND_S:
                backoff.reset()
            await backoff.pause(self._stop)

    def _give_up(self, name: str, error: Exception) -> None:
        # A ContractError says itself what to put right; of anything else the place matters.
        trace = None if isinstance(error, ContractError) else error
        self._log.error("failed for good", task=name, reason=describe(error), exc_info=trace)
        self.failed = True
        self._on_failure()


def passes(error: BaseException) -> bool:
    """Whether a later try may go well; of a group, whether it may for all of it."""
    if isinstance(error, BaseExceptionGroup):
        return all(passes(one) for one in error.exceptions)
    return isinstance(error, _PASSING)


def describe(error: BaseException) -> str:
    """What an error says, without its place; of a group, what each says."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(one) for one in error.exceptions)
    return str(error) or type(error).__name__
