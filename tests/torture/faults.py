"""What goes wrong in a storm. Each function is one fault, from its beginning to its end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import redis

from gate.domain.errors import GateError
from tests.torture import edits
from tests.torture.aof import growing_file, lost_entries, read_commands
from tests.torture.losses import Loss, settlements_of
from tests.torture.stand import LEASE_TTL_S, PARTITIONS

if TYPE_CHECKING:
    from tests.torture.child import Process
    from tests.torture.stand import Stand

#: An append-only file may be synced so much later than it is written.
EVERYSEC_S: Final = 2.0

_DELETE_NEWEST: Final = """
local found = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])
for _, entry in ipairs(found) do
  redis.call('XDEL', KEYS[1], entry[1])
end
return found
"""
_DELETE_UP_TO: Final = """
local found = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
for _, entry in ipairs(found) do
  redis.call('XDEL', KEYS[1], entry[1])
end
return found
"""


@dataclass
class Storm:
    """What faults work on, and what they leave behind."""

    stand: Stand
    chance: random.Random
    senders: list[Process]
    organizations: list[str]
    losses: list[Loss] = field(default_factory=list)
    #: Acknowledged changes may be lost when Redis dies: it does not wait for the disk.
    everysec: bool = True

    def organization(self) -> str:
        """One of them."""
        return self.chance.choice(self.organizations)


Fault: TypeAlias = Callable[[Storm], Awaitable[str | None]]


# -- processes


async def kill_sender(storm: Storm) -> str:
    process = storm.chance.choice(storm.senders)
    return await _kill(process, storm.chance.uniform(0, 0.5))


async def kill_reconciler(storm: Storm) -> str:
    process = storm.chance.choice(storm.stand.reconcilers)
    return await _kill(process, storm.chance.uniform(0, 1))


async def _kill(process: Process, away_s: float) -> str:
    async with process.lock:
        process.kill()
        await asyncio.sleep(away_s)
        process.start()
    return process.name


async def pause_reconciler(storm: Storm) -> str:
    """Beyond its lease: another one takes over, and then it wakes."""
    process = storm.chance.choice(storm.stand.reconcilers)
    seconds = LEASE_TTL_S * storm.chance.uniform(1.2, 3)
    return await _stand_still(process, seconds)


async def pause_sender(storm: Storm) -> str:
    """Its holds expire meanwhile."""
    return await _stand_still(storm.chance.choice(storm.senders), storm.chance.uniform(0.5, 3))


async def _stand_still(process: Process, seconds: float) -> str:
    process.stand_still()
    await asyncio.sleep(seconds)
    process.go_on()
    return f"{process.name} for {seconds:.1f} s"


# -- servers


async def kill_redis(storm: Storm) -> str:
    async with storm.stand.redis_lock:
        await asyncio.to_thread(storm.stand.redis.kill)
        if storm.everysec:
            storm.losses.append(Loss("kill_redis", time() - EVERYSEC_S))
        await asyncio.sleep(storm.chance.uniform(0, 0.6))
        await asyncio.to_thread(storm.stand.redis.start)
    return ""


async def pause_redis(storm: Storm) -> str:
    milliseconds, what = storm.chance.randrange(200, 1_500), storm.chance.choice(("ALL", "WRITE"))
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            store.execute_command("CLIENT", "PAUSE", milliseconds, what)
    return f"{milliseconds} ms {what}"


async def kill_postgres(storm: Storm) -> str:
    async with storm.stand.postgres_lock:
        await asyncio.to_thread(storm.stand.postgres.kill)
        await asyncio.sleep(storm.chance.uniform(0, 1))
        await asyncio.to_thread(storm.stand.postgres.start)
    return ""


async def freeze_postgres(storm: Storm) -> str:
    """All of it stands still, beyond the leases: whoever was about to book does so afterwards,
    beside the one who has taken over."""
    seconds = LEASE_TTL_S * storm.chance.uniform(1.1, 2)
    async with storm.stand.postgres_lock:
        pids = _family(storm.stand.postgres.pid)
        _tell(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            _tell(pids, signal.SIGCONT)
    return f"for {seconds:.1f} s"


def _family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name is in brackets and may hold anything.
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def cut_connections(storm: Storm) -> str | None:
    async with storm.stand.database() as connection:
        cut = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'gate-reconciler%'"
        )
    return f"{cut} of PostgreSQL"


async def hold_up_booking(storm: Storm) -> str | None:
    part = storm.chance.randrange(PARTITIONS)
    async with storm.stand.database() as connection, connection.transaction():
        await connection.execute("SELECT FROM journal_cursor WHERE partition = $1 FOR UPDATE", part)
        await asyncio.sleep(1)
    return f"partition {part}"


# -- what is lost


async def flush(storm: Storm) -> str:
    """Everything goes, and what was not booked is lost: exactly that is written down."""
    async with storm.stand.redis_lock:
        with storm.stand.store() as store, store.pipeline(transaction=True) as pipeline:
            for key in storm.stand.journals:
                pipeline.xrange(key)
            pipeline.flushall()
            *journals, _ = pipeline.execute()
            entries = [_flat(fields) for found in journals for _, fields in found]
            _lose(storm, "flush", entries, since=0)
    return f"{len(entries)} entries"


async def cut_tail(storm: Storm) -> str | None:
    """Redis dies, and its file ends earlier than it did: up to a second of it is lost, cut between
    two commands, anywhere, or within a transaction."""
    chance, stand = storm.chance, storm.stand
    way, seconds = chance.choice(("time", "bytes", "multi")), chance.uniform(0.1, 1.0)
    async with stand.redis_lock:
        since = time()
        path = growing_file(stand.redis.data_dir)
        size = path.stat().st_size
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stand.redis.kill)
        # What was not even written when it died is lost as well.
        storm.losses.append(Loss("kill_redis", time() - EVERYSEC_S))
        said = None
        try:
            if growing_file(stand.redis.data_dir) == path:
                data = path.read_bytes()
                commands = list(read_commands(data))
                cut_at = _cut(chance, way, commands, size, len(data))
                entries = lost_entries(commands, cut_at)
                with path.open("r+b") as file:
                    file.truncate(cut_at)
                _lose(storm, "cut_tail", entries, since=since)
                said = f"by {way}: {len(data) - cut_at:,} bytes, {len(entries)} entries"
            await asyncio.sleep(chance.uniform(0, 0.6))
        finally:
            await asyncio.to_thread(stand.redis.start)
    return said


def _cut(chance: random.Random, way: str, commands: list[Any], size: int, end: int) -> int:
    if way == "bytes":
        return chance.randrange(max(size, end - 20_000), end + 1)
    if way == "multi":
        inside = [one for one in commands if one.begin >= size and one.block is not None]
        inside = [one for one in inside if one.words[0].upper() not in (b"MULTI", b"EXEC")]
        if inside:
            one = chance.choice(inside)
            return chance.choice((one.begin, one.end, (one.begin + one.end) // 2))
    ends = [one.end for one in commands if one.end >= size and one.block is None]
    return ends[0] if ends else end


async def delete_newest(storm: Storm) -> str | None:
    """Entries that are hardly booked yet: a gap."""
    key, count = storm.chance.choice(storm.stand.journals), storm.chance.randrange(1, 6)
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            found = store.eval(_DELETE_NEWEST, 1, key, count)
            entries = [fields for _, fields in found]
            _lose(storm, "delete_newest", entries, since=0)
    return f"{len(entries)} entries of {key.decode()}"


async def delete_booked(storm: Storm) -> str | None:
    """Entries up to the cursor, the anchor among them."""
    part, count = storm.chance.randrange(PARTITIONS), storm.chance.randrange(1, 20)
    async with storm.stand.redis_lock, storm.stand.database() as connection:
        cursor = await connection.fetchval(
            "SELECT nullif(entry_id, '') FROM journal_cursor WHERE partition = $1", part
        )
        if cursor is None:
            return None
        with storm.stand.store() as store:
            key = storm.stand.journals[part]
            found = store.eval(_DELETE_UP_TO, 1, key, cursor, count)
            # Somebody else's booking may have been undone: they count as lost in any case.
            _lose(storm, "delete_booked", [fields for _, fields in found], since=0)
    return f"{len(found)} entries of {key.decode()}"


def _lose(storm: Storm, fault: str, entries: list[Any], since: float) -> None:
    storm.losses.append(
        Loss(fault, since, settlements=settlements_of(entries), entries=len(entries))
    )


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [text for pair in fields.items() for text in pair]


# -- edits by hand


async def edit_account(storm: Storm) -> str | None:
    chance, name = storm.chance, storm.organization()
    credits = chance.randrange(1, 300)
    ways: dict[str, Callable[[bytes], bytes | None]] = {
        f"+{credits} credits": partial(edits.give, credits=credits),
        f"-{credits} credits": partial(edits.give, credits=-credits),
        "credits moved": edits.move,
        "posted alone": partial(edits.set_field, name="posted", by=credits),
        "held": partial(edits.set_field, name="held", by=7),
        "period": partial(edits.set_field, name="period_no", by=1),
    }
    way = chance.choice(list(ways))
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            done = edits.edit_account(store, storm.stand.keys_of(name).account, ways[way])
    return f"{name}: {way}" if done else None


async def put_back_account(storm: Storm) -> str | None:
    """Somebody writes the account as it was a moment ago."""
    name = storm.organization()
    key = storm.stand.keys_of(name).account
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            before = store.get(key)
            if before is None:
                return None
            await asyncio.sleep(storm.chance.uniform(0.05, 0.5))
            store.set(key, before, xx=True)
    return name


async def delete_account(storm: Storm) -> str | None:
    name = storm.organization()
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            return name if store.delete(storm.stand.keys_of(name).account) else None


async def delete_hold(storm: Storm) -> str | None:
    name = storm.organization()
    keys = storm.stand.keys_of(name)
    async with storm.stand.redis_lock:
        with storm.stand.store() as store:
            popped = store.zpopmin(keys.holds)
            if popped:
                store.hdel(keys.details, popped[0][0])
    return f"{name}: {popped[0][0].decode()}" if popped else None


CALM: Final[tuple[Fault, ...]] = (
    *(kill_sender,) * 3,
    *(kill_reconciler,) * 3,
    *(pause_reconciler,) * 3,
    *(pause_sender,) * 2,
    *(kill_redis,) * 2,
    pause_redis,
    kill_postgres,
    *(freeze_postgres,) * 2,
    *(cut_connections,) * 2,
    *(hold_up_booking,) * 2,
)
WILD: Final[tuple[Fault, ...]] = (
    *CALM,
    flush,
    *(cut_tail,) * 4,
    *(delete_newest,) * 3,
    *(delete_booked,) * 2,
    *(edit_account,) * 5,
    put_back_account,
    *(delete_account,) * 2,
    *(delete_hold,) * 2,
)


async def happen(storm: Storm, fault: Fault, say: Callable[[str], None]) -> None:
    """Let it happen, and say what it was; one that a server is away for does not happen."""
    name = getattr(fault, "__name__", str(fault))
    with suppress(redis.RedisError, GateError, OSError):
        said = await fault(storm)
        if said is not None:
            say(f"{name} {said}".rstrip())
