"""On which day credits run out, from what was used day by day.

The rate is a weighted mean of the last 28 whole days: each day of the newest week counts 4, of the
week before 3, then 2, then 1. Weeks and not days are weighted, so that a newsletter that leaves
every Monday weighs the same whatever today is; and it takes a change of habits in within days. Of
a younger organization only its own days count; on its first day nothing is known, which is never.
Today is not among them: it is not over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final

from gate.domain.instants import instant
from gate.domain.limits import CREDITS_MAX, check_whole

WEEKS: Final = 4
DAYS: Final = 7 * WEEKS
HORIZON_DAYS: Final = 3_650
"""What lasts longer than ten years lasts for good."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`runs_out_on`: the UTC day on which credits run out; None: never at this rate, or not before
    they are renewed. `credits_per_day`: the expected use, rounded up to whole credits."""

    runs_out_on: date | None
    credits_per_day: int


def forecast(
    used: Mapping[date, int],
    available: int,
    at: datetime,
    *,
    since: date | None = None,
    renews_at: datetime | None = None,
) -> Forecast:
    """When `available` credits (0 to 2^52; overage too, if it may be used) run out, seen at `at`.

    `used`: credits by UTC day; a day that is missing is one without use, days out of the last 28
    do not matter. `since`: the organization's first day, if it is not 28 days old. `renews_at`: the
    end of the running period, when the next allowance comes. Nothing left is today, whatever was
    used. Raises BadArgument.
    """
    check_whole("available", available, 0, CREDITS_MAX)
    now = instant("at", at)
    rate = _credits_per_day(used, now.date(), since)
    per_day = -(-rate // 1)
    if available == 0:
        return Forecast(now.date(), per_day)
    if rate == 0 or available / rate > HORIZON_DAYS:
        return Forecast(None, per_day)
    # Whole seconds: a day's credits leave over the day, and so does what is left of today.
    ends = now + timedelta(seconds=int(86_400 * available / rate))
    if renews_at is not None and renews_at <= ends:
        return Forecast(None, per_day)
    return Forecast(ends.date(), per_day)


def _credits_per_day(used: Mapping[date, int], today: date, since: date | None) -> Fraction:
    credits, weights = 0, 0
    for ago in range(1, DAYS + 1):
        day = today - timedelta(days=ago)
        if since is not None and day < since:
            break
        weight = WEEKS - (ago - 1) // 7
        credits += weight * check_whole("used", used.get(day, 0), 0, CREDITS_MAX)
        weights += weight
    return Fraction(credits, weights) if weights else Fraction(0)
