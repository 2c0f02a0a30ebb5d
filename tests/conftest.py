"""Servers for the tests: real ones, one of each kind per test process, and databases to use up."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import asyncpg
import pytest

from gate.ledger.migrate import migrate
from gate.ledger.pool import connected
from gate.stack import PostgresServer, RedisServer, resp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from gate.ledger.connection import Connection

    MakeDatabase = Callable[..., str]

_numbers = count(1)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis without append-only file, shared by the tests of this process."""
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="off") as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis; the scripts that it has cached stay."""
    resp.call(redis_server.port, None, "FLUSHALL", "SYNC")
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL that does not wait for the disk, shared by the tests of this process."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        _run(
            server.url,
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "SELECT pg_reload_conf()",
        )
        yield server


@pytest.fixture(scope="session")
def make_database(postgres_server: PostgresServer) -> MakeDatabase:
    """Makes a database, empty or a clone of `template`, and returns its URL."""

    def make(template: str = "template1") -> str:
        name = f"test_{next(_numbers)}"
        _run(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE {template}")
        return _url(postgres_server, name)

    return make


@pytest.fixture(scope="session")
def migrated_template(make_database: MakeDatabase) -> str:
    """The name of a database with all migrations, to make clones of."""
    url = make_database()
    asyncio.run(migrate(url))
    return url.rpartition("/")[2]


@pytest.fixture
def database_url(
    postgres_server: PostgresServer, make_database: MakeDatabase, migrated_template: str
) -> Iterator[str]:
    """The URL of a migrated database without rows, dropped after the test."""
    url = make_database(migrated_template)
    yield url
    _run(postgres_server.url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to `database_url` with all rights."""
    async with connected(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def untouched_url(make_database: MakeDatabase, migrated_template: str) -> str:
    """A migrated database for tests that leave nothing in it."""
    return make_database(migrated_template)


@pytest.fixture
async def visitor(untouched_url: str) -> AsyncIterator[Connection]:
    """A connection to `untouched_url` with all rights, whose changes are undone."""
    async with connected(untouched_url) as opened:
        undone = opened.transaction()
        await undone.start()
        yield opened
        await undone.rollback()


def _url(server: PostgresServer, name: str) -> str:
    return f"{server.url.rpartition('/')[0]}/{name}"


def _run(url: str, *statements: str) -> None:
    """Run statements outside of a transaction."""

    async def run() -> None:
        opened = await asyncpg.connect(url)
        for statement in statements:
            await opened.execute(statement)
        await opened.close()

    asyncio.run(run())
