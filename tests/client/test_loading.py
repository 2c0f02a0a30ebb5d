"""The loader: how an account that is not in Redis gets there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gate import (
    Account,
    AccountState,
    BadArgument,
    Committed,
    Gate,
    HoldRef,
    NotFound,
    NotLoaded,
    Paced,
    Recorded,
    Reserved,
    Send,
    Unavailable,
)
from tests.support.accounts import account, dump
from tests.support.watch import until

if TYPE_CHECKING:
    from collections.abc import Callable


class Books:
    """A loader that answers when it is let, and counts."""

    def __init__(self, find: Callable[[str], AccountState | None] = account) -> None:
        self.loads: list[str] = []
        self.under_way: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self._find = find

    async def __call__(self, organization_id: str) -> AccountState | None:
        assert organization_id not in self.under_way, "two loads of one organization at a time"
        self.loads.append(organization_id)
        self.under_way.append(organization_id)
        try:
            await self.open.wait()
            return self._find(organization_id)
        finally:
            self.under_way.remove(organization_id)


async def test_every_verb__loads_the_account_and_asks_again(redis_url: str) -> None:
    books = Books()
    send = Send(send_id="esn_1", recipient="ada@example.org")
    async with Gate.connect(redis_url, loader=books) as gate:
        answers = [
            await gate.reserve("org_1"),
            await gate.spend("org_2"),
            await gate.commit(HoldRef("org_3", "eml_1", 1)),
            await gate.release(HoldRef("org_4", "eml_1", 1)),
            await gate.extend(HoldRef("org_5", "eml_1", 1), ttl_ms=1000),
            await gate.record("org_6", [send]),
            await gate.pace("org_7"),
            await gate.peek("org_8"),
        ]
        async with gate.hold("org_9"):
            pass
    kinds = [Reserved, Committed, Committed, NotFound, NotFound, Recorded, Paced, Account]
    assert [type(answer) for answer in answers] == kinds
    assert books.loads == [f"org_{number}" for number in range(1, 10)]


async def test_200_calls__wait_for_one_load_together(redis_url: str) -> None:
    books = Books()
    books.open.clear()
    async with Gate.connect(redis_url, loader=books) as gate:
        calls = [
            asyncio.create_task(gate.spend(organization_id, spend_id=f"eml_{number}"))
            for number in range(100)
            for organization_id in ("org_a", "org_b")
        ]
        await until(lambda: len(books.under_way) == 2)
        await until(lambda: not gate.caller.transport.in_flight)  # all know that it is absent
        assert not any(call.done() for call in calls)
        books.open.set()
        answers = await asyncio.gather(*calls)
        assert all(isinstance(answer, Committed) for answer in answers)
        assert sorted(books.loads) == ["org_a", "org_b"]
        for organization_id in ("org_a", "org_b"):
            seen = await gate.peek(organization_id)
            assert isinstance(seen, Account)
            assert seen.posted == 900


async def test_unknown_organization__is_asked_for_again_by_the_next_call(redis_url: str) -> None:
    known: dict[str, AccountState] = {}
    books = Books(known.get)
    async with Gate.connect(redis_url, loader=books) as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
        known["org_a"] = account("org_a")
        assert isinstance(await gate.spend("org_a"), Committed)
    assert books.loads == ["org_a", "org_a"]


async def test_loader_raises__all_who_wait_get_it_and_the_next_call_loads_anew(
    redis_url: str,
) -> None:
    failures = [OSError("PostgreSQL is away")]

    def find(organization_id: str) -> AccountState:
        if failures:
            raise failures.pop()
        return account(organization_id)

    books = Books(find)
    books.open.clear()
    async with Gate.connect(redis_url, loader=books) as gate:
        calls = [asyncio.create_task(gate.spend("org_a")) for _ in range(20)]
        await until(lambda: books.under_way)
        await until(lambda: not gate.caller.transport.in_flight)
        books.open.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["PostgreSQL is away"] * 20
        assert isinstance(await gate.spend("org_a"), Committed)
    assert books.loads == ["org_a", "org_a"]


async def test_cancelled_caller__leaves_the_load_to_the_others(redis_url: str) -> None:
    books = Books()
    books.open.clear()
    async with Gate.connect(redis_url, loader=books) as gate:
        first = asyncio.create_task(gate.reserve("org_a"))
        await until(lambda: books.under_way)
        second = asyncio.create_task(gate.spend("org_a"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        books.open.set()
        assert isinstance(await second, Committed)
        seen = await gate.peek("org_a")
        assert isinstance(seen, Account)
        assert seen.held == 0
    assert books.loads == ["org_a"]


async def test_aclose__does_not_wait_for_a_loader_that_hangs(redis_url: str) -> None:
    books = Books()
    books.open.clear()
    gate = await Gate.connect(redis_url, loader=books)
    call = asyncio.create_task(gate.spend("org_a"))
    await until(lambda: books.under_way)
    await gate.aclose()
    with pytest.raises(Unavailable) as caught:
        await call
    assert caught.value.reason == "closed"
    assert not books.under_way


@pytest.mark.parametrize("found", [account("org_other"), {"organization_id": "org_a"}, 1000])
async def test_loader_gives_something_else__is_refused_and_nothing_written(
    redis_url: str, found: AccountState
) -> None:
    """I11: the account of another organization is not put under this one's name."""
    async with Gate.connect(redis_url, loader=Books(lambda _: found)) as gate:
        before = dump(redis_url)
        with pytest.raises(BadArgument) as caught:
            await gate.spend("org_a")
        assert caught.value.field == "loader"
        assert dump(redis_url) == before
