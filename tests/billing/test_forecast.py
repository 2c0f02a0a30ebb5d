"""The day on which credits run out."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.errors import BadArgument
from gate.domain.forecast import DAYS, Forecast, forecast
from tests.billing.world import utc
from tests.property.profile import profile

NOW = utc("2026-03-29T12:00")
TODAY = NOW.date()
DAY = timedelta(days=1)


def each_day(credits: int, days: int = DAYS) -> dict[date, int]:
    return {TODAY - ago * DAY: credits for ago in range(1, days + 1)}


@pytest.mark.parametrize(
    ("used", "available", "more", "runs_out", "per_day"),
    [
        (each_day(100), 1_000, {}, "2026-04-08", 100),
        (each_day(100), 0, {}, "2026-03-29", 100),
        ({}, 0, {}, "2026-03-29", 0),
        (each_day(100), 49, {}, "2026-03-29", 100),
        (each_day(100), 50, {}, "2026-03-30", 100),  # the rest of today is half a day
        ({}, 1_000, {}, None, 0),
        (each_day(0), 1_000, {}, None, 0),
        (each_day(1), 3_651, {}, None, 1),
        (each_day(1), 3_650, {}, "2036-03-26", 1),
        # Today does not count, and what is older than four weeks neither.
        ({TODAY: 10**6, TODAY - 29 * DAY: 10**6}, 10, {}, None, 0),
        # A week's worth a week ago weighs 3 of 10, the same of the last week 4 of 10.
        ({TODAY - 10 * DAY: 700}, 300, {}, "2026-04-08", 30),
        ({TODAY - 3 * DAY: 700}, 300, {}, "2026-04-06", 40),
        # An organization of two days.
        (each_day(100, 2), 1_000, {"since": TODAY - 2 * DAY}, "2026-04-08", 100),
        (each_day(100, 2), 1_000, {}, "2026-06-25", 12),
        ({}, 1_000, {"since": TODAY}, None, 0),
        # Renewed before.
        (each_day(100), 1_000, {"renews_at": utc("2026-04-08T12:00")}, None, 100),
        (each_day(100), 1_000, {"renews_at": utc("2026-04-08T12:01")}, "2026-04-08", 100),
        (each_day(100), 0, {"renews_at": utc("2026-03-30")}, "2026-03-29", 100),
    ],
)
def test_forecast__cases(
    used: dict[date, int], available: int, more: dict[str, Any], runs_out: str | None, per_day: int
) -> None:
    day = None if runs_out is None else date.fromisoformat(runs_out)
    assert forecast(used, available, NOW, **more) == Forecast(day, per_day)


@pytest.mark.parametrize("weekday", range(7))
def test_forecast__a_weekly_newsletter_weighs_the_same_on_every_day(weekday: int) -> None:
    now = NOW + weekday * DAY
    mondays = {
        TODAY - days * DAY: 7_000 for days in range(-7, 60) if (TODAY - days * DAY).weekday() == 0
    }
    assert forecast(mondays, 10_000, now).credits_per_day == 1_000


@pytest.mark.parametrize("used", [{TODAY - DAY: -1}, {TODAY - DAY: 1.5}])
def test_forecast__refuses(used: dict[date, Any]) -> None:
    with pytest.raises(BadArgument):
        forecast(used, 10, NOW)
    with pytest.raises(BadArgument):
        forecast({}, -1, NOW)
    with pytest.raises(BadArgument):
        forecast({}, 1, NOW.replace(tzinfo=None))


@profile(50)
@given(st.lists(st.integers(0, 10**6), min_size=DAYS, max_size=DAYS), st.integers(1, 10**8))
def test_forecast__is_that_of_a_customer_who_goes_on_like_that(
    days: list[int], available: int
) -> None:
    used = {TODAY - ago * DAY: credits for ago, credits in enumerate(days, start=1)}
    weights = [4] * 7 + [3] * 7 + [2] * 7 + [1] * 7
    rate = Fraction(sum(w * c for w, c in zip(weights, days, strict=True)), sum(weights))
    found = forecast(used, available, NOW)
    if found.runs_out_on is None:
        assert available > 3_650 * rate
        return
    ahead = (found.runs_out_on - TODAY).days
    # Half of today is left: up to that day's begin it lasts, up to its end it does not.
    assert rate * (ahead + Fraction(1, 2)) > available or rate * (ahead + 1) >= available
    assert ahead == 0 or rate * (ahead - Fraction(1, 2)) <= available
