"""Where organizations stand, live and booked, once both say the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.demo.errors import DemoError
from gate.domain.errors import OutcomeUnknown, Unavailable
from gate.domain.outcomes import NotLoaded
from gate.hot.commands import touch
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from gate.client.gate import Gate
    from gate.hot.commands.peek import Account, PeekOutcome
    from gate.ledger.connection import Pool

_PATIENCE_S: Final = 30.0
#: For somebody who wants to go.
_PATIENCE_STOPPED_S: Final = 5.0
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.01, 0.25
_TELL_EVERY_S: Final = 1.0
#: Organizations that are asked for at once.
_AT_ONCE: Final = 64
_NAMED_MAX: Final = 5


class Booked(NamedTuple):
    """A row of `account`, as far as it is compared."""

    organization_id: str
    epoch: int
    seq: int
    posted: int
    used: int
    overage: int
    debt: int
    period_no: int
    entry_no: int
    repair_state: str


class Standing(NamedTuple):
    """An organization at one delta: `live` in Redis, `booked` in PostgreSQL. `differs`: in which
    words, empty where both say the same."""

    live: Account
    booked: Booked
    differs: str = ""

    @property
    def is_caught_up(self) -> bool:
        """Whether everything is booked that the account had done."""
        return (self.live.epoch, self.live.seq) == (self.booked.epoch, self.booked.seq)


class OpenOperation(NamedTuple):
    """An operation that has not come back."""

    organization_id: str
    id: str
    status: str


class Waiting:
    """Waits for the reconciler: with growing pauses, a line a second, and never for longer than
    `patience_s` without progress, or 5 s once `stop` is set."""

    def __init__(
        self,
        stop: asyncio.Event,
        tell: Callable[[str], None],
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._stop = stop
        self._tell = tell
        self._patience_s = patience_s
        self._pause_s = _PAUSE_MIN_S
        self._moved_at = monotonic()
        self._told_at = monotonic()
        self._seen: object = None

    async def pause(self, left: object, line: str) -> bool:
        """False once it is time to give up. `left`: what is still to come; while it changes,
        there is progress. `line` says it."""
        now = monotonic()
        if left != self._seen:
            self._seen, self._moved_at = left, now
        limit_s = min(self._patience_s, _PATIENCE_STOPPED_S if self._stop.is_set() else inf)
        if now - self._moved_at > limit_s:
            return False
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._tell(line)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _PAUSE_MAX_S)
        return True


async def until_booked(pool: Pool, organization_ids: Collection[str], waiting: Waiting) -> None:
    """Waits until every operation of the organizations came back from its account.

    Raises DemoError, which names those that did not, and Unavailable.
    """
    ids = sorted(organization_ids)
    while True:
        async with borrowed(pool) as connection:
            left = await load_statement("list_open_operations").fetch(
                connection, OpenOperation, ids
            )
        if not left:
            return
        counts = Counter(one.status for one in left)
        told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        if not await waiting.pause(counts, f"waiting for operations to be booked: {told}"):
            named = ", ".join(f"{one.id} of {one.organization_id}" for one in left[:_NAMED_MAX])
            raise DemoError(
                f"the reconciler did not book the operations that give credits ({told}): {named}"
                f"{' …' if len(left) > _NAMED_MAX else ''}"
            )


async def until_agreed(
    gate: Gate, pool: Pool, organization_ids: Collection[str], waiting: Waiting
) -> dict[str, Standing]:
    """Waits until the ledger is at the delta at which each account is, and brings accounts up to
    now before. At the limit those are among the answers that differ, and say how.

    Raises DemoError for an account that is nowhere, and Unavailable.
    """
    found: dict[str, Standing] = {}
    left = sorted(organization_ids)
    while True:
        # First live, then booked: equal numbers then are those of one instant.
        lives = await _each(left, lambda one: _read_live(gate, one))
        async with borrowed(pool) as connection:
            rows = await load_statement("read_places").fetch(connection, Booked, left)
        booked = {row.organization_id: row for row in rows}
        for organization_id, live in zip(left, lives, strict=True):
            row = booked.get(organization_id)
            if isinstance(live, NotLoaded):
                raise DemoError(str(live))
            if row is None:
                raise DemoError(f"PostgreSQL has no account of {organization_id}")
            if live is not None:
                found[organization_id] = Standing(live, row, differs(live, row))
        left = [one for one in left if one not in found or found[one].differs]
        behind = sum(_behind(found[one]) for one in left if one in found)
        line = f"waiting for the ledger: {len(left):,} organizations, {behind:,} deltas"
        if not left or not await waiting.pause((len(left), behind), line):
            break
    if absent := [one for one in left if one not in found]:
        named = ", ".join(absent[:_NAMED_MAX])
        raise DemoError(f"accounts were not loaded into Redis: {named}")
    return found


def differs(live: Account, booked: Booked) -> str:
    """In which words the account and the ledger differ; empty: in none."""
    if (live.epoch, live.seq) != (booked.epoch, booked.seq):
        repair = "" if booked.repair_state == "ok" else f" and {booked.repair_state}"
        return (
            f"the account is at delta {live.epoch}/{live.seq:,}, "
            f"the ledger at {booked.epoch}/{booked.seq:,}{repair}"
        )
    names = ("posted", "used", "overage", "debt", "period_no")
    return "; ".join(
        f"{name} is {getattr(live, name):,} in the account, {getattr(booked, name):,} in the ledger"
        for name in names
        if getattr(live, name) != getattr(booked, name)
    )


def _behind(standing: Standing) -> int:
    return max(0, standing.live.seq - standing.booked.seq)


async def _read_live(gate: Gate, organization_id: str) -> PeekOutcome | None:
    """The account as of now, all that time did to it being in the journal; None: not at the
    moment. One that is not in Redis is loaded; NotLoaded: it is nowhere."""
    try:
        account = await gate.peek(organization_id)
        if isinstance(account, NotLoaded):
            return account
        touched = await gate.caller.call(touch, organization_id, "", ())
        if isinstance(touched, NotLoaded):
            return None
        return await gate.peek(organization_id) if touched.changed else account
    except OutcomeUnknown:
        return None
    except Unavailable as error:
        if error.reason != "loading":
            raise
        return None


async def _each(
    organization_ids: Sequence[str], read: Callable[[str], Awaitable[PeekOutcome | None]]
) -> list[PeekOutcome | None]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(organization_id: str) -> PeekOutcome | None:
        async with slots:
            return await read(organization_id)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(organization_id)) for organization_id in organization_ids]
    return [task.result() for task in tasks]
