"""A pause stops the period; resumed, it goes on as much later as it was paused for, in days."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from gate.domain.errors import BadArgument
from gate.domain.subscriptions.changing import change_plan
from gate.domain.subscriptions.ending import cancel_at_end, cancel_now
from gate.domain.subscriptions.pausing import pause, resume
from gate.domain.subscriptions.states import Refused
from tests.billing.world import BERLIN, World, anchored, plan, utc

SMALL = plan("Small", 3_100, "31.00")
BIG = plan("Big", 6_200, "93.00")
YEAR = plan("Year", 3_100, "365.00", cycle="annual")
BIG_YEAR = plan("Big year", 6_200, "730.00", cycle="annual")


@pytest.mark.parametrize(
    ("day", "zone", "began", "paused", "resumed", "ends", "later"),
    [
        (1, "UTC", "03-01", "03-10T10:00", "03-20T10:00", "04-11", "05-11"),
        # Less than half a day moves nothing, half a day counts as one.
        (1, "UTC", "03-01", "03-10T10:00", "03-10T21:59:59", "04-01", "05-01"),
        (1, "UTC", "03-01", "03-10T10:00", "03-10T22:00", "04-02", "05-02"),
        # Resumed after its end had come, it is not over at once.
        (1, "UTC", "03-01", "03-31T20:00", "04-01T02:00", "04-02", "05-02"),
        (1, "UTC", "03-01", "03-31T23:59:59", "10-31", "11-01", "12-01"),
        # The anchor moves with the end only if that moves.
        (31, "UTC", "01-31", "02-10", "02-10T01:00", "02-28", "03-31"),
        (31, "UTC", "01-31", "02-10", "02-13", "03-03", "04-03"),
        # Days by the clocks there, be they of 23 or of 25 hours.
        (1, BERLIN, "02-28T23:00", "03-28T12:00", "03-29T12:00", "04-01T22:00", "05-01T22:00"),
        (28, BERLIN, "03-27T23:00", "04-10", "10-10", "10-27T23:00", "11-27T23:00"),
    ],
)
def test_resume__moves_the_end_by_whole_days(
    day: int, zone: str, began: str, paused: str, resumed: str, ends: str, later: str
) -> None:
    began, paused, resumed, ends, later = (
        f"2026-{one}" for one in (began, paused, resumed, ends, later)
    )
    w = World(utc(began))
    w.begin_on(SMALL, anchored(day, zone))
    w.go(paused)
    w.spend(1_000)
    w.do(pause)
    assert not w.admits()
    w.go(resumed)
    assert (w.left("base"), w.view().period_no) == (2_100, 1)
    w.do(resume)
    assert w.admits()
    assert w.left("base") == 2_100
    assert w.view().ends_at == utc(ends)
    w.go(ends)
    assert w.view().ends_at == utc(later)
    assert [str(one.total_amount) for one in w.invoices] == ["31.00"]


def test_pauses__many_short_ones_move_no_more_than_one_long_one() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    for _ in range(28):
        w.do(pause)
        w.go(timedelta(hours=8))
        w.do(resume)
        w.go(timedelta(hours=16))
    assert w.view().ends_at == utc("2026-04-10")  # 28 × 8 hours are 9 days and 8 hours
    w.go("2026-04-10")
    w.do(pause)
    w.go(timedelta(hours=5))
    w.do(resume)
    assert w.view().ends_at == utc("2026-05-10")  # a new period counts for itself


def test_pause__does_not_make_the_rest_of_the_period_smaller() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-03-11")
    w.do(pause)
    w.go("2026-04-10")
    w.do(resume)
    preview = w.do(change_plan, BIG).preview
    assert (preview.credits, preview.money) == (2_100, Decimal("42.00"))  # 21 of 31 days


def test_pause__of_a_year_moves_the_year() -> None:
    w = World(utc("2026-01-01"))
    w.begin_on(YEAR)
    w.go("2026-01-31")
    w.do(pause)
    w.go("2026-03-02")
    w.do(resume)
    assert w.view().ends_at == utc("2026-03-03")
    preview = w.do(change_plan, BIG_YEAR).preview
    # A day, and eleven months from 3 March on: 338 of 365 days, at 365.00 more a year.
    assert preview.money == Decimal("338.00")
    w.go("2027-03-03")
    assert [one.period.period_no for one in w.invoices if one.total_amount] == [1, 13]


def test_pause__keeps_what_is_scheduled() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(BIG)
    w.do(change_plan, SMALL)
    w.do(pause)
    w.go("2026-06-01")
    assert w.view().period_no == 1
    w.do(resume)
    w.go("2026-07-02")
    assert w.left("base") == 3_100
    w.do(cancel_at_end)
    w.do(pause)
    w.go("2026-12-01")
    w.do(resume)
    w.go("2027-01-10")
    assert w.view().status == "cancelled"


def test_pause__is_no_way_to_a_second_one() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(pause)
    for use_case in (pause, change_plan, cancel_at_end):
        with pytest.raises(Refused):
            w.do(use_case, *((BIG,) if use_case is change_plan else ()))
    with pytest.raises(BadArgument):
        w.do(resume, at=w.at - timedelta(seconds=1))


def test_pause__can_be_cancelled_and_gives_back_what_was_left_then() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-03-11")
    w.do(pause)
    w.go("2026-09-01")
    preview = w.do(cancel_now).preview
    assert preview.money == Decimal("-21.00")
    assert w.gate.account.posted == 0
    assert w.invoices[0].total_amount == Decimal("10.00")


def test_pause__lets_open_holds_settle() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.gate.reserve("hld", 100, 86_400_000)
    w.do(pause)
    assert w.gate.commit("hld", 100)[0] == "committed"
    assert w.spend(1) == "inactive"
    assert w.left("base") == 3_000
