"""When billing periods begin and end. Pure: nothing here looks at a clock.

Period 1 begins at `first_start`. Every later period begins at an *anchor instant*: once a month,
on the anchor's day and time in its timezone, or on the last day of a month that lacks the day.
Boundaries are counted from `first_start`, never from one another, so nothing drifts: 31 Jan,
28 Feb, 31 Mar. The first boundary is the first anchor instant after `first_start`; if that is
not an anchor instant itself, period 1 is shorter than a month.

An anchor instant is the first instant at which clocks there show the anchor's time or later. So
a time that clocks show twice counts the first time, and one that they skip is the instant of the
skip: 02:30 becomes 03:00 when they go from 02:00 to 03:00, and 30 December 2011, a day that
Samoa left out, becomes 31 December, 00:00.

Instants are taken in any timezone, cut to whole milliseconds as on the way to Redis, and returned
in UTC. A change of a zone's rules moves boundaries: what was written down before it stays true.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import cache
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from gate.domain.accounts import COMING_MAX, ComingPeriod, Status, Terms
from gate.domain.errors import BadArgument
from gate.domain.limits import check_whole

Cycle = Literal["monthly", "annual"]
CYCLES: tuple[Cycle, ...] = get_args(Cycle)

PERIODS_MAX = 1_200
"""Periods of one subscription: a century of months."""

_MONTHS_OF: dict[Cycle, int] = {"monthly": 1, "annual": 12}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_LATE = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The `day` of the month (1 to 31) and local `time` (whole milliseconds) on which periods
    begin, by the clocks of `timezone` (an IANA name). Raises BadArgument."""

    day: int
    timezone: str
    time: time_of_day = time_of_day()

    def __post_init__(self) -> None:
        check_whole("day", self.day, 1, 31)
        _check_timezone(self.timezone)
        time: object = self.time
        if (
            not isinstance(time, time_of_day)
            or time.tzinfo is not None
            or time.microsecond % 1000 != 0
        ):
            raise BadArgument("time", time, "a time without timezone, in whole milliseconds")


class Period(NamedTuple):
    """Period `number` (from 1), from `starts_at` until just before `ends_at`, both in UTC."""

    number: int
    starts_at: datetime
    ends_at: datetime


class BillingPeriod(NamedTuple):
    """What one payment is for: the `number`-th (from 1), for the periods from `first_period_no`
    to `last_period_no`, both included."""

    number: int
    first_period_no: int
    last_period_no: int


def period_boundary(anchor: Anchor, first_start: datetime, months: int) -> datetime:
    """The instant, in UTC, at which period `months` ends and the next begins; 0: `first_start`.

    Raises BadArgument: `first_start` naive or not in 1970 to 2199, `months` not in 0 to 1,200.
    """
    first = _instant("first_start", first_start)
    check_whole("months", months, 0, PERIODS_MAX)
    return _boundary(anchor, first, months)


def period_containing(anchor: Anchor, first_start: datetime, instant: datetime) -> Period:
    """The period in which `instant` lies; a boundary lies in the period that it begins.

    Raises BadArgument: either instant naive or not in 1970 to 2199, `instant` before
    `first_start` or past period 1,200.
    """
    first = _instant("first_start", first_start)
    now = _instant("instant", instant)
    number = _next_month(anchor, now) - _next_month(anchor, first) + 1
    if now < first or number > PERIODS_MAX:
        raise BadArgument("instant", instant, f"from first_start on, for {PERIODS_MAX:,} months")
    return Period(number, _boundary(anchor, first, number - 1), _boundary(anchor, first, number))


def coming_periods(
    anchor: Anchor,
    first_start: datetime,
    after_period_no: int,
    count: int,
    allowance: int,
    *,
    status: Status | None = None,
    terms: Terms | None = None,
) -> list[ComingPeriod]:
    """The `count` periods (at most 8) after `after_period_no`, each with `allowance` credits.

    `status` and `terms` begin with the first of them and stay in force. `after_period_no` 0:
    from period 1, for a subscription that has not begun. Raises BadArgument, also past period
    1,200.
    """
    first = _instant("first_start", first_start)
    check_whole("count", count, 0, COMING_MAX)
    check_whole("after_period_no", after_period_no, 0, PERIODS_MAX - count)
    begins = after_period_no + 1
    return [
        ComingPeriod(
            period_no=number,
            ends_at=_boundary(anchor, first, number),
            allowance=allowance,
            status=status if number == begins else None,
            terms=terms if number == begins else None,
        )
        for number in range(begins, begins + count)
    ]


def billing_period_of(period_no: int, cycle: Cycle) -> BillingPeriod:
    """The payment that covers period `period_no` (from 1): of that month alone, or of the year of
    twelve periods it belongs to. Raises BadArgument."""
    check_whole("period_no", period_no, 1, PERIODS_MAX)
    if cycle not in CYCLES:
        raise BadArgument("cycle", cycle, f"one of {', '.join(CYCLES)}")
    months = _MONTHS_OF[cycle]
    number = (period_no - 1) // months + 1
    return BillingPeriod(number, (number - 1) * months + 1, number * months)


@cache
def _zone(name: str) -> ZoneInfo:
    # ZoneInfo keeps only the eight zones used last and would read the others' files again.
    return ZoneInfo(name)


def _check_timezone(name: object) -> None:
    # Names in lower case are no zones but this machine's files (`localtime`, `posixrules`), and
    # those under `right/` count leap seconds.
    if isinstance(name, str) and name[:1].isupper():
        try:
            _zone(name)
        except (LookupError, ValueError, OSError):
            pass
        else:
            return
    raise BadArgument("timezone", name, "an IANA name such as Europe/Berlin, known to this machine")


def _instant(field: str, value: object) -> datetime:
    if (
        isinstance(value, datetime)
        and value.utcoffset() is not None
        and _EARLIEST <= value < _TOO_LATE
    ):
        instant = value.astimezone(UTC)
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    raise BadArgument(field, value, "a datetime with a timezone, from 1970 and before 2200")


def _boundary(anchor: Anchor, first: datetime, months: int) -> datetime:
    if months == 0:
        return first
    return _anchor_instant(anchor, _next_month(anchor, first) + months - 1)


def _next_month(anchor: Anchor, instant: datetime) -> int:
    """The month (counted from year 0) of the first anchor instant after `instant`."""
    local = instant.astimezone(_zone(anchor.timezone))
    month = local.year * 12 + local.month - 1
    # At most two steps. Two: St John's put its clocks back at 00:01 on 1 November 2009, so the
    # month before began again when the anchor instant of a 1st had already passed.
    while _anchor_instant(anchor, month) <= instant:
        month += 1
    return month


def _anchor_instant(anchor: Anchor, month: int) -> datetime:
    zone = _zone(anchor.timezone)
    year, month = month // 12, month % 12 + 1
    day = min(anchor.day, monthrange(year, month)[1])
    wall = datetime.combine(date(year, month, day), anchor.time).replace(fold=0)

    def shows(instant: datetime) -> datetime:
        return instant.astimezone(zone).replace(tzinfo=None)

    # Fold 0 is the first of two. In a gap it lies past the skip and fold 1 before it.
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if shows(instant) == wall:
        return instant
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    seconds = range(int((instant - before).total_seconds()))
    past = bisect_left(
        seconds, True, key=lambda second: shows(before + timedelta(seconds=second)) >= wall
    )
    return before + timedelta(seconds=past)
