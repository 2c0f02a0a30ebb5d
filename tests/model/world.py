"""One seeded run: processes, faults, and what must be true when they are over."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.model import processes
from tests.model.account import ALLOWANCE
from tests.model.postgres import MARGIN, Operation, Postgres
from tests.model.processes import Job
from tests.model.redis import REMEMBERED, Redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.model.account import Fact
    from tests.model.rules import Rules

TAIL = 40
STORM = 550
DRAIN = 3_000
SNAPSHOT_EVERY = 4
#: More reloads than this after the last disturbance, and a person would be called.
RELOADS_ALLOWED = 3
KINDS = ("commit", "commit", "commit", "spend", "spend", "release")


@dataclass
class Process:
    """A process and until when it is paused."""

    start: object
    steps: object
    paused_until: int = 0


@dataclass
class World:
    """Everything there is, and an observer who sees all of it."""

    seed: int
    rules: Rules
    calm: bool = False
    random: random.Random = field(init=False)
    now: int = 0
    is_quiet: bool = False
    jobs: list[Job] = field(default_factory=list)
    credits: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    lost: set[Fact] = field(default_factory=set)
    asked: list[Operation] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    faults: Counter = field(default_factory=Counter)
    reloads_before: int = 0
    reloads_most: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.redis = Redis(self.rules)
        self.postgres = Postgres(self.rules)
        self.clock_behind = 0
        self.old_redis: list[tuple[int, Redis]] = []
        self.old_postgres: list[tuple[int, Postgres]] = []
        starts = [processes.sender] * 3 + [processes.platform] + [processes.reconciler] * 2
        self.processes = [Process(start, start(self)) for start in starts]

    # What processes ask of the world

    def log(self, text: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.now:5} {text}")

    def choice(self, items: Sequence) -> object:
        """One of them."""
        return items[int(self.random.random() * len(items))]

    def answer_lost(self) -> bool:
        """Whether an answer got lost on its way."""
        return not self.is_quiet and self.random.random() < 0.08

    def take_job(self) -> Job | None:
        """The next message that nobody works on; a few are delivered to two senders."""
        for job in self.jobs:
            if not job.taken and (job.not_before <= self.now or self.is_quiet):
                if not self.is_quiet and self.random.random() < 0.05:
                    job.repeat_until = min(job.repeat_until, self.now + REMEMBERED // 2)
                    self.jobs.append(replace(job))
                job.taken = True
                return job
        return None

    def done_with(self, job: Job) -> None:
        """Off the queue; some messages are delivered again, some commits are said again late."""
        self.jobs.remove(job)
        chance = self.random.random()
        if job.id not in self.acknowledged or self.is_quiet or chance > 0.3:
            return
        job.taken, job.not_before = False, self.now + int(self.random.random() * REMEMBERED / 2)
        if chance < 0.12 and job.kind == "commit":
            job.kind = "commit only"
            job.not_before = self.now + int(self.random.random() * 4 * REMEMBERED)
        self.jobs.append(job)

    def next_operation(self) -> Operation | None:
        """What the platform does next, if anything; what it did is sometimes said again."""
        chance = self.random.random()
        if self.is_quiet or chance > 0.3:
            return None
        if chance < 0.06 and self.asked:
            return self.choice(self.asked)
        credits = int(self.random.random() * 40) + 1
        name = f"op{len(self.asked)}"
        if chance < 0.12:
            operation = Operation(name, credits, "base", self.postgres.row.period)
        elif chance < 0.18:
            operation = Operation(name, -credits)
        else:
            operation = Operation(name, credits)
        self.asked.append(operation)
        return operation

    # Faults

    def _disturb(self) -> None:
        """Now and then something goes wrong."""
        chance = self.random.random()
        if chance < 0.03:
            self.choice(self.processes).paused_until = self.now + int(self.random.random() * 120)
        elif chance < 0.045:
            self._kill(self.choice(self.processes))
        elif chance < 0.06 and not self.calm:
            self.reloads_before = self.postgres.reloads
            fault = self.choice(FAULTS)
            self.faults[fault.__name__] += 1
            fault(self)
            self.log(f"-- {fault.__name__}")

    def _kill(self, process: Process) -> None:
        process.steps.close()
        process.steps = process.start(self)
        self.log(f"-- killed {process.start.__name__}")

    def lose_tail(self) -> None:
        """Redis comes back as it was a while ago, with a clock that is behind."""
        found = [old for old in self.old_redis if old[0] >= self.now - TAIL]
        if found:
            at, redis = self.choice(found)
            self.old_redis = [old for old in self.old_redis if old[0] <= at]
            self.clock_behind += int(self.random.random() * (self.now - at + 2))
            self._replace(redis.copy(), self.postgres)

    def flush(self) -> None:
        """Redis is emptied."""
        self.clock_behind += int(self.random.random() * 10)
        self._replace(Redis(self.rules), self.postgres)

    def delete_key(self) -> None:
        """Somebody deletes the account's key."""
        self.redis.account = None

    def edit(self) -> None:
        """Somebody changes the account by hand."""
        account = self.redis.account
        if account:
            kind = self.choice(("give", "take", "move", "held"))
            if kind == "give":
                account.purchased += 15
            elif kind == "take":
                account.base -= min(account.base, 9)
            elif kind == "move":
                account.base, account.purchased = 0, account.purchased + account.base
            else:
                account.held += 7

    def go_back(self) -> None:
        """PostgreSQL comes back as it was a while ago."""
        found = [old for old in self.old_postgres if old[0] >= self.now - MARGIN + 6]
        if found:
            at, postgres = self.choice(found)
            self.old_postgres = [old for old in self.old_postgres if old[0] <= at]
            self._replace(self.redis, replace(postgres.copy(), reloads=self.postgres.reloads))

    def _replace(self, redis: Redis, postgres: Postgres) -> None:
        """What was in journal or ledger and now is in neither may be lost."""
        before = _facts(self.redis) | set(self.postgres.standing)
        self.redis, self.postgres = redis, postgres
        self.lost |= before - _facts(redis) - set(postgres.standing)

    # The run

    def run(self) -> list[str]:
        """Play the seed -> what is wrong at its end."""
        for self.now in range(1, STORM):
            if self.now % 6 == 0:
                job = Job(f"m{self.now}", int(self.random.random() * 6) + 1, self.choice(KINDS))
                self.credits[job.id] = job.credits
                self.jobs.append(job)
            self._step()
            self._disturb()
            if self.now % SNAPSHOT_EVERY == 0:
                self.old_redis = [*self.old_redis[-20:], (self.now, self.redis.copy())]
                self.old_postgres = [*self.old_postgres[-20:], (self.now, self.postgres.copy())]
        self.is_quiet = True
        self.log("-- quiet")
        for self.now in range(STORM, STORM + DRAIN):
            self._step()
            if self.now % 16 == 0 and self._is_drained():
                return self.wrongs()
        return ["not drained: a person is needed", *self.wrongs()]

    def _step(self) -> None:
        self.redis.now = self.now - self.clock_behind
        ready = [p for p in self.processes if p.paused_until <= self.now or self.is_quiet]
        if ready:
            next(self.choice(ready).steps)
        reloads = self.postgres.reloads - self.reloads_before
        self.reloads_most = max(self.reloads_most, reloads)

    def _is_drained(self) -> bool:
        redis, postgres, live = self.redis, self.postgres, self.redis.account
        if self.jobs or postgres.pending() or postgres.misfit or not live or redis.holds:
            return False
        end = redis.journal[-1] if redis.journal else None
        return postgres.cursor == end and live.held == 0 and self._agree()

    def _agree(self) -> bool:
        live, row = self.redis.account, self.postgres.row
        return (live.epoch, live.seq, *live.numbers) == (row.epoch, row.seq, *row.numbers)

    # What must be true

    def wrongs(self) -> list[str]:
        """What is not as promised."""
        found = [*self._wrong_numbers(), *self._wrong_chain(), *self._wrong_counts()]
        if self.calm and self.postgres.reloads:
            found.append("reloaded without a reason")
        if self.reloads_most > RELOADS_ALLOWED:
            found.append(f"{self.reloads_most} reloads after one fault: a person is needed")
        return found

    def _wrong_numbers(self) -> Iterator[str]:
        live, row = self.redis.account, self.postgres.row
        if not live or not self._agree():
            yield f"live {live} is not booked {row}"
        if live and live.held != sum(credits for credits, _ in self.redis.holds.values()):
            yield f"held {live.held} is not the sum of {self.redis.holds}"

    def _wrong_chain(self) -> Iterator[str]:
        posted, periods = ALLOWANCE, {known.id: known.period for known in self.asked}
        for entry in self.postgres.ledger:
            (kind, name), leg = entry.leg.fact, entry.leg
            posted += leg.amount
            if posted != entry.balance_after:
                yield f"the chain breaks at {entry}"
                posted = entry.balance_after
            if min(entry.after) < 0:
                yield f"a grant is below 0 after {entry}"
            if kind == "turn" and entry.after[1] != ALLOWANCE - leg.debt:
                yield f"not an allowance after {entry}"
            if kind == "operation" and periods.get(name) not in (None, entry.after[0]):
                yield f"{name} is for period {periods[name]}: {entry}"
        for (epoch, seq), (next_epoch, next_seq) in pairwise(self.postgres.chain):
            if next_seq <= seq or (next_seq > seq + 1 and epoch == next_epoch):
                yield f"a gap between {epoch}/{seq} and {next_epoch}/{next_seq}"
        if posted != self.postgres.row.posted:
            yield f"the row is not the chain's end {posted}"

    def _wrong_counts(self) -> Iterator[str]:
        net, turns = self._net()
        for name, credits in self.credits.items():
            must = name in self.acknowledged and ("settle", name) not in self.lost
            if net["settle", name] not in ((-credits,) if must else (0, -credits)):
                yield f"{name}: {net['settle', name]} booked, not {-credits}"
        for known in self.postgres.operations.values():
            wanted = 0 if known.state == "replaced" else known.credits
            if not known.reverses and net["operation", known.id] != wanted:
                yield f"{net['operation', known.id]} booked of {known}"
        for asked in self.asked:
            if net["operation", asked.id] not in (0, asked.credits):
                yield f"{net['operation', asked.id]} booked of {asked}"
        if turns != dict.fromkeys(range(1, self.postgres.row.period + 1), 1):
            yield f"turns {dict(turns)} at period {self.postgres.row.period}"

    def _net(self) -> tuple[Counter, Counter]:
        """What is booked of each fact, reversals counted; how often each period turned."""
        net, turns, reverses = Counter(), Counter(), {}
        for entry in self.postgres.ledger:
            fact = entry.leg.fact
            reverses[fact] = entry.reverses
            turns.update([fact[1]] if fact[0] == "turn" else [])
            while fact:
                net[fact] += entry.leg.amount
                fact = reverses.get(fact)
        return net, turns


FAULTS = (World.lose_tail, World.flush, World.delete_key, World.edit, World.go_back)


def _facts(redis: Redis) -> set[Fact]:
    return {leg.fact for delta in redis.journal for leg in delta.legs}
