"""Senders that do not give up, and keep account of every answer that they got."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from gate import Committed, OutcomeUnknown, Released, Reserved, Unavailable

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from gate import Gate, Outcome

Answer = TypeVar("Answer", bound="Outcome")

#: How long a sender waits before it asks again, in seconds.
PAUSE_S = 0.002


class Work:
    """What `organizations` were asked for through `gate`. Every id asks for another number of
    credits, so that an answer given to the wrong call is seen."""

    def __init__(self, gate: Gate, organizations: list[str], chance: random.Random) -> None:
        #: Committed credits by id, acknowledged.
        self.spent: dict[str, dict[str, int]] = {name: {} for name in organizations}
        #: Holds that were acknowledged and not settled.
        self.open: dict[str, Reserved] = {}
        self.seen: Counter[str] = Counter()
        #: One of so many calls is cancelled.
        self.cancel_one_in = 0
        self._gate = gate
        self._organizations = organizations
        self._chance = chance
        self._ids = 0
        self._goal = 0
        self._reached = asyncio.Event()

    async def ask(
        self, organization_id: str, id: str, call: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The answer to `call`, asked for as often as it takes."""
        while True:
            asking = asyncio.ensure_future(call())
            try:
                if self.cancel_one_in and self._chance.randrange(self.cancel_one_in) == 0:
                    for _ in range(self._chance.randrange(6)):
                        await asyncio.sleep(0)
                    asking.cancel()
                answer = await asking
            except asyncio.CancelledError:
                assert asking.cancelled()
                self.seen["cancelled"] += 1
            except OutcomeUnknown as error:
                if (error.organization_id, error.id) != (organization_id, id):
                    raise AssertionError(f"asked for {id} of {organization_id}") from error
                self.seen["unknown"] += 1
                await asyncio.sleep(PAUSE_S)
            except Unavailable:
                self.seen["unavailable"] += 1
                await asyncio.sleep(PAUSE_S)
            else:
                assert answer.admitted, answer
                self.seen["answered"] += 1
                self.seen["replayed"] += getattr(answer, "replayed", False)
                if self.seen["answered"] >= self._goal:
                    self._reached.set()
                return answer

    async def answers(self, count: int) -> None:
        """Returns when so many more have come."""
        self._goal = self.seen["answered"] + count
        self._reached.clear()
        await self._reached.wait()

    async def send(self) -> None:
        """One message: reserves and settles in one of the ways there are, or spends."""
        self._ids += 1
        credits, id = self._ids, f"eml_{self._ids}"
        organization_id = self._chance.choice(self._organizations)
        way = self._chance.choice(["spend", "all", "less", "more", "parts", "release", "open"])
        gate, spent = self._gate, self.spent[organization_id]
        if way == "spend":
            outcome = await self.ask(
                organization_id, id, lambda: gate.spend(organization_id, credits, spend_id=id)
            )
            assert isinstance(outcome, Committed)
            assert (outcome.id, outcome.spent, outcome.late) == (id, credits, False)
            spent[id] = credits
            return
        held = await self.ask(
            organization_id, id, lambda: gate.reserve(organization_id, credits, hold_id=id)
        )
        assert isinstance(held, Reserved)
        assert (held.hold_id, held.credits) == (id, credits)
        self.open[id] = held
        if way == "release":
            await self.release(held)
        elif way == "parts":
            first = credits // 3
            await self.commit(held, first, 0, final=False, part=1)
            spent[id] = first
            await self.commit(held, credits - first, 0, part=2)
            spent[id] = credits
            del self.open[id]
        elif way != "open":
            amount = {"all": credits, "less": credits // 2, "more": credits + 100}[way]
            await self.commit(held, amount, max(0, credits - amount))
            spent[id] = amount
            del self.open[id]

    async def commit(
        self,
        held: Reserved,
        credits: int,
        returned: int,
        *,
        final: bool = True,
        part: int | None = None,
    ) -> None:
        """Commits and checks the answer."""
        outcome = await self.ask(
            held.organization_id,
            held.hold_id,
            lambda: self._gate.commit(held, credits, final=final, part=part),
        )
        assert isinstance(outcome, Committed), outcome
        assert (outcome.spent, outcome.returned, outcome.late) == (credits, returned, False)

    async def release(self, held: Reserved) -> None:
        """Releases and checks the answer."""
        outcome = await self.ask(
            held.organization_id, held.hold_id, lambda: self._gate.release(held)
        )
        assert isinstance(outcome, Released), outcome
        assert (outcome.returned, outcome.how) == (held.credits, "released")
        del self.open[held.hold_id]

    async def settle(self, gate: Gate) -> None:
        """Releases what is open, by `gate`; it is all still there."""
        self._gate = gate
        for held in list(self.open.values()):
            again = await gate.reserve(held.organization_id, held.credits, hold_id=held.hold_id)
            assert isinstance(again, Reserved)
            assert again.replayed, "an acknowledged hold was lost"
            await self.release(held)
