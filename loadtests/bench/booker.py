"""A process that books: settlements by the reconciler's own consumer, and COPY of the same rows.

`python -m loadtests.bench.booker` reads a BookingJob as JSON on stdin and answers rounds as JSON.
A round sends, books what was sent until nothing is left, and copies the rows that came of it into
the same tables of another database of that server, a transaction for each that booking took.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gate import Committed, Gate, Reserved, Send, new_id
from gate.ledger.connection import Connection
from gate.ledger.migrate import migrate
from gate.ledger.pool import connected
from loadtests.bench.accounts import organization
from loadtests.bench.books import drain, fill, opened
from loadtests.bench.event_loops import available, runner
from reconciler.batch import LEDGER_COLUMNS
from reconciler.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from reconciler.context import Context

#: Of one transaction, by table.
Rows: TypeAlias = "dict[str, list[tuple[object, ...]]]"

#: The reconciler takes uvloop where it is installed.
LOOP = available()[-1]
_TOGETHER = 2000
_DAYS = "SELECT ensure_ledger_partitions(current_date, 8) + ensure_send_partitions(current_date, 8)"
#: In the order in which they were written: the ledger says which transaction, a table where in it.
_NEW_ENTRIES = f"""
SELECT booked_at, {", ".join(LEDGER_COLUMNS)} FROM credit_ledger WHERE booked_at > $1
ORDER BY booked_at, tableoid, ctid
"""
#: But for the entries of the first credits.
_COUNT = "SELECT count(*) FROM credit_ledger WHERE operation_id IS NULL"
_SEND_COLUMNS = (
    *("organization_id", "id", "created_at", "status", "counted_in_credits", "credits_consumed"),
    *("provider_id", "skip_reason", "error_message", "hold_id", "ledger_entry_no", "sent_at"),
    *("skipped_at", "subscription_id", "recipient_email", "subject"),
)
_NEW_SENDS = f"""
SELECT e.booked_at, {", ".join(f"s.{name}" for name in _SEND_COLUMNS)}
FROM email_send s
JOIN credit_ledger e ON e.organization_id = s.organization_id AND e.entry_no = s.ledger_entry_no
WHERE e.booked_at > $1 ORDER BY e.booked_at, s.tableoid, s.ctid
"""


@dataclass
class BookingJob:
    """Each of `kinds` (of VERBS) is measured `rounds` times with `count` settlements."""

    redis_url: str
    database_url: str
    copy_url: str
    partitions: int
    organizations: int
    kinds: list[str]
    count: int
    rounds: int


class Took(NamedTuple):
    """Seconds, and seconds of CPU in this process."""

    seconds: float
    cpu_s: float


class Round(NamedTuple):
    """What booking and COPY took, settlements, transactions, and settlements in the largest."""

    booking: Took
    copy: Took
    settled: int
    transactions: int
    largest: int


async def _spend(gate: Gate, name: str) -> None:
    assert isinstance(await gate.spend(name), Committed)


async def _reserve_commit(gate: Gate, name: str) -> None:
    held = await gate.reserve(name)
    assert isinstance(held, Reserved)
    assert isinstance(await gate.commit(held), Committed)


async def _reserve_commit_sends(gate: Gate, name: str) -> None:
    held = await gate.reserve(name)
    assert isinstance(held, Reserved)
    sends = [Send(send_id=new_id("esn"), recipient="somebody@example.com", subject="A subject")]
    assert isinstance(await gate.commit(held, sends=sends), Committed)


VERBS: dict[str, Callable[[Gate, str], Awaitable[None]]] = {
    "spend": _spend,
    "reserve_commit": _reserve_commit,
    "reserve_commit_sends": _reserve_commit_sends,
}


class _Copies:
    """Rows that were booked, by transaction, and the tables that they are copied into."""

    def __init__(self, booked: Connection, copied: Connection) -> None:
        self._booked, self._copied = booked, copied

    async def newest(self) -> Any:
        """The instant of the last transaction."""
        return await self._booked.fetchval("SELECT max(booked_at) FROM credit_ledger")

    async def rows_since(self, instant: Any, *, sends: bool) -> list[Rows]:
        """By transaction, and in it by table, the rows that were written after `instant`."""
        batches: dict[Any, Rows] = {}
        for table, statement in (("credit_ledger", _NEW_ENTRIES), ("email_send", _NEW_SENDS)):
            if table == "credit_ledger" or sends:
                for row in await self._booked.fetch(statement, instant):
                    booked_at, *values = row.values()
                    tables = batches.setdefault(booked_at, {})
                    tables.setdefault(table, []).append(tuple(values))
        return list(batches.values())

    async def copy(self, batches: list[Rows]) -> None:
        """Writes them in as many transactions."""
        columns = {"credit_ledger": LEDGER_COLUMNS, "email_send": _SEND_COLUMNS}
        for tables in batches:
            async with self._copied.transaction():
                for table, rows in tables.items():
                    await self._copied.copy_records_to_table(
                        table, records=rows, columns=columns[table]
                    )


async def _send(job: BookingJob, kind: str) -> None:
    names = [organization(number) for number in range(job.organizations)]
    verb = VERBS[kind]
    async with Gate.connect(
        job.redis_url, database_url="", partitions=job.partitions, deadline_ms=30_000
    ) as gate:
        for begin in range(0, job.count, _TOGETHER):
            numbers = range(begin, min(begin + _TOGETHER, job.count))
            await asyncio.gather(*(verb(gate, names[one % len(names)]) for one in numbers))


async def _timed(work: Coroutine[Any, Any, None]) -> Took:
    gc.collect()  # What is left of the work before it is not this one's.
    started, used = time.perf_counter(), time.process_time()
    await work
    return Took(time.perf_counter() - started, time.process_time() - used)


async def _round(
    job: BookingJob, kind: str, context: Context, consumer: Consumer, copies: _Copies
) -> Round:
    before, sends = await copies.newest(), kind.endswith("sends")
    await _send(job, kind)
    booking = await _timed(drain(context, consumer))
    batches = await copies.rows_since(before, sends=sends)
    written = sum(len(rows) for tables in batches for rows in tables.values())
    if written != job.count * (1 + sends):
        raise RuntimeError(f"{job.count} settlements made {written} rows")
    copy = await _timed(copies.copy(batches))
    entries = [len(tables["credit_ledger"]) for tables in batches]
    return Round(booking, copy, sum(entries), len(batches), max(entries))


async def work(job: BookingJob) -> dict[str, list[Round]]:
    """The rounds of each kind; the first one of each is thrown away."""
    await migrate(job.copy_url)
    async with (
        opened(job.redis_url, job.database_url, partitions=job.partitions) as context,
        connected(job.database_url) as booked,
        connected(job.copy_url) as copied,
    ):
        await fill(context, job.organizations)
        await copied.execute(_DAYS)
        consumer, copies = Consumer(context), _Copies(booked, copied)
        rounds: dict[str, list[Round]] = {}
        for kind in job.kinds:
            taken = [
                await _round(job, kind, context, consumer, copies) for _ in range(job.rounds + 1)
            ]
            rounds[kind] = taken[1:]
        counts = [await one.fetchval(_COUNT) for one in (booked, copied)]
        if counts[0] != counts[1]:
            raise RuntimeError(f"of {counts[0]} booked rows {counts[1]} were copied")
        return rounds


def main() -> None:
    """Reads a job, does it, prints the rounds."""
    job = BookingJob(**json.load(sys.stdin))
    with runner(LOOP) as loop:
        print(json.dumps(loop.run(work(job))))


if __name__ == "__main__":
    main()
