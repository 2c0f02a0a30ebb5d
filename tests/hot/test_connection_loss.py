"""Connections that are cut, held and killed: what ran is never sent again, the rest is told so."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from gate.domain.errors import Unavailable
from gate.hot.transport import AnswerLost
from gate.stack import RedisServer
from tests.hot.conftest import COUNT, ECHO, answered_again
from tests.hot.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hot.conftest import Connect


@pytest.mark.parametrize(("seed", "garble"), [(1, False), (2, False), (3, True)])
async def test_cut_at_random__each_call_runs_at_most_once(
    connect: Connect, redis_server: RedisServer, redis_url: str, seed: int, garble: bool
) -> None:
    """An answer means once, Unavailable means never, AnswerLost means either."""
    chance = random.Random(seed)

    def change(data: bytes) -> bytes | None:
        if chance.random() > 0.2:
            return data
        return data[:5] + b"\x00?" + data[5:] if garble else None

    direct = await connect(redis_url)
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, deadline_ms=500)
        fates: dict[str, object] = {}

        async def worker(number: int) -> None:
            for turn in range(25):
                key = f"{number}.{turn}"
                try:
                    fates[key] = await transport.call(COUNT, (key,), 1)
                except (AnswerLost, Unavailable) as error:
                    fates[key] = error

        proxy.change = change
        await asyncio.gather(*(worker(number) for number in range(32)))
        proxy.change = lambda data: data
        await answered_again(transport)
        await transport.aclose()
    ran = await direct.execute("MGET", *fates)
    for fate, count in zip(fates.values(), ran, strict=True):
        if isinstance(fate, AnswerLost):
            assert count in (None, b"1")
        elif isinstance(fate, Unavailable):
            assert count is None
        else:
            # Garbling may hit the number of an answer, never how often the script ran.
            assert count == b"1"
            assert fate == 1 or garble
    assert transport.reconnects >= 1
    assert any(fate == 1 for fate in fates.values())
    assert any(isinstance(fate, AnswerLost) for fate in fates.values())


async def test_deadline__written_calls_are_lost_and_the_connection_is_made_anew(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, connections=1, deadline_ms=100)
        proxy.answers.clear()
        started = asyncio.get_running_loop().time()
        calls = [transport.call(COUNT, ("k",), 1) for _ in range(10)]
        cancelled = calls.pop()
        await asyncio.sleep(0)
        cancelled.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert asyncio.get_running_loop().time() - started < 0.4
        assert all(isinstance(answer, AnswerLost) for answer in answers)
        assert "100 ms" in str(answers[0])
        proxy.answers.set()
        await answered_again(transport)
        assert transport.reconnects == 1
        assert await transport.execute("GET", "k") == b"10"
        await transport.aclose()


async def test_back_pressure__what_was_not_written_is_said_to_be_so(
    connect: Connect, redis_server: RedisServer, redis_url: str, tmp_path: Path
) -> None:
    """Beyond the buffers of the sockets, calls wait unwritten; of those none ever runs."""
    payload = b"x" * 400_000
    direct = await connect(redis_url)
    async with Proxy(redis_server.port, path=tmp_path / "s") as proxy:
        transport = await connect(proxy.url, connections=1, deadline_ms=300)
        proxy.requests.clear()
        calls = []
        for number in range(20):
            calls.append(transport.call(COUNT, (f"k{number}", payload), 1))
            await asyncio.sleep(0)
        # No new connection either: the first attempt after the loss hangs until the deadline.
        answers = await asyncio.gather(*calls, return_exceptions=True)
        kinds = [type(answer) for answer in answers]
        written = kinds.count(AnswerLost)
        assert 1 < written < 15
        assert kinds == [AnswerLost] * written + [Unavailable] * (20 - written)
        proxy.requests.set()
        await answered_again(transport)
        await transport.aclose()
    unwritten = [f"k{number}" for number in range(written, 20)]
    assert await direct.execute("EXISTS", *unwritten) == 0


async def test_back_pressure__a_slow_reader_gets_everything_in_order(
    connect: Connect, redis_server: RedisServer, redis_url: str, tmp_path: Path
) -> None:
    async with Proxy(redis_server.port, path=tmp_path / "s") as proxy:
        transport = await connect(proxy.url, connections=1, deadline_ms=10_000)
        proxy.requests.clear()
        calls = []
        for number in range(20):
            calls.append(transport.call(ECHO, (f"{number:0400000}",), 0))
            await asyncio.sleep(0)
        proxy.requests.set()
        for number, call in enumerate(calls):
            assert await call == [b"echo", b"%0400000d" % number]
        await transport.aclose()


async def test_one_of_two_lost__the_other_takes_over_what_was_not_written(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, connections=2)
        addresses = await transport.execute("CLIENT", "ID")
        direct = await connect(redis_url)
        await direct.execute("CLIENT", "KILL", "ID", addresses)
        for _ in range(3):
            await answered_again(transport)
        assert transport.reconnects <= 1
        await transport.aclose()


async def test_first_call_after_a_loss__waits_for_the_new_connection(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, connections=1)
        lost = transport.call(ECHO, ("lost",), 0)
        await asyncio.sleep(0)
        proxy.cut()
        with pytest.raises(AnswerLost):
            await lost
        assert await transport.call(ECHO, ("first",), 0) == [b"echo", b"first"]
        assert transport.reconnects == 1
        await transport.aclose()


async def test_first_call_after_a_loss__does_not_wait_beyond_the_deadline(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, connections=1, deadline_ms=100)
        proxy.answers.clear()  # the next handshake hangs
        for expected in (AnswerLost, Unavailable, Unavailable):
            with pytest.raises(expected):
                await transport.call(ECHO, ("x",), 0)
        assert transport.in_flight == 0
        await transport.aclose()
        with pytest.raises(Unavailable, match="closed"):
            await transport.call(ECHO, ("x",), 0)


async def test_aclose__does_not_wait_for_ever(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    async with Proxy(redis_server.port) as proxy:
        transport = await connect(proxy.url, deadline_ms=50)
        proxy.answers.clear()
        call = transport.call(ECHO, ("x",), 0)
        await transport.aclose()
        with pytest.raises(AnswerLost):
            await call


async def test_redis_killed_and_restarted__calls_fail_fast_then_work(
    connect: Connect, tmp_path: Path
) -> None:
    """After a restart Redis knows no script; the new connection has loaded them."""
    with RedisServer(tmp_path, appendfsync="off") as server:
        transport = await connect(server.url)
        server.kill()
        # The first meets the dead socket or waits for the first attempt, the others fail at once.
        for _ in range(3):
            with pytest.raises((AnswerLost, Unavailable)):
                await transport.call(ECHO, ("x",), 0)
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await transport.call(ECHO, ("x",), 0)
        assert caught.value.reason == "connection"
        server.start()
        await answered_again(transport)
        await transport.aclose()
        assert transport.reconnects >= 1
