"""Grants, debt, warnings, periods and status, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.oracle import NEVER, Account, Change, Coming, Grant, Terms
from tests.support.lua import START_MS, Refused

if TYPE_CHECKING:
    from tests.support.lua import Verbs

DAY = 86_400_000
MAX = 2**52


def purchased(credits: int, expires_at: int = NEVER) -> Change:
    return Change("credit_purchased", "purchased", credits, expires_at)


def amounts(verbs: Verbs) -> list[tuple[str, str, int]]:
    """The legs of the last delta: entry, source, amount."""
    return [(leg.entry, leg.source, leg.amount) for leg in verbs.journal()[-1].legs]


def test_grants_burn_by_expiry_then_rollover_base_purchased(verbs: Verbs) -> None:
    end = START_MS + 10 * DAY
    grants = [
        Grant("purchased", 1),
        Grant("base", 2),
        Grant("rollover", 4),
        Grant("purchased", 8, START_MS + DAY),
        Grant("purchased", 16, end),
    ]
    verbs.load(Account(ends_at=end, grants=grants, terms=Terms(overage_limit=32)))
    verbs.spend("x", 31 + 32)
    assert amounts(verbs) == [
        ("email_sent", "purchased", -8),
        ("email_sent", "rollover", -4),
        ("email_sent", "base", -2),
        ("email_sent", "purchased", -16),
        ("email_sent", "purchased", -1),
        ("email_sent", "overage", -32),
    ]


def test_grants_of_equal_kind_and_day_merge(verbs: Verbs) -> None:
    verbs.load(Account())
    day = START_MS - START_MS % DAY + DAY
    for number, expires_at in enumerate([day, day + 5, day + DAY - 1, day + DAY, NEVER, NEVER]):
        verbs.apply(f"op{number}", changes=[purchased(10, expires_at)])
    assert verbs.grants() == [
        Grant("purchased", 30, day + DAY - 1),
        Grant("purchased", 10, day + DAY),
        Grant("purchased", 20, NEVER),
    ]


def test_the_17th_grant_is_refused(verbs: Verbs) -> None:
    verbs.load(Account())
    days = [purchased(1, START_MS + day * DAY) for day in range(1, 18)]
    verbs.apply("op1", changes=days[:16])
    before = verbs.dump()
    with pytest.raises(Refused, match="GATE_BADARG changes at most 16 grants"):
        verbs.apply("op2", changes=days[16:])
    assert verbs.dump() == before
    assert verbs.apply("op2", changes=[purchased(1, START_MS + DAY)])[0] == "applied"
    swapped = [Change("refund", "", -2), days[16]]
    assert verbs.apply("op3", changes=swapped)[0] == "applied"


def test_sixteen_packs_do_not_stop_a_turn(verbs: Verbs) -> None:
    packs = [Grant("purchased", 1, START_MS + day * DAY) for day in range(1, 17)]
    coming = [Coming(2, START_MS + 30 * DAY, 100)]
    verbs.load(Account(grants=packs, ends_at=START_MS + 1, coming=coming))
    verbs.wait(1)
    assert verbs.touch() == ("touched", 116, 2, 1)
    assert len(verbs.grants()) == 17


def test_credits_up_to_2_to_the_52_are_exact(verbs: Verbs) -> None:
    verbs.load(Account(terms=Terms(max_debt=MAX)))
    verbs.apply("op1", changes=[purchased(MAX - 1)])
    assert verbs.spend("a", 1, cost=0)[3] == MAX - 2
    assert verbs.apply("op2", changes=[purchased(2)])[1] == MAX
    with pytest.raises(Refused, match="GATE_BADARG credits"):
        verbs.apply("op3", changes=[purchased(1)])
    with pytest.raises(Refused, match="GATE_BADARG credits"):
        verbs.reserve("big", MAX + 1, cost=0)
    assert verbs.reserve("big", MAX, cost=0)[1:4:2] == (MAX, 0)
    assert verbs.peek(1)["held"] == MAX
    assert verbs.commit("big")[1:4] == (MAX, 0, 0)
    assert verbs.journal()[-1].legs[0].amount == -MAX


def test_i1_a_commit_that_goes_into_debt_and_the_credits_that_pay_it(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", 10)], terms=Terms(overage_limit=5)))
    verbs.reserve("x", 15)
    assert verbs.commit("x", 40)[3] == -30
    assert amounts(verbs) == [
        ("email_sent", "purchased", -10),
        ("email_sent", "overage", -5),
        ("email_sent", "debt", -25),
    ]
    assert verbs.reserve("y", 1) == ("insufficient", 0, 1, -1)
    verbs.apply("op1", changes=[purchased(20)])
    assert amounts(verbs) == [("credit_purchased", "debt", 20)]
    verbs.apply("op2", changes=[purchased(20)])
    assert amounts(verbs) == [
        ("credit_purchased", "debt", 5),
        ("credit_purchased", "purchased", 15),
    ]
    assert verbs.peek(1)["available"] == 15


def test_deep_debt_freezes(verbs: Verbs) -> None:
    verbs.load(Account(terms=Terms(max_debt=10)))
    verbs.commit("a", 10)
    assert verbs.peek(1)["status"] == "active"
    verbs.commit("b", 1)
    assert verbs.journal()[-1].flags == {"late", "unknown", "frozen"}
    assert verbs.reserve("x", 1) == ("inactive", "frozen", "debt")
    assert verbs.commit("c", 1)[0] == "committed"
    assert verbs.journal()[-1].flags == {"late", "unknown"}


def test_i7_warnings_once_each_several_at_once_and_anew_after_a_turn(verbs: Verbs) -> None:
    verbs.load(
        Account(
            grants=[Grant("base", 100), Grant("purchased", 1_000)],
            warn_basis=100,
            ends_at=START_MS + DAY,
            coming=[Coming(2, START_MS + 2 * DAY, 200)],
        )
    )

    def warned(id: str, credits: int) -> list[int]:
        verbs.spend(id, credits)
        return [leg.amount for leg in verbs.journal()[-1].legs if leg.entry == "warning"]

    assert warned("a", 79) == []
    assert warned("b", 1) == [80]
    assert warned("c", 19) == []
    assert warned("d", 1) == [100]
    assert warned("e", 500) == []
    verbs.wait(DAY)
    assert warned("f", 159) == []
    assert warned("g", 41) == [80, 100]


def test_i7_new_terms_do_not_warn_again(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("base", 100)], warn_basis=100))
    verbs.spend("a", 80)
    verbs.apply("op1", terms=Terms(warn_percents=(50, 80, 90)))
    verbs.spend("b", 1)
    assert [leg.entry for leg in verbs.journal()[-1].legs] == ["email_sent"]
    verbs.spend("c", 9)
    assert amounts(verbs)[-1] == ("warning", "", 90)


def test_a_hold_open_across_a_turn_at_the_rollover_cap(verbs: Verbs) -> None:
    verbs.load(
        Account(
            grants=[Grant("base", 100), Grant("purchased", 5)],
            terms=Terms(max_rollover=30),
            ends_at=START_MS + 1_000,
            coming=[Coming(2, START_MS + DAY, 50)],
        )
    )
    verbs.reserve("x", 100)
    verbs.wait(1_000)
    peek = verbs.peek(1)
    assert (peek["held"], peek["posted"], peek["available"]) == (100, 85, 0)
    assert verbs.commit("x", 85) == ("committed", 85, 15, 0, 2, 0, 0)
    assert amounts(verbs) == [
        ("turn", "", 0),
        ("period_reset", "base", -100),
        ("rollover_applied", "rollover", 30),
        ("period_reset", "base", 50),
        ("email_sent", "rollover", -30),
        ("email_sent", "base", -50),
        ("email_sent", "purchased", -5),
        ("warning", "", 80),
        ("warning", "", 100),
    ]


def test_i2_a_plan_lowered_below_its_overage(verbs: Verbs) -> None:
    terms = Terms(overage_limit=100)
    verbs.load(Account(grants=[Grant("purchased", 10)], terms=terms))
    verbs.spend("a", 60)
    verbs.apply("op1", terms=replace(terms, overage_limit=20))
    peek = verbs.peek(1)
    assert (peek["overage"], peek["debt"], peek["available"]) == (50, 0, 0)
    assert verbs.reserve("x", 1)[0] == "insufficient"
    verbs.commit("late", 5)
    assert amounts(verbs) == [("email_sent", "debt", -5)]
    verbs.apply("op2", changes=[purchased(8)])
    assert verbs.peek(1)["available"] == 3


def test_i9_a_scheduled_downgrade_while_nothing_else_runs(verbs: Verbs) -> None:
    small = Terms(config_version=2, rate_per_second=1, burst=1, max_open_holds=1)
    verbs.load(
        Account(
            grants=[Grant("base", 100)],
            overage=3,
            terms=Terms(overage_limit=10),
            ends_at=START_MS + 1_000,
            coming=[
                Coming(2, START_MS + 2_000, 20, terms=small),
                Coming(3, START_MS + 3_000, 20),
            ],
        )
    )
    verbs.wait(2_500)
    assert verbs.reserve("x", 21) == ("insufficient", 20, 21, 500)
    delta = verbs.journal()[-1]
    assert delta.kind == "advanced"
    assert [
        (leg.entry, leg.source, leg.amount, leg.period_no, leg.config_version) for leg in delta.legs
    ] == [
        ("turn", "", 0, 1, 1),
        ("period_reset", "overage", 3, 1, 1),
        ("period_reset", "base", -100, 1, 1),
        ("period_reset", "base", 20, 2, 2),
        ("turn", "", 0, 2, 2),
        ("period_reset", "base", -20, 2, 2),
        ("period_reset", "base", 20, 3, 2),
    ]
    assert verbs.touch() == ("touched", 20, 2, 0)
    assert verbs.reserve("x", 2)[:2] == ("reserved", 2)
    assert verbs.reserve("y", 2)[:2] == ("throttled", "open_holds")
    verbs.wait(500)
    assert verbs.reserve("z", 1) == ("inactive", "period_unknown", "")
    assert verbs.commit("x")[0] == "committed"


def test_a_scheduled_cancellation(verbs: Verbs) -> None:
    end = START_MS + 1_000
    verbs.load(Account(grants=[Grant("base", 9), Grant("purchased", 4)], ends_at=end))
    verbs.apply("cancel", coming=[Coming(2, end, 0, "cancelled")])
    verbs.reserve("x", 3)
    verbs.wait(1_000)
    assert verbs.reserve("y", 1) == ("inactive", "cancelled", "")
    assert verbs.commit("x")[:4] == ("committed", 3, 0, 1)


def test_cancelled_admits_until_the_end_of_its_period(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("base", 9)], status="cancelled", ends_at=START_MS + 1_000))
    verbs.wait(999)
    assert verbs.reserve("x", 1)[0] == "reserved"
    verbs.wait(1)
    assert verbs.reserve("y", 1) == ("inactive", "cancelled", "")


def test_past_due_admits_during_grace(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("base", 9)]))
    verbs.apply("op1", status="past_due")
    assert verbs.reserve("a", 1) == ("inactive", "past_due", "grace_ended")
    verbs.apply("op2", grace_until=START_MS + 1_000)
    verbs.wait(999)
    assert verbs.reserve("b", 1)[0] == "reserved"
    verbs.wait(1)
    assert verbs.reserve("c", 1) == ("inactive", "past_due", "grace_ended")
    assert verbs.commit("b")[0] == "committed"
    verbs.apply("op3", status="paused")
    assert verbs.reserve("d", 1) == ("inactive", "paused", "")


def test_operations_take_back_and_count_once(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("base", 10), Grant("purchased", 10, START_MS + DAY)]))
    take = Change("refund", "", -25, rest_to_debt=True)
    assert verbs.apply("op1", changes=[take]) == ("applied", -5, 2, 25, 0)
    assert amounts(verbs) == [
        ("refund", "purchased", -10),
        ("refund", "base", -10),
        ("refund", "debt", -5),
    ]
    before = verbs.dump()
    assert verbs.apply("op1", changes=[take]) == ("applied", -5, 2, 25, 1)
    assert verbs.apply("op2", period_no=9, changes=[take]) == ("stale", 1)
    assert verbs.dump() == before
    assert verbs.apply("op3", changes=[replace(take, rest_to_debt=False)])[3] == 0


def test_retire_and_load_keep_holds_and_ids(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", 100)]))
    verbs.reserve("open", 10)
    verbs.spend("spent", 5)
    assert verbs.load(Account(epoch=2)) == ("present", 1, 2)
    assert verbs.retire(1) == ("retired", 95, 3)
    assert verbs.commit("open") == ("not_loaded",)
    assert verbs.load(Account(epoch=2, seq=3, grants=[Grant("purchased", 95)])) == (
        "loaded",
        95,
        4,
    )
    assert verbs.retire(1) == ("newer", 2)
    assert verbs.peek(1)["available"] == 85
    assert verbs.spend("spent", 5)[-1] == 1
    assert verbs.commit("open")[:3] == ("committed", 10, 0)


def test_i1_audit_corrects_held(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", 100)]))
    verbs.reserve("a", 10)
    verbs.reserve("b", 20)
    assert verbs.audit() == ("audited", 30, 2, 30, 2)
    verbs.redis.zrem(verbs.keys.holds, "a")
    assert verbs.audit() == ("audited", 20, 1, 30, 2)
    delta = verbs.journal()[-1]
    assert (delta.kind, delta.held) == ("audited", 20)
    assert amounts(verbs) == [("audit", "", -10)]


def test_a_denial_that_finds_nothing_to_sweep_writes_nothing(verbs: Verbs) -> None:
    """The account may remember the expiry of a hold that was settled since."""
    verbs.load(Account(grants=[Grant("purchased", 2)]))
    verbs.reserve("a", 1, 5_000)
    verbs.reserve("c", 1, 1_000)
    verbs.commit("c")
    verbs.wait(4_999)
    before = verbs.dump()
    assert verbs.reserve("b", 1) == ("insufficient", 0, 1, 251)
    assert verbs.dump() == before
