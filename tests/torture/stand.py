"""The stand: a Redis, a PostgreSQL, and the processes that work on them."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Self

import redis

from gate.hot.keys import OrganizationKeys, journal_key, organization_keys, partition_of, tag_of
from gate.ledger.migrate import migrate
from gate.ledger.pool import connected
from gate.stack import PostgresServer, RedisServer
from gate.stack.ports import LOOPBACK
from tests.torture.child import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from gate.ledger.connection import Connection
    from gate.stack import AppendFsync

PARTITIONS: Final = 4
TRIM_MARGIN_S: Final = 3.0
LEASE_TTL_S: Final = 1.0

#: Reloads must never be refused here: that is another test's subject.
RECONCILER: Final[Mapping[str, str]] = {
    "GATE_PARTITIONS": str(PARTITIONS),
    "GATE_RECONCILER_PORT": "0",
    "GATE_LEASE_TTL_S": str(LEASE_TTL_S),
    "GATE_TRIM_MARGIN_S": str(TRIM_MARGIN_S),
    "GATE_RELOADS_PER_HOUR_MAX": "1000",
    "GATE_DRIFT_LIMIT_CREDITS": str(2**52),
    "GATE_DRIFT_PAUSE_S": "1",
}


class _FixedRedis(RedisServer):
    """Comes back on its port, though others look for it there meanwhile: a port out of the range
    that the system gives to clients is never theirs."""

    def _choose_port(self, preferred: int | None) -> int:
        return preferred or _free_port()


class _FixedPostgres(PostgresServer):
    """As _FixedRedis."""

    def _choose_port(self, preferred: int | None) -> int:
        return preferred or _free_port()


class Stand:
    """Servers and processes in `directory`. The locks are for whoever takes a server away."""

    def __init__(self, directory: Path, *, appendfsync: AppendFsync = "everysec") -> None:
        self.directory = directory
        self.redis = _FixedRedis(directory / "redis", appendfsync=appendfsync)
        self.postgres = _FixedPostgres(directory / "postgres")
        self.redis_lock = asyncio.Lock()
        self.postgres_lock = asyncio.Lock()
        self.reconcilers: list[Process] = []
        self.processes: list[Process] = []
        self.redis_url = self.database_url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Both servers, and the tables."""
        try:
            await asyncio.gather(
                asyncio.to_thread(self.redis.start), asyncio.to_thread(self.postgres.start)
            )
            self.redis_url, self.database_url = self.redis.url, self.postgres.url
            await migrate(self.database_url)
        except BaseException:
            self._stop_servers()
            raise

    async def stop(self) -> None:
        """Everything, the processes by force."""
        for process in self.processes:
            process.kill()
        await asyncio.to_thread(self._stop_servers)

    def _stop_servers(self) -> None:
        self.redis.stop()
        self.postgres.stop()

    # -- processes

    def start_reconciler(self, **settings: str) -> Process:
        """A reconciler more. `settings`: its variables that differ from RECONCILER."""
        name = f"reconciler_{len(self.reconcilers)}"
        urls = {"REDIS_URL": self.redis_url, "PG_URL": self.database_url}
        environ = {**RECONCILER, **urls, **settings}
        module = ["reconciler", "run", "--no-migrate"]
        process = self.start_process(name, module, environ)
        self.reconcilers.append(process)
        return process

    def start_process(self, name: str, module: list[str], environ: Mapping[str, str]) -> Process:
        """`python -m …`, killed at the end."""
        path = self.directory / f"{name}.log"
        process = Process(name, module, log_path=path, environ=environ)
        self.processes.append(process)
        process.start()
        return process

    # -- what stands in the servers

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A connection of its own: PostgreSQL may have been away since the last."""
        async with connected(self.database_url, application_name="torture") as connection:
            yield connection

    @contextmanager
    def store(self) -> Iterator[redis.Redis]:
        """A client that speaks to Redis for the test itself."""
        with redis.Redis(
            host=LOOPBACK, port=self.redis.port, socket_timeout=5, protocol=2
        ) as client:
            yield client

    def keys_of(self, organization_id: str) -> OrganizationKeys:
        """Where an organization lives."""
        part = partition_of(organization_id, PARTITIONS)
        return organization_keys(organization_id, tag_of(part, PARTITIONS))

    @property
    def journals(self) -> list[bytes]:
        """The keys of all journals, by partition."""
        return [journal_key(tag_of(part, PARTITIONS)) for part in range(PARTITIONS)]


def _free_port() -> int:
    while True:
        port = random.SystemRandom().randrange(15_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
