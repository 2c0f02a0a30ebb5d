"""Calls over a healthy connection: order, cancellation, bounds, refusals of Redis, closing."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from gate.domain.errors import BadArgument, ContractError, Unavailable
from gate.hot.transport import Transport
from tests.hot.conftest import COUNT, ECHO, SCRIPTS, first_refusal, lua

if TYPE_CHECKING:
    from tests.hot.conftest import Connect

FOREVER = "while true do end"


async def _echo_under_cancellation(url: str, seed: int) -> None:
    chance = random.Random(seed)
    transport = await Transport.connect(url, SCRIPTS)
    abandoned: list[Any] = []
    cancelled_early, cancelled = set(), set()

    async def worker(number: int) -> None:
        for turn in range(40):
            token = b"%d.%d" % (number, turn)
            future = transport.call(ECHO, (token,), 0, abandoned.append)
            dice = chance.random()
            if dice < 0.1:
                future.cancel()
                cancelled_early.add(token)
                continue
            if dice < 0.4:
                for _ in range(chance.randrange(1, 4)):
                    await asyncio.sleep(0)
                if future.cancel():
                    cancelled.add(token)
                    continue
            assert await future == [b"echo", token]

    await asyncio.gather(*(worker(number) for number in range(64)))
    await transport.execute("PING")
    await asyncio.sleep(0)
    answered = {token for _, token in abandoned}
    assert len(answered) == len(abandoned) == transport.abandoned
    # Cancelled in the turn of the call: not sent, unless its batch had gone already.
    assert cancelled <= answered <= cancelled | cancelled_early
    assert cancelled
    assert cancelled_early
    assert transport.in_flight == transport.reconnects == 0
    await transport.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_call__everyone_gets_the_own_answer_while_others_are_cancelled(
    redis_url: str, seed: int
) -> None:
    await _echo_under_cancellation(redis_url, seed)


def test_call__everyone_gets_the_own_answer_on_uvloop(redis_url: str) -> None:
    pytest.importorskip("uvloop").run(_echo_under_cancellation(redis_url, 7))


async def test_call__cancelled_before_it_is_written_is_not_sent(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url)
    abandoned: list[object] = []
    transport.call(COUNT, ("k",), 1, abandoned.append).cancel()
    assert await transport.execute("EXISTS", "k") == 0
    assert not abandoned


async def test_call__cancelled_task_leaves_its_answer_to_on_abandoned(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url)
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def caller() -> None:
        await transport.call(COUNT, ("k",), 1, answer.set_result)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)  # called
    await asyncio.sleep(0)  # written
    task.cancel()
    assert await answer == 1
    assert task.cancelled()


async def test_call__error_of_an_abandoned_call_goes_nowhere(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url)
    abandoned: list[object] = []
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    future = transport.call(
        lua("return redis.error_reply('GATE_LAYOUT 9')"), (), 0, abandoned.append
    )
    await asyncio.sleep(0)
    future.cancel()
    transport.call(lua("error('x')"), (), 0)  # nobody ever looks at this one
    del future
    for _ in range(2):  # the second is answered after the scripts that came back as unknown
        await transport.execute("PING")
    gc.collect()
    assert abandoned == noise == []


async def test_call__argument_of_another_type_is_refused_at_once(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url)
    with pytest.raises(TypeError):
        transport.call(ECHO, (None,), 0)  # type: ignore[arg-type]
    assert await transport.call(ECHO, ("é",), 0) == [b"echo", "é".encode()]


async def test_call__beyond_in_flight_max_is_busy(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url, connections=2, in_flight_max=3)
    calls = [transport.call(ECHO, (n,), 0) for n in range(8)]
    assert transport.in_flight == 6
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers[:6] == [[b"echo", b"%d" % n] for n in range(6)]
    assert [getattr(answer, "reason", None) for answer in answers[6:]] == ["busy", "busy"]
    assert await transport.call(ECHO, ("again",), 0) == [b"echo", b"again"]
    assert transport.calls == 7


async def test_noscript__the_same_call_runs_once_and_in_order(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url, connections=1)
    await transport.execute("SCRIPT", "FLUSH")
    counts = [transport.call(COUNT, ("k",), 1) for _ in range(20)]
    ping = transport.execute("PING")
    assert await asyncio.gather(*counts) == list(range(1, 21))
    assert await ping == b"PONG"


async def test_noscript__a_call_cancelled_meanwhile_is_not_sent_again(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url, connections=1)
    await transport.execute("SCRIPT", "FLUSH")
    count = transport.call(COUNT, ("k",), 1)
    await asyncio.sleep(0)
    count.cancel()
    await transport.execute("PING")
    assert await transport.execute("EXISTS", "k") == 0


async def test_refused__by_a_script(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    bad = lua("return redis.error_reply('GATE_BADARG credits 1 to 10')")
    with pytest.raises(BadArgument, match="1 to 10") as caught:
        await transport.call(bad, (), 0)
    assert caught.value.field == "credits"
    await transport.execute("SET", "foreign", "x")
    journal = lua("return redis.call('XADD', KEYS[1], '*', 'a', 'b')", "journal")
    with pytest.raises(ContractError, match="journal: a foreign value"):
        await transport.call(journal, ("foreign",), 1)
    with pytest.raises(ContractError, match="NOSUCH"):
        await transport.execute("NOSUCH")


async def test_refused__at_maxmemory(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    await transport.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(Unavailable) as caught:
            await transport.call(COUNT, ("k",), 1)
        assert caught.value.reason == "backlog"
    finally:
        await transport.execute("CONFIG", "SET", "maxmemory", 0)


async def test_refused__by_a_replica(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    await transport.execute("REPLICAOF", "127.0.0.1", 1)
    try:
        with pytest.raises(Unavailable) as caught:
            await transport.call(COUNT, ("k",), 1)
        assert caught.value.reason == "read_only"
    finally:
        await transport.execute("REPLICAOF", "NO", "ONE")


async def test_refused__while_a_long_script_runs(connect: Connect, redis_url: str) -> None:
    transport, other = await connect(redis_url), await connect(redis_url, deadline_ms=10_000)
    await transport.execute("CONFIG", "SET", "busy-reply-threshold", 5)
    long = other.execute("EVAL", FOREVER, 0)
    await asyncio.sleep(0)  # written, and first in Redis
    refusal = await first_refusal(lambda: transport.call(COUNT, ("k",), 1))
    assert refusal.reason == "busy"
    await transport.execute("SCRIPT", "KILL")
    with pytest.raises(Unavailable, match="before it wrote"):
        await long
    await transport.execute("CONFIG", "SET", "busy-reply-threshold", 5000)


async def _stall(url: str) -> None:
    large = lua("return string.rep('x', 100000)")
    transport = await Transport.connect(url, [large], deadline_ms=50)
    calls = [transport.call(large, (), 0) for _ in range(15)]
    await asyncio.sleep(0)
    time.sleep(0.1)  # the stall itself
    assert all(await asyncio.gather(*calls))
    await transport.aclose()


def test_stalled_process__reads_the_answers_before_it_calls_them_late(redis_url: str) -> None:
    """A turn of the loop reads 64 to 256 KiB, less than has come meanwhile."""
    asyncio.run(_stall(redis_url))
    pytest.importorskip("uvloop").run(_stall(redis_url))


async def test_other_loop__is_refused(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)

    async def use() -> None:
        with pytest.raises(ContractError, match="another event loop"):
            transport.call(ECHO, ("x",), 0)
        with pytest.raises(ContractError, match="another event loop"):
            await transport.aclose()

    await asyncio.to_thread(asyncio.run, use())


async def test_aclose__finishes_what_is_in_flight_and_refuses_the_rest(
    connect: Connect, redis_url: str
) -> None:
    transport = await connect(redis_url)
    calls = [transport.call(ECHO, (n,), 0) for n in range(100)]
    closing = asyncio.create_task(transport.aclose())
    assert await asyncio.gather(*calls) == [[b"echo", b"%d" % n] for n in range(100)]
    await closing
    with pytest.raises(Unavailable) as caught:
        await transport.call(ECHO, ("x",), 0)
    assert caught.value.reason == "closed"
    await transport.aclose()
