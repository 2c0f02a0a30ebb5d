"""A real sender: reserves before a letter leaves, commits when it was taken, releases when not.

Each of these says what it is about, so that the ledger knows of every message what became of it.
The id of a hold is made of the run and the letter. So a run that is started again under its id
neither sends nor pays twice what was settled, and another run is another sending.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gate.client.hold import ask_again
from gate.demo.tally import STOPPED
from gate.domain.outcomes import (
    Committed,
    Insufficient,
    Released,
    Reserved,
    Settled,
    Throttled,
)
from gate.domain.sends import Send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.client.gate import Gate
    from gate.demo.mbox import Letter, Mbox
    from gate.demo.smtp import Mailer, Verdict
    from gate.demo.tally import Figures
    from gate.domain.outcomes import Denial, ReserveOutcome

#: Letters of one organization on their way at once.
_UNDER_WAY_MAX = 8
#: Pauses before a letter is offered again to a server that asked for it.
_OFFER_AGAIN_S = (0.1, 0.4)
#: Longer than a letter can be on its way, pauses and time limits included.
_TTL_MS = 300_000
_TEXT_BYTES_MAX = 255
_RECORDED_AT_ONCE = 500


class Sender:
    """Sends the letters of one organization, in order as far as credits go: a letter is reserved
    after the one before it. `stop`, once set, lets what is under way end and begins nothing new."""

    def __init__(
        self,
        gate: Gate,
        mailer: Mailer,
        mbox: Mbox,
        figures: Figures,
        *,
        organization_id: str,
        run_id: str,
        stop: asyncio.Event,
    ) -> None:
        self._gate = gate
        self._mailer = mailer
        self._mbox = mbox
        self._figures = figures
        self._tally = figures.tallies[organization_id]
        self._organization_id = organization_id
        self._run_id = run_id
        self._stop = stop
        self._denied_for_good = ""
        self._slots = asyncio.Semaphore(_UNDER_WAY_MAX)
        self._under_way: set[asyncio.Task[None]] = set()
        self._to_record: list[Send] = []
        self._duplicates = 0

    async def send(self, letters: Iterable[Letter]) -> None:
        """Brings every letter to an end. Raises GateError where Redis stays away, in a group."""
        async with asyncio.TaskGroup() as deliveries:
            for letter in letters:
                if letter.skip:
                    await self._skip(letter, letter.skip)
                elif hold := await self._admit(letter):
                    await self._slots.acquire()
                    task = deliveries.create_task(self._deliver(letter, hold))
                    self._under_way.add(task)
                    task.add_done_callback(self._ended)
        await self._record()

    async def _admit(self, letter: Letter) -> Reserved | None:
        """A hold for the letter; None if there is none to be had, which is counted."""
        while not self._denied_for_good and not self._stop.is_set():
            outcome = await ask_again(lambda: self._reserve(letter))
            if isinstance(outcome, Reserved):
                self._figures.admitted += 1
                return outcome
            if isinstance(outcome, Settled):
                self._tally.repeated += 1
                return None
            self._tally.denied[_reason(outcome)] += 1
            if isinstance(outcome, Throttled) and outcome.retry_after_ms is not None:
                await self._pause(outcome.retry_after_ms / 1000)
            elif isinstance(outcome, Insufficient) and self._under_way:
                # A letter that is refused gives its credit back.
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            else:
                self._denied_for_good = outcome.code
        await self._skip(letter, self._denied_for_good or STOPPED)
        return None

    async def _deliver(self, letter: Letter, hold: Reserved) -> None:
        content = self._mbox.content(letter.position)
        verdict = await self._mailer.deliver(letter.sender, letter.recipient, content)
        for pause_s in _OFFER_AGAIN_S:
            if not verdict.temporary:
                break
            self._tally.deferred += 1
            await self._pause(pause_s)
            verdict = await self._mailer.deliver(letter.sender, letter.recipient, content)
        if verdict.accepted:
            await self._commit(letter, hold)
        else:
            await self._release(letter, hold, verdict)

    async def _commit(self, letter: Letter, hold: Reserved) -> None:
        sends = [self._send(letter)]
        outcome = await ask_again(
            lambda: self._figures.commit.measure(self._gate.commit(hold, sends=sends))
        )
        if isinstance(outcome, Committed):
            self._tally.sent += 1
            self._tally.last_sent = hold.hold_id
            self._tally.spent += outcome.spent
        else:
            outcome.raise_if_denied()

    async def _release(self, letter: Letter, hold: Reserved, verdict: Verdict) -> None:
        said = str(verdict).replace("\0", "").encode()[:_TEXT_BYTES_MAX].decode(errors="ignore")
        sends = [self._send(letter, error=said)]
        outcome = await ask_again(lambda: self._gate.release(hold, reason=said, sends=sends))
        if isinstance(outcome, Released):
            self._tally.refused += 1
        else:
            outcome.raise_if_denied()

    async def _skip(self, letter: Letter, reason: str) -> None:
        """Counts a letter that is not offered, and journals it unless somebody only stopped us."""
        self._tally.skipped[reason] += 1
        if reason == STOPPED:
            return
        send = self._send(letter, credits=0, skip_reason=letter.skip or "over_limit")
        if letter.skip == "duplicate":
            # It has the id of the letter that it repeats, of which there is other news.
            self._duplicates += 1
            send = replace(send, send_id=f"{send.send_id}.{self._duplicates}")
        self._to_record.append(send)
        if len(self._to_record) == _RECORDED_AT_ONCE:
            await self._record()

    async def _record(self) -> None:
        """Journals what was skipped. Not asked again: it could stand there twice."""
        if self._to_record:
            outcome = await self._gate.record(self._organization_id, self._to_record)
            outcome.raise_if_denied()
            self._to_record.clear()

    def _send(self, letter: Letter, **more: Any) -> Send:
        return Send(
            send_id=self._id(letter), recipient=letter.recipient, subject=letter.subject, **more
        )

    async def _reserve(self, letter: Letter) -> ReserveOutcome:
        asking = self._gate.reserve(
            self._organization_id,
            hold_id=self._id(letter),
            ttl_ms=_TTL_MS,
            sends=[self._send(letter)],
        )
        return await self._figures.reserve.measure(asking)

    def _id(self, letter: Letter) -> str:
        return f"{self._run_id}.{letter.id}"

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()

    async def _pause(self, seconds: float) -> None:
        """Sleeps, or less once `stop` is set."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


def _reason(denial: Denial) -> str:
    """How denials are told apart: throttled by each limit, and the others by their code."""
    return f"throttled ({denial.limit})" if isinstance(denial, Throttled) else denial.code
