"""`gate.telemetry.status` on real servers: what is behind, what waits, who is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate import Gate
from gate.hot.keys import META, journal_key, tag_of
from gate.telemetry.status import Status, read_status
from tests.support.accounts import account
from tests.support.entries import Books, write

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

NOWHERE = "redis://127.0.0.1:1/0"
NO_DATABASE = "postgresql://gate@127.0.0.1:1/gate"


async def set_up(redis_url: str, store: Redis, connection: Connection) -> None:
    """One partition, four deltas in its journal, all of it booked by a reconciler that lives."""
    async with Gate.connect(redis_url, partitions=1) as gate:
        await gate.load(account("org_a"))
        for number in range(3):
            await gate.spend("org_a", spend_id=f"eml_{number}")
    last_id = store.xinfo_stream(journal_key(tag_of(0, 1)))["last-generated-id"].decode()
    await write(connection, Books("org_a"))
    await connection.execute("INSERT INTO reconciler_member VALUES ('host:1', now() + '1 min')")
    await connection.execute("INSERT INTO partition_lease VALUES (0, 'host:1', now() + '1 min')")
    await connection.execute("INSERT INTO journal_cursor VALUES (0, $1, '', 4)", last_id)


async def test_all_is_booked__is_healthy(
    redis_url: str, database_url: str, store: Redis, connection: Connection
) -> None:
    await set_up(redis_url, store, connection)
    status = await read_status(redis_url, database_url)
    assert (status.verdict, status.needs, status.unknown) == ("healthy", (), ())
    (partition,) = status.partitions
    assert (partition.behind, partition.lag_s, partition.at_least) == (0, 0, False)
    assert (partition.entries, partition.booked, partition.owner) == (4, 4, "host:1")
    assert partition.is_anchored
    assert partition.kept_s is not None
    assert 0 <= partition.kept_s < 60
    assert status.oldest_hold_expires_at is None


async def test_deltas_behind_the_cursor__are_counted_and_their_age_told(
    redis_url: str, database_url: str, store: Redis, connection: Connection
) -> None:
    await set_up(redis_url, store, connection)
    async with Gate.connect(redis_url) as gate:
        for number in range(5):
            await gate.spend("org_a", spend_id=f"eml_more_{number}")
        await gate.reserve("org_a", ttl_ms=60_000)
    status = await read_status(redis_url, database_url)
    assert (status.partitions[0].behind, status.verdict) == (5, "healthy")
    assert status.oldest_hold_expires_at is not None
    assert status.now is not None
    assert 55 < (status.oldest_hold_expires_at - status.now).total_seconds() <= 60


async def test_late_journal__needs_a_person(
    redis_url: str, database_url: str, store: Redis, connection: Connection
) -> None:
    await set_up(redis_url, store, connection)
    key = journal_key(tag_of(0, 1))
    long_ago_ms = int((datetime.now(UTC) - timedelta(seconds=90)).timestamp() * 1000)
    store.delete(key)
    pipeline = store.pipeline()
    for number in range(10_500):
        pipeline.xadd(key, {"o": "x"}, id=f"{long_ago_ms}-{number + 1}")
    pipeline.execute()
    await connection.execute("UPDATE journal_cursor SET entry_id = ''")
    status = await read_status(redis_url, database_url)
    (partition,) = status.partitions
    assert (partition.behind, partition.at_least) == (10_000, True)
    assert partition.lag_s is not None
    assert 90 <= partition.lag_s < 120
    assert status.verdict == "needs_person"
    assert "s behind in partition 0" in status.needs[0]
    # A cursor whose entry is gone says that the journal is not the one that was booked.
    await connection.execute("UPDATE journal_cursor SET entry_id = $1", f"{long_ago_ms}-20000")
    status = await read_status(redis_url, database_url)
    assert status.partitions[0].is_anchored is False


async def test_what_waits__is_counted(
    redis_url: str, database_url: str, store: Redis, connection: Connection
) -> None:
    await set_up(redis_url, store, connection)
    await write(connection, Books("org_b"), Books("org_c"))
    await connection.execute(
        "UPDATE account SET repair_state = 'stopped', repair_reason = 'drift',"
        " repair_since = now() - interval '1 hour' WHERE organization_id = 'org_b';"
        "UPDATE account SET repair_state = 'reloading' WHERE organization_id = 'org_c';"
        "INSERT INTO drift_report (organization_id, kind) VALUES ('org_b', 'drift');"
        "INSERT INTO drift_report (organization_id, kind, resolved_at)"
        " VALUES ('org_b', 'drift', now());"
        "INSERT INTO quarantine (partition, entry_id, fields, reason) VALUES (0, '1-1', '{}', 'x');"
        "INSERT INTO operation (organization_id, id, kind, status, created_at) VALUES"
        " ('org_b', 'op_1', 'grant', 'pending', now() - interval '2 hours'),"
        " ('org_b', 'op_2', 'grant', 'applied', now()),"
        " ('org_b', 'op_3', 'grant', 'booked', now() - interval '9 hours');"
        "INSERT INTO event_outbox (subject, message_id, payload) VALUES ('s', 'm', '{}');"
        "INSERT INTO reconciler_member VALUES ('host:2', now() - interval '1 second');"
        "UPDATE partition_lease SET expires_at = now()"
    )
    status = await read_status(redis_url, database_url)
    assert status.ledger is not None
    waiting = status.ledger.waiting
    assert (waiting.drift_reports, waiting.quarantined, waiting.events) == (1, 1, 1)
    assert (waiting.operations, waiting.now - timedelta(hours=3)) < (2, waiting.oldest_operation_at)
    assert dict(status.ledger.accounts) == {"ok": 1, "stopped": 1, "reloading": 1}
    assert [one.organization_id for one in status.ledger.repairs] == ["org_b", "org_c"]
    assert [one.owner for one in status.ledger.reconcilers] == ["host:1"]
    assert status.partitions[0].owner is None
    assert status.verdict == "needs_person"
    assert [sentence.split(":")[0] for sentence in status.needs] == [
        "1 account is stopped and admits nothing (org_b)",
        "1 journal entry is in quarantine",
    ]


async def test_no_reconciler__needs_a_person(redis_url: str, database_url: str) -> None:
    status = await read_status(redis_url, database_url)
    assert status.verdict == "needs_person"
    assert "start `gate reconcile`" in status.needs[0]
    assert status.unknown == ("no gate has used this Redis yet: it has no gate:meta",)


@pytest.mark.parametrize(("redis_away", "database_away"), [(True, False), (False, True)])
async def test_one_server_away__is_told_and_the_other_is_shown(
    redis_url: str,
    database_url: str,
    store: Redis,
    connection: Connection,
    redis_away: bool,
    database_away: bool,
) -> None:
    await set_up(redis_url, store, connection)
    status: Status = await read_status(
        NOWHERE if redis_away else redis_url, NO_DATABASE if database_away else database_url
    )
    assert status.verdict == "cannot_tell"
    assert len(status.unknown) == 1
    assert "127.0.0.1" in status.unknown[0] or "Connect" in status.unknown[0]
    (partition,) = status.partitions
    assert (partition.entries is None) == redis_away
    assert (partition.booked is None) == database_away
    assert partition.behind is None
    assert status.now is not None


async def test_nothing_named__cannot_tell() -> None:
    status = await read_status(None, None)
    assert (status.verdict, len(status.unknown), status.now) == ("cannot_tell", 2, None)


async def test_foreign_layout__is_told(redis_url: str, database_url: str, store: Redis) -> None:
    store.hset(META, mapping={"layout": 9, "partitions": 8})
    status = await read_status(redis_url, database_url)
    assert "account layout 9" in status.unknown[0]
