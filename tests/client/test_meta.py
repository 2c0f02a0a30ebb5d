"""What a gate finds out about a Redis before it lets the first call through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis

from gate import ContractError, Gate, GateError, Loaded, Unavailable
from gate.hot.keys import EXCEPTIONS, META, TAGS, partition_of
from tests.hot.proxy import Proxy
from tests.support.accounts import account, dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.stack import RedisServer


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    """The same Redis, by another client."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as store:
        yield store


async def refusal(url: str) -> ContractError:
    with pytest.raises(ContractError) as caught:
        await Gate.connect(url)
    return caught.value


@pytest.mark.parametrize("partitions", [1, 8, 64])
async def test_first_start__writes_layout_and_partitions(
    store: redis.Redis, redis_url: str, partitions: int
) -> None:
    async with Gate.connect(redis_url, partitions=partitions) as gate:
        assert gate.caller.meta.partitions == partitions
        assert store.hgetall(META) == {"layout": "1", "partitions": str(partitions)}
        await gate.load(account("org_a"))
        tag = TAGS[partition_of("org_a", partitions) * 64 // partitions]
        assert store.exists(f"gate:{{{tag}}}:a:org_a") == 1


async def test_later_start__finds_what_was_written_whatever_it_asks_for(redis_url: str) -> None:
    async with Gate.connect(redis_url, partitions=8) as first:
        await first.load(account("org_a"))
        async with Gate.connect(redis_url, partitions=64) as second:
            assert second.caller.meta.partitions == 8
            assert second.caller.keys_of("org_a") == first.caller.keys_of("org_a")
            assert (await second.reserve("org_a")).admitted


async def test_first_start__of_many_gates_at_once_ends_with_one_layout(
    store: redis.Redis, redis_url: str
) -> None:
    """Whoever loses the race takes what the winner wrote, and sees it whole."""
    for _ in range(10):
        store.flushall()
        asked = [8, 64] * 8
        gates = await asyncio.gather(
            *(Gate.connect(redis_url, partitions=count, connections=1) for count in asked),
            return_exceptions=True,
        )
        connected = [gate for gate in gates if isinstance(gate, Gate)]
        for gate in connected:
            await gate.aclose()
        assert len(connected) == len(asked), gates
        assert len({gate.caller.meta.partitions for gate in connected}) == 1


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"layout": "2", "partitions": "64"}, ["layout 2", "this release reads and writes 1"]),
        ({"layout": "0", "partitions": "64"}, ["layout 0", "use the release that wrote it"]),
        ({"layout": "one", "partitions": "64"}, ["layout", "another Redis database"]),
        ({"partitions": "64"}, ["layout None"]),
        ({"layout": "1"}, ["None partitions", "put the number back"]),
        ({"layout": "1", "partitions": "0"}, ["0 partitions"]),
        ({"layout": "1", "partitions": "-8"}, ["partitions", "power of two"]),
        ({"layout": "1", "partitions": "48"}, ["48 partitions", "power of two up to 64"]),
        ({"layout": "1", "partitions": "128"}, ["128 partitions"]),
        ({"layout": "1", "partitions": "8.0"}, ["partitions"]),
    ],
    ids=str,
)
async def test_meta_of_another_kind__is_refused_with_the_fix_and_left_alone(
    store: redis.Redis, redis_url: str, written: dict[str, str], words: list[str]
) -> None:
    store.hset(META, mapping=written)
    before = dump(redis_url)
    sentence = str(await refusal(redis_url))
    assert META in sentence
    assert all(word in sentence for word in words), sentence
    assert dump(redis_url) == before


@pytest.mark.parametrize("key", [META, EXCEPTIONS])
async def test_foreign_value_under_the_key__is_refused_with_the_fix(
    store: redis.Redis, redis_url: str, key: str
) -> None:
    if key == EXCEPTIONS:
        await (await Gate.connect(redis_url)).aclose()
    store.set(key, "foreign")
    before = dump(redis_url)
    sentence = str(await refusal(redis_url))
    assert key in sentence
    assert "another Redis database" in sentence
    assert dump(redis_url) == before


async def test_exceptions__give_an_organization_its_partition(
    store: redis.Redis, redis_url: str
) -> None:
    store.hset(META, mapping={"layout": 1, "partitions": 8})
    other = (partition_of("org_a", 8) + 1) % 8
    store.hset(EXCEPTIONS, "org_a", other)
    async with Gate.connect(redis_url) as gate:
        assert await gate.load(account("org_a")) == Loaded("org_a", 1000, 1)
        assert store.exists(f"gate:{{{TAGS[other * 8]}}}:a:org_a") == 1
        assert gate.caller.meta.tag("org_b") == TAGS[partition_of("org_b", 8) * 8]


@pytest.mark.parametrize("partition", ["8", "-1", "64", "two", "", "1_0", "1.0"])
async def test_exception_out_of_range__is_refused_and_named(
    store: redis.Redis, redis_url: str, partition: str
) -> None:
    store.hset(META, mapping={"layout": 1, "partitions": 8})
    store.hset(EXCEPTIONS, mapping={"org_a": "0", "org_b": partition})
    sentence = str(await refusal(redis_url))
    assert EXCEPTIONS in sentence
    assert "org_b" in sentence
    assert "0 to 7" in sentence


async def test_exception_for_what_is_no_id__is_refused(store: redis.Redis, redis_url: str) -> None:
    store.hset(META, mapping={"layout": 1, "partitions": 8})
    store.hset(EXCEPTIONS, b"\xff", "1")
    assert EXCEPTIONS in str(await refusal(redis_url))


async def test_not_redis__is_said() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        sentence = str(await refusal(f"redis://127.0.0.1:{port}"))
    assert f"127.0.0.1:{port}" in sentence
    assert "does not speak the Redis protocol" in sentence


async def test_too_old__is_said_with_the_version_that_would_do(
    redis_server: RedisServer, redis_url: str
) -> None:
    def older(data: bytes) -> bytes:
        head, found, rest = data.partition(b"redis_version:")
        return head + found + b"6" + rest[1:] if found else data

    async with Proxy(redis_server.port) as proxy:
        proxy.change = older
        sentence = str(await refusal(proxy.url))
    assert "too old: 7.0 is the minimum" in sentence
    assert dump(redis_url) == {}


async def test_nobody_there__is_said_with_the_address(redis_server: RedisServer) -> None:
    with pytest.raises(Unavailable) as caught:
        await Gate.connect("redis://127.0.0.1:1")
    assert caught.value.reason == "connection"
    assert "127.0.0.1:1" in str(caught.value)


async def test_connecting_fails__and_leaves_no_connection_behind(
    store: redis.Redis, redis_url: str
) -> None:
    store.hset(META, mapping={"layout": 9, "partitions": 8})
    for _ in range(3):
        with pytest.raises(GateError):
            await Gate.connect(redis_url, client_name="left-behind")
    names = [client["name"] for client in store.client_list()]
    assert "left-behind" not in names
