"""A sender: `python -m tests.torture.sender NAME DIARY SEED TASKS ORGANIZATION…`, until SIGTERM.

It asks until it is answered, and takes up what it left undone when it was killed. What it is told
is in its diary. After SIGTERM it begins nothing new, ends what it began, and exits.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from gate import (
    Committed,
    Conflict,
    Gate,
    HoldRef,
    OutcomeUnknown,
    Released,
    Reserved,
    Send,
    Settled,
    Unavailable,
)
from gate.domain.outcomes import Denial, NotFound
from tests.torture.diary import Diary, read_diary
from tests.torture.jobs import LATE_S, TTL_MS, Job, make_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gate import Outcome
    from tests.torture.jobs import Part

Answer = TypeVar("Answer", bound="Outcome")

_PAUSE_S: Final = 0.02
_AGAIN: Final = 0.08
_REMEMBERED_JOBS: Final = 400


class Sender:
    """The work of one process."""

    def __init__(self, name: str, path: Path, seed: int, organizations: list[str]) -> None:
        self._name = name
        self._seed = seed
        self._organizations = organizations
        # What a sender does besides its jobs need not be the same after it was killed.
        self._chance = random.Random(f"{seed} {name} {os.getpid()}")
        self._undone: list[int] = []
        self._asked: set[tuple[int, int]] = set()
        self._acknowledged: set[tuple[int, int]] = set()
        self._next = self._read(path)
        self._diary = Diary(path)
        self._done: deque[Job] = deque(maxlen=_REMEMBERED_JOBS)
        self._stop = asyncio.Event()
        self._gate: Gate

    def _read(self, path: Path) -> int:
        """What was left undone; the number of the next job."""
        undone: dict[int, None] = {}
        last = 0
        for line in read_diary(path):
            if line.what == "job":
                undone[line.job] = None
                last = max(last, line.job)
            elif line.what == "end":
                undone.pop(line.job, None)
            elif line.verb in ("commit", "spend"):
                seen = self._asked if line.what == "ask" else self._acknowledged
                seen.add((line.job, line.part))
        self._undone = list(undone)
        return last + 1

    async def run(self, redis_url: str, database_url: str, partitions: int, tasks: int) -> None:
        """Until SIGTERM, and what was begun is done."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        while True:
            try:
                self._gate = await Gate.connect(
                    redis_url, database_url=database_url, partitions=partitions
                )
                break
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
        async with self._gate, asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(self._work())

    async def _work(self) -> None:
        while self._undone:
            job = self._job(self._undone.pop(0))
            await self._settle_again(job)
            self._end(job)
        while not self._stop.is_set():
            number, self._next = self._next, self._next + 1
            job = self._job(number)
            self._diary.write("job", number)
            if self._chance.random() < _AGAIN / 2:
                # Delivered to two at once.
                await asyncio.gather(self._do(job), self._do(job))
            else:
                await self._do(job)
            self._end(job)
            await self._pause(self._chance.random() * _PAUSE_S)
            if self._chance.random() < _AGAIN and self._done:
                await self._do_again(self._chance.choice(self._done))

    def _job(self, number: int) -> Job:
        return make_job(self._seed, self._name, number, self._organizations)

    def _end(self, job: Job) -> None:
        self._diary.write("end", job.number)
        self._done.append(job)

    async def _pause(self, seconds: float) -> None:
        """Less when it is to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    # -- a job

    async def _do(self, job: Job) -> None:
        if job.kind == "spend":
            await self._spend(job)
        elif job.kind == "unknown":
            await self._commit_all(job)
        elif await self._reserve(job):
            await asyncio.sleep(job.seconds)
            if job.kind == "release":
                await self._release(job)
            else:
                await self._commit_all(job)

    async def _do_again(self, job: Job) -> None:
        """A message that is delivered once more: all of it, or its settlement alone."""
        self._diary.write("job", job.number)
        if self._has_left(job) and self._chance.random() < 0.5:
            if job.kind != "parts":  # that a part was settled before is not always told
                await self._commit_all(job)
        else:
            await self._settle_again(job)
        self._end(job)

    async def _settle_again(self, job: Job) -> None:
        """As if it had not been begun; but what has left is committed, whatever is said."""
        if not self._has_left(job):
            await self._do(job)
        elif job.kind == "parts":
            await self._commit_all(job)
        else:
            if job.kind != "unknown" and self._chance.random() < 0.5:
                await self._reserve(job)
            await self._commit_all(job)

    def _has_left(self, job: Job) -> bool:
        """Whether a settlement was asked for. A spend is asked before anything leaves."""
        return job.kind != "spend" and any(
            (job.number, part.number) in self._asked for part in job.settlements
        )

    async def _commit_all(self, job: Job) -> None:
        position = 0
        while position < len(job.settlements):
            part = job.settlements[position]
            if job.kind == "parts" and (job.number, part.number) in self._acknowledged:
                position += 1
                continue
            expected = await self._commit(job, part)
            if expected is None:
                position += 1
            else:
                # Redis has lost that part: say it again.
                position = expected - 1
                self._acknowledged -= {
                    (job.number, one.number) for one in job.settlements[position:]
                }

    # -- calls

    async def _spend(self, job: Job) -> None:
        part = job.settlements[0]
        self._ask("spend", job, part)
        outcome = await self._answer(
            job,
            lambda: self._gate.spend(
                job.organization_id, part.credits, spend_id=job.id, sends=_sends(job)
            ),
        )
        if isinstance(outcome, Committed) and outcome.spent == part.credits:
            self._acknowledge("spend", job, part, outcome)
        elif isinstance(outcome, Denial) and not isinstance(outcome, (Conflict, Settled)):
            self._diary.write("no", job.number, id=job.id, said=outcome.code)
        else:
            self._wrong(job, outcome)

    async def _reserve(self, job: Job) -> bool:
        """Whether a hold is open, or was and has expired: the message may have left by then."""
        outcome = await self._answer(
            job,
            lambda: self._gate.reserve(
                job.organization_id,
                job.credits,
                hold_id=job.id,
                ttl_ms=TTL_MS,
                sends=_sends(job),
            ),
        )
        if isinstance(outcome, Reserved):
            return True
        if isinstance(outcome, Conflict) or not isinstance(outcome, Denial):
            self._wrong(job, outcome)
        if isinstance(outcome, Settled):
            return outcome.how == "expired" and self._chance.random() < 0.5
        self._diary.write("no", job.number, id=job.id, said=outcome.code)
        return False

    async def _commit(self, job: Job, part: Part) -> int | None:
        """None, or the part that has to be settled before."""
        self._ask("commit", job, part)
        hold = HoldRef(job.organization_id, job.id, job.credits)
        outcome = await self._answer(
            job,
            lambda: self._gate.commit(
                hold,
                part.credits,
                final=part.is_final,
                part=part.number or None,
                sends=_sends(job) if part.is_final else None,
            ),
        )
        if isinstance(outcome, Committed) and outcome.spent == part.credits:
            self._acknowledge("commit", job, part, outcome)
        elif isinstance(outcome, Conflict) and outcome.field == "part" and outcome.expected == 1:
            return 1
        else:
            self._wrong(job, outcome)
        return None

    async def _release(self, job: Job) -> None:
        hold = HoldRef(job.organization_id, job.id, job.credits)
        outcome = await self._answer(job, lambda: self._gate.release(hold))
        if not isinstance(outcome, (Released, NotFound)):
            self._wrong(job, outcome)

    async def _answer(self, job: Job, call: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await call()
            except (OutcomeUnknown, Unavailable):
                await asyncio.sleep(_PAUSE_S)
            except Exception as error:
                self._wrong(job, error)
                await asyncio.sleep(LATE_S)

    # -- the diary

    def _ask(self, verb: str, job: Job, part: Part) -> None:
        self._asked.add((job.number, part.number))
        self._diary.write(
            "ask",
            job.number,
            verb=verb,
            organization_id=job.organization_id,
            id=job.id,
            part=part.number,
            credits=part.credits,
        )

    def _acknowledge(self, verb: str, job: Job, part: Part, outcome: Committed) -> None:
        self._acknowledged.add((job.number, part.number))
        self._diary.write(
            "ack",
            job.number,
            verb=verb,
            organization_id=job.organization_id,
            id=job.id,
            part=part.number,
            credits=outcome.spent,
            said="late" if outcome.late else "replayed" if outcome.replayed else "",
        )

    def _wrong(self, job: Job, what: object) -> None:
        self._diary.write("wrong", job.number, id=job.id, said=f"{job.kind}: {what!r}")


def _sends(job: Job) -> list[Send] | None:
    if not job.with_sends:
        return None
    return [Send(send_id=f"esn_{job.id}", recipient="ada@example.org")]


def main(name: str, path: str, seed: str, tasks: str, *organizations: str) -> None:
    """Run it."""
    sender = Sender(name, Path(path), int(seed), list(organizations))
    environ = os.environ
    asyncio.run(
        sender.run(
            environ["REDIS_URL"], environ["PG_URL"], int(environ["GATE_PARTITIONS"]), int(tasks)
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
