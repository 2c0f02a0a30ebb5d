"""`gate.telemetry.doctor` on real servers: what is wrong is found, with what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate import Gate
from gate.hot.keys import META
from gate.hot.server_facts import read_server_facts
from gate.hot.visit import visiting
from gate.stack import RedisServer
from gate.telemetry.clocks import Clock, clock_checks
from gate.telemetry.doctor import examine
from gate.telemetry.redis_checks import redis_checks
from tests.support.accounts import account
from tests.support.entries import Books, write

if TYPE_CHECKING:
    from pathlib import Path

    from gate.hot.server_facts import ServerFacts
    from gate.ledger.connection import Connection
    from gate.telemetry.check import Check

#: The tests' PostgreSQL does not wait for the disk.
OF_THE_TESTS = {"fsync", "full_page_writes"}
GB = 2**30


def wrong(checks: list[Check]) -> dict[str, str]:
    """The states of those that are not ok, by name."""
    for check in checks:
        assert (check.state == "ok") == (not check.to_do), check
    return {
        check.name: check.state
        for check in checks
        if check.state != "ok" and check.name not in OF_THE_TESTS
    }


def one(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


async def set_up(redis_url: str, connection: Connection) -> None:
    """A deployment with partitions, a reconciler that has them, nothing unbooked."""
    async with Gate.connect(redis_url, partitions=1) as gate:
        await gate.load(account("org_a"))
    with Redis.from_url(redis_url) as store:
        last_id = store.xinfo_stream("gate:{afj}:journal")["last-generated-id"].decode()
    await connection.execute(
        "INSERT INTO reconciler_member VALUES ('host:1', now() + '1 min');"
        "INSERT INTO partition_lease VALUES (0, 'host:1', now() + '1 min');"
        "SELECT ensure_ledger_partitions((now() AT TIME ZONE 'UTC')::date, 4),"
        " ensure_send_partitions((now() AT TIME ZONE 'UTC')::date, 4)"
    )
    await connection.execute("INSERT INTO journal_cursor VALUES (0, $1, '', 1)", last_id)


async def test_sound_deployment__has_nothing_wrong(
    tmp_path: Path, database_url: str, connection: Connection
) -> None:
    with RedisServer(tmp_path / "redis", extra_args=("--maxmemory", "1gb")) as server:
        await set_up(server.url, connection)
        checks = await examine(server.url, database_url)
        assert wrong(checks) == {}
        assert one(checks, "gate:meta").said == "layout 1, 1 partitions"
        assert one(checks, "appendfsync").said.startswith("everysec")
        assert one(checks, "migrations").said.endswith("applied, none edited")
        assert one(checks, "Redis, PostgreSQL").server == "clocks"
        assert {check.name for check in checks if check.state != "ok"} == OF_THE_TESTS
        # After a crash the embedded server mends the file and writes it anew.
        server.kill()
        server.start()
        assert wrong(await examine(server.url, database_url)) == {}


async def test_nothing_named_or_away__fails() -> None:
    checks = await examine(None, None)
    assert [(check.server, check.name, check.state) for check in checks] == [
        ("Redis", "connection", "fail"),
        ("PostgreSQL", "connection", "fail"),
    ]
    checks = await examine("redis://127.0.0.1:1/0", "postgresql://gate@127.0.0.1:1/gate")
    assert [check.to_do for check in checks] == ["see that it runs, and that the URL is right"] * 2


async def test_redis_alone__tells_its_own_faults(redis_url: str, store: Redis) -> None:
    """That of the tests has no append-only file and no limit."""
    store.set("foreign", 1)
    checks = await examine(redis_url, None)
    assert wrong(checks) == {
        "gate:meta": "warn",
        "maxmemory": "warn",
        "appendonly": "fail",
        "connection": "fail",
    }
    assert "it holds 1 keys" in one(checks, "gate:meta").said
    store.hset(META, mapping={"layout": 7, "partitions": 8})
    assert wrong(await examine(redis_url, None))["gate:meta"] == "fail"


@pytest.mark.parametrize(
    ("forbidden", "expected"),
    [
        ("-config", {"appendfsync": "warn"}),
        ("-config -info", {"appendfsync": "warn", "INFO": "warn"}),
        ("-memory", {}),
    ],
)
async def test_forbidden_commands__are_told_with_what_to_look_at(
    redis_url: str, store: Redis, forbidden: str, expected: dict[str, str]
) -> None:
    store.execute_command(
        "ACL", "SETUSER", "visitor", "on", ">pw", "~*", "+@all", *forbidden.split()
    )
    try:
        checks = await examine(redis_url.replace("redis://", "redis://visitor:pw@"), None)
    finally:
        store.execute_command("ACL", "DELUSER", "visitor")
    found = wrong(checks)
    assert expected.items() <= found.items()
    assert ("maxmemory-policy" in {check.name for check in checks}) == ("-info" not in forbidden)
    if expected:
        assert "by hand" in one(checks, "appendfsync").to_do


#: Fields of INFO and CONFIG of a sound Redis, what they are instead, and what is found then.
FACTS: list[tuple[dict[str, str], dict[str, str], dict[str, str]]] = [
    ({}, {}, {}),
    ({"maxmemory_policy": "allkeys-lru"}, {}, {"maxmemory-policy": "fail"}),
    ({"maxmemory": "0"}, {}, {"maxmemory": "warn"}),
    ({"used_memory": str(GB * 9 // 10)}, {}, {"maxmemory": "warn"}),
    ({"used_memory": str(GB)}, {}, {"maxmemory": "fail"}),
    ({"aof_enabled": "0"}, {}, {"appendonly": "fail"}),
    ({"aof_last_write_status": "err"}, {}, {"last AOF write": "fail"}),
    ({"aof_last_bgrewrite_status": "err"}, {}, {"last AOF rewrite": "fail"}),
    ({"rdb_last_bgsave_status": "err"}, {}, {"last RDB save": "fail"}),
    ({"aof_base_size": "88"}, {}, {"AOF tail": "warn"}),
    ({"aof_base_size": "88", "aof_rewrites": "1"}, {}, {}),
    ({"loading": "1"}, {}, {"loading": "fail"}),
    ({"redis_mode": "cluster"}, {}, {"mode": "fail"}),
    ({"role": "slave"}, {}, {"role": "fail"}),
    ({"connected_slaves": "1"}, {}, {"replicas": "warn"}),
    ({"connected_slaves": "2"}, {"min-replicas-to-write": "1"}, {}),
    ({}, {"appendfsync": "no"}, {"appendfsync": "warn"}),
    ({}, {"appendfsync": "always"}, {}),
]


@pytest.fixture(scope="module")
def sound_facts() -> dict[str, ServerFacts]:
    """What a sound Redis said, once it was asked."""
    return {}


@pytest.mark.parametrize(("info", "config", "expected"), FACTS)
async def test_redis_fact__is_judged(
    redis_url: str,
    sound_facts: dict[str, ServerFacts],
    info: dict[str, str],
    config: dict[str, str],
    expected: dict[str, str],
) -> None:
    if not sound_facts:
        async with Gate.connect(redis_url), visiting(redis_url) as transport:
            sound_facts["is"] = await read_server_facts(transport)
    facts = sound_facts["is"]
    assert facts.info is not None
    assert facts.config is not None
    sound = {"maxmemory": str(GB), "aof_enabled": "1"}
    # This one is told by a Redis with an append-only file alone.
    assert sound.keys() | info.keys() <= facts.info.keys() | {"aof_base_size"}
    assert config.keys() <= facts.config.keys()
    facts = facts._replace(info=facts.info | sound | info, config=facts.config | config)
    assert wrong(list(redis_checks(facts))) == expected


async def test_heavy_journals__are_told(redis_url: str) -> None:
    async with Gate.connect(redis_url), visiting(redis_url) as transport:
        facts = await read_server_facts(transport)
    assert facts.journal_bytes == 0
    assert facts.info is not None
    facts = facts._replace(
        info=facts.info | {"maxmemory": str(GB), "aof_enabled": "1"}, journal_bytes=GB * 6 // 10
    )
    assert wrong(list(redis_checks(facts))) == {"journals": "warn"}


async def test_postgres__tells_its_own_faults(database_url: str, connection: Connection) -> None:
    booked = Books("org_a")
    booked.enter(-1)
    await write(connection, booked)
    checks = await examine(None, database_url)
    assert wrong(checks) == {
        "connection": "fail",
        "credit_ledger partitions": "warn",
        "email_send partitions": "warn",
        "credit_ledger_default": "warn",
        "reconcilers": "fail",
    }
    today = datetime.now(UTC).date()
    assert f"has 1 rows, from {today}" in one(checks, "credit_ledger_default").said
    await connection.execute("SELECT ensure_send_partitions($1, 2)", today)
    checks = await examine(None, database_url)
    assert one(checks, "email_send partitions").said.startswith(
        f"none for {today + timedelta(days=2)}: "
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            "UPDATE schema_migration SET sha256 = 'x' WHERE number = 3",
            "0003_ledger.sql is not what",
        ),
        ("DELETE FROM schema_migration WHERE number > 7", "to be applied: 0008_roles, 0009_"),
        ("DELETE FROM schema_migration WHERE number = 3", "lacks number 0003"),
        ("INSERT INTO schema_migration VALUES (99, '0099_new', 'x')", "lacks number"),
        ("DROP SCHEMA public CASCADE; CREATE SCHEMA public", "to be applied: 0001_"),
    ],
)
async def test_migrations_that_do_not_fit__fail(
    database_url: str, connection: Connection, damage: str, sentence: str
) -> None:
    await connection.execute(damage)
    check = one(await examine(None, database_url), "migrations")
    assert check.state == "fail"
    assert sentence in check.said


async def test_settings_that_lose_commits__are_told(
    database_url: str, connection: Connection
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    check = one(await examine(None, database_url), "synchronous_commit")
    assert check.state == "warn"
    assert one(await examine(None, database_url), "fsync").state == "fail"


async def test_booking__is_looked_at(
    redis_url: str, database_url: str, connection: Connection
) -> None:
    await set_up(redis_url, connection)
    await connection.execute(
        "UPDATE partition_lease SET expires_at = now();"
        "UPDATE journal_cursor SET entry_id = '77-1';"
        "INSERT INTO journal_cursor VALUES (40, '1-1', '', 1);"
        "INSERT INTO quarantine (partition, entry_id, fields, reason) VALUES (0, '1-1', '{}', 'x')"
    )
    checks = [
        check for check in await examine(redis_url, database_url) if check.server == "booking"
    ]
    assert wrong(checks) == {
        "partitions": "fail",
        "owners": "warn",
        "anchors": "warn",
        "needs a person": "warn",
    }


@pytest.mark.parametrize(
    ("ahead_s", "doubt_s", "state"),
    [(0.9, 0.0, "ok"), (-1.5, 0.0, "warn"), (5.5, 0.0, "fail"), (-5.5, 1.0, "warn"), (3, 4, "ok")],
)
def test_clocks__only_what_is_certain_counts(ahead_s: float, doubt_s: float, state: str) -> None:
    (check,) = clock_checks([Clock("Redis", ahead_s, doubt_s)])
    assert check.state == state
    assert ("ahead of" in check.said) == (ahead_s > 0)
    assert len(clock_checks([Clock("Redis", ahead_s, 0), Clock("PostgreSQL", 0, 0)])) == 3
