"""Senders without PostgreSQL ask for the accounts that they miss, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from gate import Gate, NotLoaded, Reserved
from gate.hot.keys import wanted_key
from gate.hot.wanted import WANTED_MAX, take_wanted, want

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = "afj"


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    """The same Redis, by another client."""
    with redis.Redis.from_url(redis_url) as store:
        yield store


async def test_not_loaded__is_wanted_until_it_is_taken(gate: Gate) -> None:
    transport, tag = gate.caller.transport, gate.caller.meta.tag("org_b")
    for _ in range(3):
        assert await gate.reserve("org_b") == NotLoaded("org_b")
    assert isinstance(await gate.reserve("org_a"), Reserved)
    assert await take_wanted(transport, gate.caller.meta.tag("org_a"), 100) == []
    assert await take_wanted(transport, tag, 100) == ["org_b"]
    assert await take_wanted(transport, tag, 100) == []


async def test_not_loaded__is_told_once_in_a_second(gate: Gate, redis_url: str) -> None:
    transport, tag = gate.caller.transport, gate.caller.meta.tag("org_b")
    before = transport.calls
    for _ in range(10):
        assert await gate.peek("org_b") == NotLoaded("org_b")
    told = transport.calls - before - 10
    assert 1 <= told <= 2  # a second may have ended meanwhile
    async with Gate.connect(redis_url) as other:
        assert await other.peek("org_b") == NotLoaded("org_b")
    assert await take_wanted(transport, tag, 1) == ["org_b"]


async def test_gate_with_a_loader__loads_instead(redis_url: str, store: redis.Redis) -> None:
    async def unknown(organization_id: str) -> None:
        return None

    async with Gate.connect(redis_url, loader=unknown) as gate:
        assert await gate.reserve("org_b") == NotLoaded("org_b")
    assert not store.keys("*wanted")


async def test_full_set__takes_no_more(gate: Gate, store: redis.Redis) -> None:
    key = wanted_key(TAG)
    store.sadd(key, *(f"org_{number}" for number in range(WANTED_MAX - 1)))
    for organization_id in ("org_last", "org_late", "org_0"):
        await want(gate.caller.transport, TAG, organization_id)
    assert store.scard(key) == WANTED_MAX
    assert store.sismember(key, "org_last")
    assert not store.sismember(key, "org_late")
    taken = await take_wanted(gate.caller.transport, TAG, 4_000)
    assert len(set(taken)) == 4_000
    assert store.scard(key) == WANTED_MAX - 4_000


async def test_what_is_no_organization__is_dropped(gate: Gate, store: redis.Redis) -> None:
    store.sadd(wanted_key(TAG), "org_b", "two words", b"\xff\xfe", "")
    assert await take_wanted(gate.caller.transport, TAG, 100) == ["org_b"]


async def test_foreign_value_under_the_key__disturbs_no_sender(
    gate: Gate, store: redis.Redis
) -> None:
    store.set(wanted_key(gate.caller.meta.tag("org_b")), "foreign")
    assert await gate.reserve("org_b") == NotLoaded("org_b")
    assert isinstance(await gate.reserve("org_a"), Reserved)
