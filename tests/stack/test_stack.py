"""The three servers together: what survives, what is passed through, what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import asyncpg
import nats
import pytest
from redis.asyncio import Redis

from gate.stack import Stack, StackError, StackUrls

if TYPE_CHECKING:
    from pathlib import Path

URL_VARIABLES = ("REDIS_URL", "PG_URL", "NATS_URL")
#: This machine's environment without what would steer a stack.
ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if name not in URL_VARIABLES and name != "NODE_ENV" and not name.startswith("GATE_")
}


async def write(urls: StackUrls) -> None:
    async with Redis.from_url(urls.redis_url) as redis:
        await redis.set("kept", "redis")
    postgres = await asyncpg.connect(urls.pg_url)
    await postgres.execute("CREATE TABLE kept AS SELECT 'postgres' AS word")
    await postgres.close()
    bus = await nats.connect(urls.nats_url)
    stream = bus.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept"])
    await stream.publish("kept", b"nats")
    await bus.close()


async def read(urls: StackUrls) -> list[str]:
    async with Redis.from_url(urls.redis_url, decode_responses=True) as redis:
        words = [await redis.get("kept")]
    postgres = await asyncpg.connect(urls.pg_url)
    words.append(await postgres.fetchval("SELECT word FROM kept"))
    await postgres.close()
    bus = await nats.connect(urls.nats_url)
    message = await bus.jetstream().get_msg("KEPT", 1)
    words.append((message.data or b"").decode())
    await bus.close()
    return words


async def test_restart__keeps_data_and_urls(tmp_path: Path) -> None:
    stack = Stack(tmp_path, environ=ENVIRON)
    with stack:
        before = StackUrls(*(server.url for server in stack.servers.values()))
        await write(before)
    urls = stack.start()
    try:
        assert urls == before
        assert await read(urls) == ["redis", "postgres", "nats"]
        for server in stack.servers.values():
            server.kill()
            server.start()
        assert await read(urls) == ["redis", "postgres", "nats"]
    finally:
        stack.stop()


def test_explicit_url__starts_nothing(tmp_path: Path) -> None:
    given = {name: f"somewhere://{name}" for name in URL_VARIABLES}
    stack = Stack(tmp_path, environ=ENVIRON | given | {"NODE_ENV": "production"})
    assert (stack.redis, stack.postgres, stack.nats) == (None, None, None)
    assert stack.start() == StackUrls(*given.values())
    stack.stop()
    assert list(tmp_path.iterdir()) == []


def test_explicit_url__replaces_one_server(tmp_path: Path) -> None:
    environ = ENVIRON | {"PG_URL": "postgresql://elsewhere/gate"}
    with Stack(tmp_path, services=("redis", "postgres"), environ=environ) as stack:
        assert list(stack.servers) == ["redis"]
        assert {path.name for path in tmp_path.iterdir()} == {"redis"}


def test_production__refuses_embedded_servers(tmp_path: Path) -> None:
    environ = ENVIRON | {"NODE_ENV": "production", "REDIS_URL": "redis://db"}
    with pytest.raises(StackError, match="set PG_URL, NATS_URL"):
        Stack(tmp_path, environ=environ).start()


def test_failed_start__leaves_nothing_running(tmp_path: Path) -> None:
    environ = ENVIRON | {"GATE_NATS_SERVER": str(tmp_path / "missing")}
    stack = Stack(tmp_path, services=("redis", "nats"), environ=environ)
    with pytest.raises(StackError, match="GATE_NATS_SERVER"):
        stack.start()
    assert stack.redis is not None
    with pytest.raises(StackError, match="not running"):
        _ = stack.redis.pid
