"""The public verbs, their outcomes and the connection, on real Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

import pytest

from gate import (
    Account,
    Committed,
    Conflict,
    Denial,
    Denied,
    Extended,
    Gate,
    HoldRef,
    Inactive,
    Insufficient,
    Loaded,
    NotFound,
    NotLoaded,
    Paced,
    Present,
    Recorded,
    Released,
    Reserved,
    Send,
    Settled,
    Throttled,
    Unavailable,
    new_id,
)
from tests.support.accounts import account
from tests.support.watch import journal_of, look, written

if TYPE_CHECKING:
    from gate import Outcome
    from gate.domain.outcomes import ReserveOutcome

SEND = Send(send_id="esn_1", recipient="ada@example.org")


# -- verbs


async def test_reserve_and_commit__books_what_was_spent(gate: Gate) -> None:
    held = await gate.reserve("org_a", 10, hold_id="eml_1", ttl_ms=60_000)
    assert isinstance(held, Reserved)
    assert (held.organization_id, held.hold_id, held.credits) == ("org_a", "eml_1", 10)
    assert (held.available, held.max_attachment_size_mb, held.replayed) == (990, 10, False)
    done = await gate.commit(held)
    assert done == Committed("org_a", "eml_1", 10, 0, 990, 2, late=False, replayed=False)
    seen = await look(gate)
    assert (seen.posted, seen.held, seen.open_holds, seen.used) == (990, 0, 0, 10)


async def test_commit__less_returns_the_rest_and_more_is_charged_too(gate: Gate) -> None:
    less = await gate.reserve("org_a", 10, hold_id="less")
    more = await gate.reserve("org_a", 10, hold_id="more")
    assert isinstance(less, Reserved)
    assert isinstance(more, Reserved)
    outcome = await gate.commit(less, 4)
    assert isinstance(outcome, Committed)
    assert (outcome.spent, outcome.returned, outcome.posted) == (4, 6, 996)
    outcome = await gate.commit(more, 25)
    assert isinstance(outcome, Committed)
    assert (outcome.spent, outcome.returned, outcome.posted) == (25, 0, 971)


async def test_commit__in_parts_keeps_the_hold_until_the_last(gate: Gate) -> None:
    held = await gate.reserve("org_a", 10, hold_id="parts")
    assert isinstance(held, Reserved)
    for part, credits in ((1, 3), (2, 4)):
        outcome = await gate.commit(held, credits, final=False, part=part)
        assert isinstance(outcome, Committed)
        assert (outcome.spent, outcome.returned) == (credits, 0)
    again = await gate.commit(held, 4, final=False, part=2)
    assert isinstance(again, Committed)
    assert again.replayed
    assert (await look(gate)).held == 3
    skipped = await gate.commit(held, 1, final=False, part=4)
    assert skipped == Conflict("org_a", "parts", "part", 3)
    last = await gate.commit(held)
    assert isinstance(last, Committed)
    assert (last.spent, last.posted) == (3, 990)
    assert (await look(gate)).open_holds == 0


async def test_commit__by_name_after_the_hold_is_gone_is_late_and_knows_its_amount(
    gate: Gate,
) -> None:
    lost = HoldRef("org_a", "eml_lost", 7)
    outcome = await gate.commit(lost)
    assert isinstance(outcome, Committed)
    assert (outcome.spent, outcome.late, outcome.replayed, outcome.posted) == (7, True, False, 993)
    again = await gate.commit(lost)
    assert isinstance(again, Committed)
    assert (again.spent, again.late, again.replayed, again.posted) == (7, True, True, 993)


async def test_release__returns_all_and_closes_the_id(gate: Gate) -> None:
    held = await gate.reserve("org_a", 10, hold_id="eml_1")
    assert isinstance(held, Reserved)
    assert await gate.release(held, reason="bounced") == Released(
        "org_a", "eml_1", 10, "released", replayed=False
    )
    assert await gate.commit(held) == Settled("org_a", "eml_1", "released", 0)
    assert await gate.reserve("org_a", 10, hold_id="eml_1") == Settled(
        "org_a", "eml_1", "released", 0
    )
    assert (await look(gate)).available == 1000


async def test_release__that_overtakes_its_reserve_opens_nothing(gate: Gate) -> None:
    assert await gate.release(HoldRef("org_a", "eml_1", 1)) == NotFound("org_a", "eml_1")
    assert isinstance(await gate.reserve("org_a", hold_id="eml_1"), Settled)


async def test_extend__gives_credits_and_time(gate: Gate) -> None:
    held = await gate.reserve("org_a", 10, hold_id="eml_1", ttl_ms=10_000)
    assert isinstance(held, Reserved)
    outcome = await gate.extend(held, to_credits=30, ttl_ms=60_000)
    assert isinstance(outcome, Extended)
    assert (outcome.hold_id, outcome.credits, outcome.available) == ("eml_1", 30, 970)
    assert 49_000 < outcome.expires_at_ms - held.expires_at_ms < 55_000
    ref = HoldRef("org_a", "eml_1", 30)
    assert isinstance(await gate.extend(ref, ttl_ms=1000), Extended)
    done = await gate.commit(held)
    assert isinstance(done, Committed)
    assert done.spent == 30


async def test_reserve__with_min_credits_grants_as_many_as_fit(gate: Gate) -> None:
    outcome = await gate.reserve("org_a", 5000, min_credits=100)
    assert isinstance(outcome, Reserved)
    assert (outcome.credits, outcome.available) == (1000, 0)
    none = await gate.reserve("org_a", 5000, min_credits=100)
    assert isinstance(none, Insufficient)
    assert (none.available, none.required) == (0, 100)


async def test_reserve__makes_an_id_of_its_own(gate: Gate) -> None:
    one, two = await gate.reserve("org_a"), await gate.reserve("org_a")
    assert isinstance(one, Reserved)
    assert isinstance(two, Reserved)
    assert one.hold_id.startswith("hld_")
    assert one.hold_id != two.hold_id
    assert (await look(gate)).held == 2


async def test_spend__is_remembered_by_its_id(gate: Gate) -> None:
    first = await gate.spend("org_a", 5, spend_id="eml_1")
    assert first == Committed("org_a", "eml_1", 5, 0, 995, 2, late=False, replayed=False)
    again = await gate.spend("org_a", 5, spend_id="eml_1")
    assert again == Committed("org_a", "eml_1", 5, 0, 995, 2, late=False, replayed=True)
    assert await gate.spend("org_a", 6, spend_id="eml_1") == Conflict(
        "org_a", "eml_1", "credits", 5
    )
    nothing = await gate.spend("org_a", 0)
    assert isinstance(nothing, Committed)
    assert (nothing.spent, nothing.posted) == (0, 995)


async def test_sends__travel_in_the_journal_with_reference_and_reason(gate: Gate) -> None:
    held = await gate.reserve("org_a", 3, hold_id="eml_1", reference="campaign 7", sends=[SEND])
    assert isinstance(held, Reserved)
    await gate.commit(held, 1, final=False, part=1, sends=(SEND,))
    await gate.release(held, reason="stopped ✋", sends=[SEND])
    await gate.spend("org_a", reference="single", sends=[SEND])
    assert isinstance(await gate.record("org_a", [SEND, SEND]), Recorded)
    loaded, reserved, committed, released, spent, recorded = await journal_of(gate)
    assert loaded.kind == "loaded"
    assert (reserved.kind, reserved.id, reserved.reference) == ("reserved", "eml_1", "campaign 7")
    assert (committed.kind, committed.part, committed.is_part) == ("committed", 1, True)
    assert (released.kind, released.reason) == ("released", "stopped ✋")
    assert (spent.kind, spent.reference) == ("spent", "single")
    assert recorded.kind == "recorded"
    for delta in (reserved, committed, released, spent, recorded):
        assert b'"send_id":"esn_1"' in delta.sends
    assert [delta.seq for delta in await journal_of(gate)] == [1, 2, 3, 4, 5, 6]


async def test_pace__takes_tokens_and_nothing_else(gate: Gate) -> None:
    await gate.load(account("org_slow", rate_per_second=1, burst=10))
    assert await gate.pace("org_slow", 10) == Paced("org_slow", 0)
    denied = await gate.pace("org_slow")
    assert isinstance(denied, Throttled)
    assert (denied.limit, denied.required, denied.available) == ("second", 1, 0)
    assert 0 < (denied.retry_after_ms or 0) <= 1000
    assert (await look(gate, "org_slow")).posted == 1000


async def test_reserve__cost_sets_the_tokens_that_are_taken(gate: Gate) -> None:
    await gate.load(account("org_slow", rate_per_second=1, burst=2))
    for _ in range(3):
        assert isinstance(await gate.reserve("org_slow", 5, cost=0), Reserved)
    assert isinstance(await gate.spend("org_slow", 5, cost=2), Committed)
    assert isinstance(await gate.spend("org_slow", 5, cost=1), Throttled)
    assert isinstance(await gate.spend("org_slow", 5, cost=0), Committed)


async def test_peek__shows_the_account_and_the_verdict_and_writes_nothing(gate: Gate) -> None:
    seen = await look(gate)
    assert (seen.posted, seen.available, seen.left, seen.status) == (1000, 1000, 1000, "active")
    assert seen.denial is None
    assert seen.admitted
    much = await gate.peek("org_a", 1001)
    assert isinstance(much, Account)
    assert isinstance(much.denial, Insufficient)
    assert (much.denial.available, much.denial.required) == (1000, 1001)
    assert await look(gate) == seen


async def test_load__leaves_what_is_there(gate: Gate) -> None:
    assert await gate.load(account("org_b", 5)) == Loaded("org_b", 5, 1)
    assert await gate.load(account("org_b", 7)) == Present("org_b", 1, 1)
    assert (await look(gate, "org_b")).posted == 5


async def test_two_organizations__with_the_same_id_do_not_meet(gate: Gate) -> None:
    """I11."""
    await gate.load(account("org_b", 10))
    held_a = await gate.reserve("org_a", 3, hold_id="eml_1")
    held_b = await gate.reserve("org_b", 4, hold_id="eml_1")
    assert isinstance(held_a, Reserved)
    assert isinstance(held_b, Reserved)
    assert not held_b.replayed
    await gate.commit(held_b)
    await gate.release(held_a)
    assert (await look(gate)).posted == 1000
    assert (await look(gate, "org_b")).posted == 6


async def test_i10_same_call_again__answers_the_same_and_changes_nothing(gate: Gate) -> None:
    held = await gate.reserve("org_a", 3, hold_id="eml_1")
    again = await gate.reserve("org_a", 3, hold_id="eml_1")
    assert isinstance(held, Reserved)
    assert isinstance(again, Reserved)
    assert (again.credits, again.expires_at_ms, again.replayed) == (3, held.expires_at_ms, True)
    assert (await look(gate)).held == 3
    assert await gate.reserve("org_a", 4, hold_id="eml_1") == Conflict(
        "org_a", "eml_1", "credits", 3
    )
    await gate.commit(again)
    repeated = await gate.commit(held)
    assert isinstance(repeated, Committed)
    assert repeated.replayed
    assert (await look(gate)).posted == 997


# -- outcomes


async def make_denials(gate: Gate) -> dict[str, Outcome]:
    """One denial of each kind, as Redis answers it."""
    await gate.load(account("org_slow", rate_per_second=1))
    await gate.load(account("org_strict", rate_per_second=1, strict_burst=True))
    await gate.load(account("org_paused", status="paused"))
    await gate.load(account("org_few", 1, max_open_holds=1, overage_limit=100))
    await gate.spend("org_slow")
    await gate.reserve("org_few", hold_id="eml_1")
    released = await gate.reserve("org_a", hold_id="released")
    assert isinstance(released, Reserved)
    await gate.release(released)
    return {
        "insufficient": await gate.reserve("org_a", 1001),
        "throttled": await gate.reserve("org_slow"),
        "strict": await gate.reserve("org_strict", 2),
        "open holds": await gate.reserve("org_few"),
        "inactive": await gate.reserve("org_paused"),
        "conflict": await gate.reserve("org_few", 2, hold_id="eml_1"),
        "settled": await gate.reserve("org_a", hold_id="released"),
        "not found": await gate.extend(HoldRef("org_a", "never", 1), ttl_ms=1000),
        "not loaded": await gate.reserve("org_nobody"),
    }


async def test_denials__say_who_why_and_when(gate: Gate) -> None:
    """Each is a value of its own type, with a stable code and one sentence."""
    denials = await make_denials(gate)
    expected = {
        "insufficient": (Insufficient, "insufficient", False, "1,000 credits available"),
        "throttled": (Throttled, "throttled", True, "limit per second; try again in"),
        "strict": (Throttled, "throttled", False, "split the call"),
        "open holds": (Throttled, "throttled", True, "as many open holds as its plan allows"),
        "inactive": (Inactive, "inactive", False, "subscription is paused"),
        "conflict": (Conflict, "conflict", False, "another credits: 1 is expected"),
        "settled": (Settled, "settled", False, "is released already; take a new id"),
        "not found": (NotFound, "not_found", False, "has no hold never"),
        "not loaded": (NotLoaded, "not_loaded", False, "is not in Redis"),
    }
    for name, (kind, code, retryable, words) in expected.items():
        denial = denials[name]
        assert type(denial) is kind, name
        assert isinstance(denial, Denial)
        assert (denial.admitted, denial.code, denial.retryable) == (False, code, retryable), name
        assert (denial.retry_after_ms is not None) == retryable
        assert (denial.retry_after_ms or 1) > 0
        sentence = str(denial)
        assert words in sentence
        assert denial.organization_id in sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence
        with pytest.raises(Denied) as caught:
            denial.raise_if_denied()
        assert caught.value.outcome is denial
        assert str(caught.value) == sentence


async def test_outcomes__are_frozen_values(gate: Gate) -> None:
    held = await gate.reserve("org_a", hold_id="eml_1")
    assert isinstance(held, Reserved)
    assert held.admitted
    assert held.code == "reserved"
    held.raise_if_denied()
    with pytest.raises(AttributeError):
        held.credits = 5  # type: ignore[misc]
    assert hash(held) == hash(held)
    for denial in (await make_denials(gate)).values():
        with pytest.raises(AttributeError):
            denial.organization_id = "org_b"  # type: ignore[misc]


def advise(outcome: ReserveOutcome) -> str:
    """What a sender writes; a type checker sees that no case is missing."""
    match outcome:
        case Reserved(credits=credits):
            return f"send {credits}"
        case Throttled(retry_after_ms=None):
            return "split"
        case Throttled(limit=limit):
            return f"wait for {limit}"
        case Insufficient(available=available, required=required):
            return f"buy {required - available}"
        case Inactive(status=status):
            return f"ask {status}"
        case Conflict() | Settled():
            return "new id"
        case NotLoaded():
            return "load"
        case _:
            assert_never(outcome)


async def test_match__tells_all_outcomes_apart(gate: Gate) -> None:
    denials = await make_denials(gate)
    del denials["not found"]
    assert [advise(denial) for denial in denials.values()] == [  # type: ignore[arg-type]
        "buy 1",
        "wait for second",
        "split",
        "wait for open_holds",
        "ask paused",
        "new id",
        "new id",
        "load",
    ]
    assert advise(await gate.reserve("org_a", 3)) == "send 3"


async def test_not_loaded__comes_back_from_every_verb_without_a_loader(gate: Gate) -> None:
    ref = HoldRef("org_nobody", "eml_1", 1)
    for call in (
        gate.reserve("org_nobody"),
        gate.extend(ref, ttl_ms=1000),
        gate.commit(ref),
        gate.release(ref),
        gate.spend("org_nobody"),
        gate.record("org_nobody", [SEND]),
        gate.pace("org_nobody"),
        gate.peek("org_nobody"),
    ):
        assert await call == NotLoaded("org_nobody")


# -- connecting


async def test_connect__can_be_awaited_and_closed(redis_url: str) -> None:
    gate = await Gate.connect(redis_url)
    await gate.load(account())
    assert isinstance(await gate.reserve("org_a"), Reserved)
    await gate.aclose()
    await gate.aclose()
    with pytest.raises(Unavailable) as caught:
        await gate.reserve("org_a")
    assert caught.value.reason == "closed"


async def test_connect__is_a_context_that_closes(redis_url: str) -> None:
    async with Gate.connect(redis_url) as gate:
        await gate.load(account())
    with pytest.raises(Unavailable, match="closed"):
        await gate.spend("org_a")
    async with await Gate.connect(redis_url) as awaited:
        assert isinstance(await awaited.spend("org_a"), Committed)
    with pytest.raises(Unavailable, match="closed"):
        await awaited.spend("org_a")


async def test_connect__takes_redis_url_from_the_environment(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    async with Gate.connect() as gate:
        assert await gate.load(account()) == Loaded("org_a", 1000, 1)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    async with Gate.connect(redis_url) as gate:
        assert await gate.load(account()) == Present("org_a", 1, 1)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/0 cannot be reached"):
        await Gate.connect()


async def test_many_tasks__each_gets_the_own_answer(gate: Gate) -> None:
    """500 senders at once, a fifth of which gives back."""
    await gate.load(account("org_big", 1_000_000))

    async def send(number: int) -> int:
        held = await gate.reserve("org_big", number, hold_id=f"eml_{number}")
        assert isinstance(held, Reserved)
        assert (held.hold_id, held.credits) == (f"eml_{number}", number)
        if number % 5 == 0:
            released = await gate.release(held)
            assert isinstance(released, Released)
            assert released.returned == number
            return 0
        done = await gate.commit(held)
        assert isinstance(done, Committed)
        assert (done.id, done.spent) == (held.hold_id, number)
        return number

    spent = await asyncio.gather(*(send(number) for number in range(1, 501)))
    seen = await look(gate, "org_big")
    assert (seen.posted, seen.held, seen.open_holds) == (1_000_000 - sum(spent), 0, 0)
    assert sum(spent) == 100_000  # 1 + … + 500 without the multiples of 5


# -- cancelling


async def made_ids_settled(gate: Gate) -> list[str]:
    keys = gate.caller.keys_of("org_a")
    found = []
    for key in (keys.settled_even, keys.settled_odd):
        found += await gate.caller.transport.execute("HKEYS", key)
    return [id.decode() for id in found if id.startswith(b"hld_")]


async def test_cancelled_reserve__with_a_made_id_is_released(gate: Gate) -> None:
    task = asyncio.create_task(gate.reserve("org_a", 10))
    await written(gate, task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gate.caller.transport.execute("PING")
    seen = await look(gate)
    assert (seen.held, seen.open_holds, seen.available) == (0, 0, 1000)
    (id,) = await made_ids_settled(gate)
    released = await gate.release(HoldRef("org_a", id, 10))
    assert released == Released("org_a", id, 10, "released", replayed=True), "it had been open"


async def test_cancelled_reserve__in_the_turn_in_which_it_was_answered_is_released(
    gate: Gate,
) -> None:
    """The answer is there, and its receiver is not: nobody else would ever settle the hold."""
    transport = gate.caller.transport
    cancelled = 0
    for _ in range(50):
        before = transport.execute("PING")
        task = asyncio.create_task(gate.reserve("org_a", 10))
        before.add_done_callback(lambda _, task=task: task.cancel())
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1
    await transport.execute("PING")
    assert cancelled
    assert (await look(gate)).held == 10 * (50 - cancelled)


async def test_cancelled_reserve__with_the_callers_id_stays_and_can_be_asked_again(
    gate: Gate,
) -> None:
    reserve = asyncio.create_task(gate.reserve("org_a", 10, hold_id="eml_1"))
    await written(gate, reserve)
    reserve.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reserve
    await gate.caller.transport.execute("PING")
    assert (await look(gate)).held == 10
    again = await gate.reserve("org_a", 10, hold_id="eml_1")
    assert isinstance(again, Reserved)
    assert again.replayed


async def test_cancelled_commit__may_have_happened_and_is_asked_again(gate: Gate) -> None:
    held = await gate.reserve("org_a", 10, hold_id="eml_1")
    assert isinstance(held, Reserved)
    commit = asyncio.create_task(gate.commit(held))
    await written(gate, commit)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    again = await gate.commit(held)
    assert isinstance(again, Committed)
    assert (again.spent, again.replayed) == (10, True)
    assert (await look(gate)).posted == 990


async def test_new_id__is_unique_and_sorts_by_time() -> None:
    ids = [new_id("hld") for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [id[:12] for id in ids] == sorted(id[:12] for id in ids)  # its milliseconds
