"""`gate.hold`: what its end makes of the hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gate import (
    BadArgument,
    Committed,
    Denied,
    Gate,
    Insufficient,
    Reserved,
    Send,
    Settled,
    Unavailable,
)
from tests.hot.proxy import Proxy
from tests.support.watch import journal_of, look, until, written

if TYPE_CHECKING:
    from gate.domain.sends import SendStatus
    from gate.stack import RedisServer


class Bounced(Exception):
    """The mail server said no."""


def send(number: int, status: SendStatus | None = None) -> Send:
    return Send(send_id=f"esn_{number}", recipient=f"{number}@example.org", status=status)


async def test_end__commits_all_that_was_granted(gate: Gate) -> None:
    async with gate.hold("org_a", 10, hold_id="eml_1") as hold:
        assert (hold.credits, hold.used) == (10, None)
        assert isinstance(hold.receipt, Reserved)
        assert (await look(gate)).held == 10
    seen = await look(gate)
    assert (seen.posted, seen.held) == (990, 0)


async def test_end__commits_what_was_used(gate: Gate) -> None:
    async with gate.hold("org_a", 10) as hold:
        hold.used = 4
    assert (await look(gate)).posted == 996
    async with gate.hold("org_a", 10) as hold:
        hold.used = 0
    seen = await look(gate)
    assert (seen.posted, seen.held) == (996, 0)


async def test_exception__releases_with_its_name_as_the_reason(gate: Gate) -> None:
    async def bounce() -> None:
        async with gate.hold("org_a", 10, hold_id="eml_1") as hold:
            hold.record(send(1, "failed"))  # with sends, a release is journaled
            raise Bounced

    with pytest.raises(Bounced):
        await bounce()
    seen = await look(gate)
    assert (seen.posted, seen.held) == (1000, 0)
    released = (await journal_of(gate))[-1]
    assert (released.kind, released.id, released.reason) == ("released", "eml_1", "Bounced")
    assert b"esn_1" in released.sends


async def test_exception__after_some_has_left_commits_that(gate: Gate) -> None:
    """What has already left is committed, never spent anew; the rest comes back."""

    async def bounce_after_three() -> None:
        async with gate.hold("org_a", 10, hold_id="eml_1") as hold:
            for number in range(3):
                hold.record(send(number))
                hold.used = number + 1
            raise Bounced

    with pytest.raises(Bounced):
        await bounce_after_three()
    seen = await look(gate)
    assert (seen.posted, seen.held) == (997, 0)
    committed = (await journal_of(gate))[-1]
    assert committed.kind == "committed"
    assert committed.sends.count(b"send_id") == 3


async def test_keep__leaves_the_hold_to_somebody_else(gate: Gate) -> None:
    kept: list[Reserved] = []

    async def keep(credits: int, error: Exception | None) -> None:
        async with gate.hold("org_a", credits) as hold:
            hold.keep()
            kept.append(hold.receipt)
            if error is not None:
                raise error

    await keep(10, None)
    with pytest.raises(Bounced):
        await keep(5, Bounced())
    assert (await look(gate)).held == 15
    await gate.commit(kept[0])
    await gate.release(kept[1])
    seen = await look(gate)
    assert (seen.posted, seen.held) == (990, 0)


async def test_denied__is_raised_and_the_body_does_not_run(gate: Gate) -> None:
    ran = False
    with pytest.raises(Denied) as caught:
        async with gate.hold("org_a", 1001):
            ran = True
    assert not ran
    assert isinstance(caught.value.outcome, Insufficient)


async def test_same_id_again__while_open_continues_and_afterwards_is_denied(gate: Gate) -> None:
    """A sender that died with the mail unsent starts again with the id of the message."""
    async with gate.hold("org_a", 10, hold_id="eml_1") as first:
        first.keep()
    async with gate.hold("org_a", 10, hold_id="eml_1") as second:
        assert second.receipt.replayed
    with pytest.raises(Denied) as caught:
        async with gate.hold("org_a", 10, hold_id="eml_1"):
            pytest.fail("the message was sent twice")
    assert caught.value.outcome == Settled("org_a", "eml_1", "committed", 10)
    assert (await look(gate)).posted == 990


async def test_end__tells_when_the_commit_was_denied(gate: Gate) -> None:
    """Somebody released the hold meanwhile: the sender is told that nothing was booked."""
    with pytest.raises(Denied) as caught:
        async with gate.hold("org_a", 10, hold_id="eml_1") as hold:
            await gate.release(hold.receipt)
    assert caught.value.outcome == Settled("org_a", "eml_1", "released", 0)


async def test_exception__is_not_hidden_by_a_settlement_that_fails(gate: Gate) -> None:
    async def bounce() -> None:
        async with gate.hold("org_a", 10, hold_id="eml_1"):
            await gate.aclose()
            raise Bounced

    with pytest.raises(Bounced) as caught:
        await bounce()
    assert caught.value.__notes__[0].startswith("the hold eml_1 was not settled: ")
    with pytest.raises(Unavailable):
        async with gate.hold("org_a"):
            pytest.fail("the gate is closed")


async def test_record__of_what_can_not_travel_is_refused_at_once(gate: Gate) -> None:
    """Not at the end, where the mail has left and the commit would be lost with it."""
    long = Send(send_id="esn_1", recipient="a@example.org", subject="x" * 600_000)
    async with gate.hold("org_a", 2) as hold:
        for bad in (None, "esn_1", [send(1)], {"send_id": "esn_1"}):
            with pytest.raises(BadArgument) as caught:
                hold.record(bad)  # type: ignore[arg-type]
            assert caught.value.field == "send"
        hold.record(long)
        with pytest.raises(BadArgument) as caught:
            hold.record(long)
        assert caught.value.field == "send"
        for used in (-1, 1.5, True, None, 2**52 + 1):
            with pytest.raises(BadArgument) as caught:
                hold.used = used  # type: ignore[assignment]
            assert caught.value.field == "used"
    committed = (await journal_of(gate))[-1]
    assert (committed.kind, committed.sends.count(b"esn_1")) == ("committed", 1)


async def test_receipt__is_there_only_within(gate: Gate) -> None:
    hold = gate.hold("org_a")
    with pytest.raises(RuntimeError, match="async with"):
        _ = hold.receipt


async def test_cancelled__while_it_opens_leaves_nothing_behind(gate: Gate) -> None:
    """Nobody else knows the id that the hold made, and nobody would ever settle it."""

    async def enter(hold_id: str | None) -> None:
        async with gate.hold("org_a", 10, hold_id=hold_id):
            pytest.fail("it was cancelled before")

    for hold_id, held in ((None, 0), ("eml_1", 10)):
        task = asyncio.create_task(enter(hold_id))
        await written(gate, task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gate.caller.transport.execute("PING")
        seen = await look(gate)
        assert (seen.held, seen.open_holds) == (held, held // 10)


async def test_cancelled__within_releases(gate: Gate) -> None:
    inside = asyncio.Event()

    async def wait() -> None:
        async with gate.hold("org_a", 10):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await until(lambda: inside.is_set() or task.done())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await look(gate)).held == 0


async def test_answers_lost__it_asks_again_under_the_same_id(
    redis_server: RedisServer, gate: Gate
) -> None:
    """The replies to the first reserve and to the first commit are cut off: both ran once."""
    async with Proxy(redis_server.port) as proxy:
        cut: list[bytes] = []

        def cut_first(data: bytes) -> bytes | None:
            for tag in (b"reserved", b"committed"):
                if tag in data and tag not in cut:
                    cut.append(tag)
                    return None
            return data

        async with Gate.connect(proxy.url, connections=1) as cut_off:
            proxy.change = cut_first
            async with cut_off.hold("org_a", 10, hold_id="eml_1") as hold:
                assert hold.receipt.replayed
    assert cut == [b"reserved", b"committed"]
    seen = await look(gate)
    assert (seen.posted, seen.held) == (990, 0)
    assert isinstance(await gate.commit(hold.receipt), Committed)
    assert [delta.kind for delta in await journal_of(gate)] == ["loaded", "committed"]
