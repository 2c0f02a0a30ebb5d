"""The rate limits in exact arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import Account, Terms
from tests.property.profile import profile
from tests.support.lua import CLOCK, START_MS, pack_account

if TYPE_CHECKING:
    from tests.support.lua import Verbs

PLANS = st.builds(
    Terms,
    rate_per_second=st.sampled_from([1, 7, 50, 333_333, 10**6]),
    burst=st.sampled_from([1, 5, 50, 1_000, 10**6]),
    rate_per_minute=st.sampled_from([0, 0, 1, 7, 600]),
    rate_per_hour=st.sampled_from([0, 0, 1, 100, 36_000]),
    strict_burst=st.booleans(),
)
CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            [0, 0, 1, 999, 1_000, 20_000, 142_857, 1_000_000, 9_999_999, 3_600_000_001]
        ),
        st.sampled_from([1, 1, 2, 5, 7, 50, 600, 1_001, 10**9]),
    ),
    min_size=5,
    max_size=40,
)


def limits(plan: Terms) -> list[tuple[int, int, int, int]]:
    """Of each limit: rate, burst, ticks of its unit, microseconds of a tick."""
    found = [(plan.rate_per_second, plan.burst, 1_000_000, 1)]
    for rate, unit in ((plan.rate_per_minute, 60_000), (plan.rate_per_hour, 3_600_000)):
        if rate:
            found.append((rate, rate, unit, 1_000))
    return found


def run(verbs: Verbs, plan: Terms, calls: list[tuple[int, int]]) -> list[tuple]:
    """The answers of pace, by the instants and costs of `calls`."""
    scripts = [verbs.script(name) for name in ("load", "pace")]
    pipe = verbs.redis.pipeline(transaction=False)
    pipe.flushdb()
    for script in scripts:
        pipe.script_load(script.source)
    pipe.set(CLOCK, START_MS * 1000)
    pipe.execute_command(*verbs.command("load", pack_account(Account(terms=plan))))
    skip = len(pipe)
    for instant, cost in calls:
        pipe.set(CLOCK, instant)
        pipe.execute_command(*verbs.command("pace", cost))
    answers = pipe.execute()[skip + 1 :: 2]
    return [verbs.answer("pace", answer) for answer in answers]


@profile(300)
@given(plan=PLANS, steps=CALLS)
def test_i6_no_window_passes_more_than_burst_the_largest_call_and_its_time(
    verbs: Verbs, plan: Terms, steps: list[tuple[int, int]]
) -> None:
    instant, calls = START_MS * 1000, []
    for us, cost in steps:
        instant += us
        calls.append((instant, cost))
    answers = run(verbs, plan, calls)
    passed = [call for call, answer in zip(calls, answers, strict=True) if answer[0] == "paced"]
    for rate, burst, unit, tick_us in limits(plan):
        for first, (begin, _) in enumerate(passed):
            total, largest = 0, 0
            for end, cost in passed[first:]:
                total, largest = total + cost, max(largest, cost)
                ticks = end // tick_us - begin // tick_us
                above = largest if largest > burst else 0
                assert (total - burst - above) * unit <= rate * ticks, (plan, passed)


@profile(150)
@given(plan=PLANS, steps=CALLS)
def test_i6_a_throttled_call_passes_after_its_wait_and_not_before(
    verbs: Verbs, plan: Terms, steps: list[tuple[int, int]]
) -> None:
    instant, calls = START_MS * 1000, []
    for us, cost in steps:
        instant += us
        calls.append((instant, cost))
    for number, (call, answer) in enumerate(zip(calls, run(verbs, plan, calls), strict=True)):
        if answer[0] != "throttled":
            continue
        instant, cost = call
        before = calls[:number]
        if answer[2] == -1:
            assert plan.strict_burst
            assert cost > plan.burst
            assert run(verbs, plan, [*before, (instant + 10**13, cost)])[-1] == (
                *answer[:4],
                plan.burst,
            )
            return
        wait = answer[2] * 1_000
        if instant + wait >= 2**52:  # beyond what the clock of Lua can tell apart
            return
        assert run(verbs, plan, [*before, (instant + wait, cost)])[-1][0] == "paced"
        early = run(verbs, plan, [*before, (instant + wait - 1_000, cost)])[-1]
        assert early[0] == "throttled"
        return


def test_the_clock_is_the_tests(verbs: Verbs) -> None:
    """The harness would otherwise measure the machine."""
    assert b"TIME" not in verbs.script("pace").source
    assert isinstance(verbs.redis, redis.Redis)
