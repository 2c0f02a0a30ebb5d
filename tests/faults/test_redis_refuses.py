"""A Redis that takes no writes, or not these: a typed error, and everything as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate import (
    Account,
    Committed,
    ContractError,
    Gate,
    HoldRef,
    Loaded,
    Outcome,
    Recorded,
    Released,
    Reserved,
    Send,
    Unavailable,
)
from tests.support.accounts import account, dump
from tests.support.watch import look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[Gate], Awaitable[Outcome]]

SEND = Send(send_id="esn_1", recipient="ada@example.org")
HELD = HoldRef("org_a", "held", 10)

NEW_WORK: dict[str, Call] = {
    "reserve": lambda gate: gate.reserve("org_a", 5, hold_id="new"),
    "spend": lambda gate: gate.spend("org_a", 5, spend_id="new"),
    "extend": lambda gate: gate.extend(HELD, to_credits=20),
}
SETTLING: dict[str, Call] = {
    "commit": lambda gate: gate.commit(HELD),
    "release": lambda gate: gate.release(HELD),
    "record": lambda gate: gate.record("org_a", [SEND]),
    "pace": lambda gate: gate.pace("org_a"),
}
SENDING: dict[str, Call] = {
    "reserve with sends": lambda gate: gate.reserve("org_a", 5, hold_id="new", sends=[SEND]),
    "spend with sends": lambda gate: gate.spend("org_a", 5, spend_id="new", sends=[SEND]),
    "part": lambda gate: gate.commit(HELD, 1, final=False, part=1),
    "release with sends": lambda gate: gate.release(HELD, sends=[SEND]),
}


@pytest.fixture
async def loaded(gate: Gate) -> Gate:
    """The gate, with an account of 1,000 credits and one hold of ten."""
    await gate.load(account("org_a"))
    await gate.reserve("org_a", 10, hold_id="held")
    return gate


async def test_out_of_memory__refuses_new_work_and_goes_on_settling(
    loaded: Gate, redis_url: str
) -> None:
    gate, execute = loaded, loaded.caller.transport.execute
    held = await gate.reserve("org_a", 7, hold_id="other")
    assert isinstance(held, Reserved)
    await execute("CONFIG", "SET", "maxmemory", 1)
    try:
        before = dump(redis_url)
        for call in NEW_WORK.values():
            with pytest.raises(Unavailable) as caught:
                await call(gate)
            assert caught.value.reason == "backlog"
            assert "maxmemory" in str(caught.value)
        assert dump(redis_url) == before
        assert isinstance(await gate.commit(HELD), Committed)
        assert isinstance(await gate.release(held), Released)
        assert isinstance(await gate.commit(HoldRef("org_a", "lost", 3)), Committed)
        assert isinstance(await gate.record("org_a", [SEND]), Recorded)
        assert isinstance(await gate.load(account("org_b")), Loaded)
        seen = await look(gate)
        assert (seen.posted, seen.held) == (987, 0)
    finally:
        await execute("CONFIG", "SET", "maxmemory", 0)
    assert isinstance(await gate.reserve("org_a", 5, hold_id="new"), Reserved)


async def test_replica__is_read_only(loaded: Gate, redis_url: str) -> None:
    execute = loaded.caller.transport.execute
    await execute("REPLICAOF", "127.0.0.1", 1)
    try:
        before = dump(redis_url)
        for call in (NEW_WORK | SETTLING).values():
            with pytest.raises(Unavailable) as caught:
                await call(loaded)
            assert caught.value.reason == "read_only"
        assert isinstance(await loaded.peek("org_a"), Account)
        assert dump(redis_url) == before
    finally:
        await execute("REPLICAOF", "NO", "ONE")
    assert isinstance(await loaded.commit(HELD), Committed)


FOREIGN_VALUES = (("SET", "foreign"), ("RPUSH", "foreign"), ("SADD", "foreign"))
VERBS = NEW_WORK | SETTLING | SENDING
#: Under which key a foreign value must be noticed by which verbs at least.
NOTICED: dict[str, set[str]] = {
    "account": {*VERBS},
    "journal": {"spend", "commit", "record", "part", *SENDING},
    "holds": {*VERBS} - {"record", "pace"},
    "details": {"extend", "part", "reserve with sends"},
    "settled_even": {"commit", "release"},
    "settled_odd": {"commit", "release"},
    "due": {"reserve", "reserve with sends"},
}


@pytest.mark.parametrize("key", NOTICED)
async def test_foreign_value__under_a_key_of_an_organization_stops_it_before_it_writes(
    gate: Gate, redis_url: str, key: str
) -> None:
    """A script is not rolled back: whoever meets the value has not written yet, and names it as
    what it is. Whoever does not need the key is not disturbed."""
    name = getattr(gate.caller.keys_of("org_a"), key)
    execute = gate.caller.transport.execute
    noticed = {}
    for command, value in FOREIGN_VALUES:
        for verb, call in VERBS.items():
            await execute("FLUSHALL")
            await gate.load(account("org_a"))
            await gate.reserve("org_a", 10, hold_id="held", ttl_ms=600_000)
            await execute("DEL", name)
            await execute(command, name, value)
            before = dump(redis_url)
            try:
                outcome = await call(gate)
            except ContractError as error:
                noticed[verb] = str(error)
            else:
                assert outcome.admitted, (verb, command, outcome)
                continue
            assert dump(redis_url) == before, (verb, command)
    assert noticed.keys() >= NOTICED[key]
    for sentence in noticed.values():
        assert "foreign value" in sentence or "layout" in sentence


async def test_foreign_value__disturbs_no_other_organization(loaded: Gate) -> None:
    """I11."""
    await loaded.load(account("org_b"))
    await loaded.caller.transport.execute("SET", loaded.caller.keys_of("org_b").holds, "foreign")
    with pytest.raises(ContractError):
        await loaded.reserve("org_b")
    assert isinstance(await loaded.commit(HELD), Committed)
