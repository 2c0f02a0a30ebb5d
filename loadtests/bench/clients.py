"""What can be measured in turns: each kind of client answers `call(number)` with one finished call.

A client is made in the sender process, from a spec that came as JSON. Organizations are taken in
turn. Ids are made in the same way for all; keys are made beforehand for those that have no cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gate import Committed, Gate, Paced, new_id
from gate.hot.commands import spend
from gate.hot.keys import organization_keys, partition_of, tag_of
from loadtests.bench.accounts import organization
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TIMEOUT_S = 30
_POOL_MAX, _WAITING_POOL = 64, 32


class Client(ABC):
    """One way to do the work. `in_flight` is the most that will be called at a time."""

    def __init__(self, url: str, organizations: int, in_flight: int) -> None:
        self.url = url
        self.in_flight = in_flight
        self.organizations = [organization(number) for number in range(organizations)]

    @abstractmethod
    async def open(self) -> None:
        """Connects."""

    @abstractmethod
    async def call(self, number: int) -> None:
        """One call for organization `number` modulo all. Raises if it was not admitted."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnects."""

    def _spend_keys(self) -> list[list[bytes]]:
        found = []
        for name in self.organizations:
            tag = tag_of(partition_of(name, PARTITIONS), PARTITIONS)
            found.append(list(spend.select_keys(organization_keys(name, tag))))
        return found


class GateClient(Client):
    """The library as an application uses it."""

    async def open(self) -> None:
        self.gate = await Gate.connect(self.url, partitions=PARTITIONS, deadline_ms=30_000)
        self._count = len(self.organizations)

    async def close(self) -> None:
        await self.gate.aclose()


class GateSpend(GateClient):
    """`Gate.spend`."""

    async def call(self, number: int) -> None:
        outcome = await self.gate.spend(self.organizations[number % self._count])
        if type(outcome) is not Committed:
            raise RuntimeError(str(outcome))


class GatePace(GateClient):
    """`Gate.pace`."""

    async def call(self, number: int) -> None:
        outcome = await self.gate.pace(self.organizations[number % self._count])
        if type(outcome) is not Paced:
            raise RuntimeError(str(outcome))


class GatePing(GateClient):
    """PING through the same transport."""

    async def call(self, number: int) -> None:
        await self.gate.caller.transport.execute("PING")


class TransportSpend(GateClient):
    """The spend script through the transport alone: no checks, no outcome object."""

    async def open(self) -> None:
        await super().open()
        self._keys = [tuple(keys) for keys in self._spend_keys()]
        self._transport, self._script = self.gate.caller.transport, spend.script

    async def call(self, number: int) -> None:
        arguments: tuple[bytes | str | int, ...]
        arguments = (*self._keys[number % self._count], new_id("hld"), 1)
        reply = await self._transport.call(self._script, arguments, spend.key_count)
        _check(reply)


class RedisPySpend(Client):
    """The spend script through redis-py's asyncio client, as fast as it goes: RESP2, hiredis, no
    retries, no timeouts, the best pool."""

    async def open(self) -> None:
        self._redis = redis_py(self.url, self.in_flight)
        self._sha = (await self._redis.script_load(spend.script.source)).encode()
        self._keys = self._spend_keys()
        self._count = len(self._keys)

    async def call(self, number: int) -> None:
        keys = self._keys[number % self._count]
        _check(await self._redis.evalsha(self._sha, 6, *keys, new_id("hld"), 1))

    async def close(self) -> None:
        await self._redis.aclose()


class GlideSpend(Client):
    """The spend script through valkey-glide: EVALSHA as a custom command, RESP2."""

    async def open(self) -> None:
        import glide

        glide.Logger.init(glide.LogLevel.ERROR)
        parts = urlsplit(self.url)
        configuration = glide.GlideClientConfiguration(
            [glide.NodeAddress(str(parts.hostname), int(parts.port or 6379))],
            protocol=glide.ProtocolVersion.RESP2,
            request_timeout=_TIMEOUT_S * 1000,
        )
        self._glide = await glide.GlideClient.create(configuration)
        await self._glide.custom_command(["SCRIPT", "LOAD", spend.script.source])
        self._keys = self._spend_keys()
        self._count = len(self._keys)

    async def call(self, number: int) -> None:
        keys = self._keys[number % self._count]
        words = [b"EVALSHA", spend.script.sha, b"6", *keys, new_id("hld"), b"1"]
        _check(await self._glide.custom_command(words))

    async def close(self) -> None:
        await self._glide.close()


class ThrottledLimit(Client):
    """throttled-py over Redis. Its limit is as wide as ours."""

    algorithm: str

    async def open(self) -> None:
        from throttled.asyncio import Throttled, per_sec
        from throttled.asyncio.store import RedisStore

        store = RedisStore(self.url, options={"SOCKET_TIMEOUT": None})
        self._limits = Throttled(using=self.algorithm, quota=per_sec(10**6, 10**6), store=store)
        self._count = len(self.organizations)

    async def call(self, number: int) -> None:
        result = await self._limits.limit(self.organizations[number % self._count])
        if result.limited:
            raise RuntimeError("limited")

    async def close(self) -> None:
        pass


class ThrottledGcra(ThrottledLimit):
    """GCRA, as ours."""

    algorithm = "gcra"


class ThrottledTokenBucket(ThrottledLimit):
    """Its token bucket."""

    algorithm = "token_bucket"


class LimitsLimit(Client):
    """limits over Redis through redis-py, with the same pool that the spend script gets."""

    strategy: str

    async def open(self) -> None:
        from limits import RateLimitItemPerSecond
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import STRATEGIES, RateLimiter

        pool = redis_py(self.url, self.in_flight).connection_pool
        storage = RedisStorage(
            f"async+{self.url}",
            implementation="redispy",
            connection_pool=pool,
        )
        make: Callable[[RedisStorage], RateLimiter] = STRATEGIES[self.strategy]
        self._limiter = make(storage)
        # A moving window keeps every hit of its window: one second of them, as all others judge.
        self._item = RateLimitItemPerSecond(10**6)
        self._pool = pool
        self._count = len(self.organizations)

    async def call(self, number: int) -> None:
        name = self.organizations[number % self._count]
        if not await self._limiter.hit(self._item, self.strategy, name):
            raise RuntimeError("limited")

    async def close(self) -> None:
        await self._pool.disconnect()


class LimitsFixedWindow(LimitsLimit):
    """A counter that starts anew every second."""

    strategy = "fixed-window"


class LimitsMovingWindow(LimitsLimit):
    """A list of all hits."""

    strategy = "moving-window"


class PostgresSpend(Client):
    """UPDATE … RETURNING and an INSERT in one transaction, through a pool of 16 connections."""

    settings: Mapping[str, str] = {}

    async def open(self) -> None:
        import asyncpg

        self._pool = await asyncpg.create_pool(
            self.url, min_size=16, max_size=16, server_settings=dict(self.settings)
        )
        self._count = len(self.organizations)

    async def call(self, number: int) -> None:
        name = self.organizations[number % self._count]
        async with self._pool.acquire() as connection, connection.transaction():
            balance = await connection.fetchval(
                "UPDATE account SET balance = balance - 1 WHERE id = $1 AND balance >= 1"
                " RETURNING balance",
                name,
            )
            if balance is None:
                raise RuntimeError("denied")
            await connection.execute(
                "INSERT INTO ledger (account_id, spend_id, amount, balance_after)"
                " VALUES ($1, $2, -1, $3)",
                name,
                new_id("hld"),
                balance,
            )

    async def close(self) -> None:
        await self._pool.close()


class PostgresOneStatement(PostgresSpend):
    """The same in one statement and one round trip: the fastest form that we know."""

    async def call(self, number: int) -> None:
        name = self.organizations[number % self._count]
        async with self._pool.acquire() as connection:
            balance = await connection.fetchval(
                "WITH taken AS (UPDATE account SET balance = balance - 1"
                " WHERE id = $1 AND balance >= 1 RETURNING balance)"
                " INSERT INTO ledger (account_id, spend_id, amount, balance_after)"
                " SELECT $1, $2, -1, balance FROM taken RETURNING balance_after",
                name,
                new_id("hld"),
            )
        if balance is None:
            raise RuntimeError("denied")


class PostgresNotSynced(PostgresOneStatement):
    """One statement, and a crash may lose the last moments, as with AOF everysec."""

    settings: Mapping[str, str] = {"synchronous_commit": "off"}


KINDS: dict[str, type[Client]] = {
    kind.__name__: kind
    for kind in (
        GateSpend,
        GatePace,
        GatePing,
        TransportSpend,
        RedisPySpend,
        GlideSpend,
        ThrottledGcra,
        ThrottledTokenBucket,
        LimitsFixedWindow,
        LimitsMovingWindow,
        PostgresSpend,
        PostgresOneStatement,
        PostgresNotSynced,
    )
}


def redis_py(url: str, in_flight: int) -> Any:
    """redis-py's asyncio client with the pool that was the fastest of those tried: a connection for
    each call in flight up to 64, beyond it 32 connections that calls wait for."""
    from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "health_check_interval": 0,
        "decode_responses": False,
    }
    pool: ConnectionPool
    if in_flight <= _POOL_MAX:
        pool = ConnectionPool.from_url(url, max_connections=in_flight, **options)
    else:
        options |= {"max_connections": _WAITING_POOL, "timeout": None}
        pool = BlockingConnectionPool.from_url(url, **options)
    return Redis(connection_pool=pool)


def _check(reply: Any) -> None:
    if reply[0] != b"committed":
        raise RuntimeError(f"not admitted: {reply!r}")
