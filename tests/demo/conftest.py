"""Servers of the demo's own, and a reconciler beside them: one of each per test process."""

from __future__ import annotations

import asyncio
import os
from io import StringIO
from itertools import count
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from rich.console import Console

from gate import Gate
from gate.cli.reconciler_process import Reconciler
from gate.demo.run import Talk
from gate.demo.seed import Place
from gate.ledger.migrate import migrate
from gate.ledger.pool import connected, open_pool
from gate.stack import PostgresServer, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gate.ledger.connection import Connection, Pool

PARTITIONS = 8
#: It does not wait for the disk.
_FAST = tuple(
    word
    for setting in ("fsync", "full_page_writes", "synchronous_commit")
    for word in ("-c", f"{setting}=off")
)


_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL that the tests of this process share."""
    with PostgresServer(tmp_path_factory.mktemp("postgres"), extra_args=_FAST) as server:
        yield server.url


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> str:
    """A migrated database that the tests of this process share."""
    asyncio.run(migrate(postgres_url))
    return postgres_url


@pytest.fixture
def own_database_url(postgres_url: str) -> str:
    """An empty database of the test's own."""
    name = f"own_{next(_numbers)}"

    async def make() -> None:
        async with connected(postgres_url) as opened:
            await opened.execute(f"CREATE DATABASE {name}")

    asyncio.run(make())
    return f"{postgres_url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def place(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where the demo runs, and a reconciler books. Every test has organizations of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="off") as redis:
        told: list[str] = []
        reconciler = Reconciler(
            tmp_path_factory.mktemp("reconciler"),
            {**os.environ, "GATE_RECONCILER_PORT": "0"},
            told.append,
        )
        reconciler.start(redis.url, database_url, PARTITIONS)
        try:
            yield Place(redis.url, database_url, PARTITIONS)
        finally:
            reconciler.stop()
        assert told == []


@pytest_asyncio.fixture
async def gate(place: Place) -> AsyncIterator[Gate]:
    """A gate that loads accounts from PostgreSQL."""
    async with Gate.connect(
        place.redis_url, database_url=place.database_url, partitions=PARTITIONS
    ) as opened:
        yield opened


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool to the database."""
    opened = await open_pool(database_url, size=2)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to the database with all rights."""
    async with connected(database_url) as opened:
        yield opened


@pytest.fixture
def talk() -> Talk:
    """What a run says, as text: `talk.out.file`."""
    return Talk(Console(file=StringIO(), markup=False), Console(file=StringIO(), markup=False))
