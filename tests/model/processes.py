"""The processes of the model: generators that may be paused, killed or overtaken at each `yield`.

Every `yield` stands where the real process awaits an answer, so what was read before it may be old
after it, and an answer may never arrive though the call was carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tests.model.postgres import Operation
from tests.model.redis import REMEMBERED

if TYPE_CHECKING:
    from tests.model.world import World

BATCH = 6
Steps = Iterator[None]


@dataclass(eq=False)
class Job:
    """A message to send; it stays in the queue until a sender is done with it."""

    id: str
    credits: int
    kind: str
    not_before: int = 0
    taken: bool = False
    #: The mail is on the wire: from now on it is committed, never released.
    sent: bool = False
    #: Reserve and spend may be said again for as long as ids are remembered; commit at any time.
    repeat_until: float = inf


def call(world: World, job: Job, verb: str, credits: int) -> Steps:
    """Call a verb until its answer arrives; load the account if it is not there."""
    while True:
        yield
        if verb != "commit" and world.now > job.repeat_until:
            return "too late"
        answer = getattr(world.redis, verb)(job.id, credits)
        world.log(f"{verb} {job.id} {credits} -> {answer}")
        if verb != "reserve":
            job.repeat_until = min(job.repeat_until, world.now + REMEMBERED // 2)
        yield
        if answer == "not_loaded":
            yield from load(world)
        elif not world.answer_lost():
            return answer


def load(world: World) -> Steps:
    """Try once to put the account into Redis: journal's end, cursor, epoch and row, `load`.

    Who waits for the cursor asks again; a reconciler goes on booking in between, because it may be
    the one that everybody waits for.
    """
    if world.redis.account is None:
        yield
        end = world.redis.last_id
        yield
        account = world.postgres.read_for_load(end)
        yield
        if account:
            world.log(f"load {account} -> {world.redis.load(account)}")


def sender(world: World) -> Steps:
    """Take messages from the queue, reserve, send, commit."""
    while True:
        job = world.take_job()
        if job:
            try:
                yield from do_job(world, job)
            except GeneratorExit:
                job.taken = False
                raise
            world.done_with(job)
        yield


def do_job(world: World, job: Job) -> Steps:
    """One message; a sender that died in it leaves it to another, who begins anew."""
    if job.kind == "spend":
        answer = yield from call(world, job, "spend", job.credits)
    elif job.kind == "commit only":
        answer = yield from call(world, job, "commit", job.credits)
    else:
        answer = yield from call(world, job, "reserve", job.credits + 2)
        if job.kind == "release" or (answer != "reserved" and not job.sent):
            if answer == "reserved":
                yield from call(world, job, "release", 0)
            return
        job.sent = True
        yield
        answer = yield from call(world, job, "commit", job.credits)
    if answer == "committed":
        world.acknowledged.add(job.id)


def platform(world: World) -> Steps:
    """Buy, take back, upgrade: a row in PostgreSQL, then at once to the account."""
    while True:
        operation = world.next_operation()
        if operation:
            yield
            world.postgres.create(operation)
            world.log(f"create {operation}")
            yield
            yield from apply(world, operation)
        yield


def apply(world: World, operation: Operation) -> Steps:
    """Bring an operation to the account."""
    answer = world.redis.apply(operation)
    world.log(f"apply {operation.id} {operation.credits} -> {answer}")
    yield
    if answer == "not_loaded":
        yield from load(world)
    elif answer == "stale":
        end = world.redis.last_id
        yield
        if world.postgres.has_reached(end) or not world.rules.stale_waits:
            world.postgres.replace_stale(operation.id)
            world.log(f"stale {operation.id}")
    elif not world.rules.resend_until_booked:
        world.postgres.finish(operation.id)


def reconciler(world: World) -> Steps:
    """Book, and between batches do one of the other things."""
    others = (repair, trim, resend, compare, sweep)
    while True:
        yield from book(world)
        yield from world.choice(others)(world)


def book(world: World) -> Steps:
    """Read behind the cursor, see that the anchor is there, book."""
    postgres = world.postgres
    cursor = postgres.cursor
    yield
    anchored, deltas = world.redis.read(cursor, BATCH)
    yield
    if not anchored:
        done = world.postgres.fork(cursor)
        world.log(f"fork at {cursor and cursor.id} -> {done}")
    elif deltas and world.rules.one_transaction:
        done = world.postgres.book(cursor, deltas, world.now)
        world.log(f"book {[(d.id, d.epoch, d.seq) for d in deltas]} -> {done} {world.postgres.row}")
        yield
        if done:
            forget_marks(world, deltas)
    elif deltas:
        done = world.postgres.book(cursor, deltas, world.now, move=False)
        world.log(f"book {[(d.id, d.epoch, d.seq) for d in deltas]} without cursor -> {done}")
        yield
        if done:
            world.postgres.move_cursor(deltas[-1], world.now)
            forget_marks(world, deltas)


def forget_marks(world: World, deltas: list) -> None:
    """What is booked needs no mark."""
    facts = [leg.fact for delta in deltas for leg in delta.legs]
    world.redis.forget([name for kind, name in facts if kind == "operation"])


def trim(world: World) -> Steps:
    """Drop what was booked long enough ago."""
    anchor = world.postgres.trims_to(world.now)
    yield
    if anchor:
        world.redis.trim(anchor)


def resend(world: World) -> Steps:
    """Apply what is not booked, in order."""
    for operation in world.postgres.pending():
        yield
        yield from apply(world, operation)


def repair(world: World) -> Steps:
    """Reload a misfit: take it out, let what is left be booked, load it."""
    if not world.postgres.misfit:
        return
    if not world.rules.retire:
        yield
        account = world.postgres.read_for_load(0)
        yield
        world.redis.account = None
        world.log(f"overwrite -> {world.redis.load(account)}")
        return
    epoch = world.postgres.row.epoch
    yield
    answer = world.redis.retire(epoch)
    world.log(f"retire {epoch} -> {answer}")
    yield
    if answer != "newer":
        yield from load(world)


def compare(world: World) -> Steps:
    """An account without unbooked deltas must be what its row says, and never be behind it."""
    if not world.rules.idle_check:
        return
    live = None if world.rules.postgres_first else world.redis.peek()
    yield
    row = world.postgres.row.copy()
    yield
    live = live or world.redis.peek()
    if not live:
        return
    yield
    behind = (live.epoch, live.seq) < (row.epoch, row.seq)
    equal = (live.epoch, live.seq) == (row.epoch, row.seq)
    if behind or (equal and live.numbers != row.numbers):
        done = world.postgres.differs(row)
        world.log(f"drift {live} {row} -> {done}")


def sweep(world: World) -> Steps:
    """Settle overdue holds, turn idle accounts over, count `held`."""
    yield
    if world.redis.sweep() == "not_loaded" and world.is_quiet:
        yield from load(world)
