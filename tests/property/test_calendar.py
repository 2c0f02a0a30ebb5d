"""The calendar against one that only reads clocks, minute by minute, in the strangest zones."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gate.domain.accounts import COMING_MAX, check_coming
from gate.domain.calendar import (
    PERIODS_MAX,
    Anchor,
    Period,
    billing_period_of,
    coming_periods,
    period_boundary,
    period_containing,
)
from tests.property.profile import profile

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",  # winter time is the exception there
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",  # changed at midnight
    "America/St_Johns",  # changed at 00:01
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",  # changes twice more, by the moon
    "Africa/Monrovia",  # 44 min 30 s off until 1972
    "Antarctica/Troll",  # changes by two hours
    "Asia/Kathmandu",  # a quarter of an hour off
    "Asia/Tehran",
    "Australia/Lord_Howe",  # changes by half an hour
    "Pacific/Apia",  # left out 30 December 2011
    "Pacific/Kiritimati",  # left out a day at the turn to 1995
]
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MS = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPAN_MS = (datetime(2100, 12, 31, tzinfo=UTC) - EPOCH) // MS


YEARS_OF_CHANGE = (1971, 1972, 1994, 1995, 2009, 2010, 2011, 2018, 2025)


def changes(zone: str) -> list[datetime]:
    """The instants, to the hour before, at which the clocks of `zone` changed in some years."""
    info, found = ZoneInfo(zone), []
    for year in YEARS_OF_CHANGE:
        days = [datetime(year, 1, 1, tzinfo=UTC) + n * 24 * HOUR for n in range(366)]
        offsets = [day.astimezone(info).utcoffset() for day in days]
        for day, (before, after) in zip(days, pairwise(offsets), strict=False):
            if before != after:
                hours = [day + n * HOUR for n in range(25)]
                later = [h for h in hours if h.astimezone(info).utcoffset() != before]
                found.append(later[0] - HOUR)
    return found


CHANGES = {zone: found for zone in ZONES if (found := changes(zone))}
TIMES = st.one_of(
    st.sampled_from([time(), time(0, 0, 30), time(1, 30), time(2), time(2, 30), time(23, 59)]),
    st.builds(
        time,
        st.integers(0, 23),
        st.integers(0, 59),
        st.integers(0, 59),
        st.integers(0, 999).map(lambda ms: ms * 1000),
    ),
)
DAYS = st.one_of(st.sampled_from([1, 28, 29, 30, 31]), st.integers(1, 31))
ANCHORS = st.builds(Anchor, DAYS, st.sampled_from(ZONES), TIMES)
INSTANTS = st.integers(0, SPAN_MS).map(lambda ms: EPOCH + ms * MS)


@st.composite
def at_a_change(draw: st.DrawFn) -> tuple[Anchor, datetime]:
    """An anchor on a time around a change of its clocks, and a start within 70 days of that."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone]))
    shown = change.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    shown += draw(st.integers(-240, 300)) * MINUTE
    anchor = Anchor(shown.day, zone, shown.time())
    start = change + draw(st.one_of(st.integers(-180, 180), st.integers(-100_000, 1_000))) * MINUTE
    return anchor, max(start, EPOCH)


@st.composite
def at_a_months_end(draw: st.DrawFn) -> tuple[Anchor, datetime]:
    """A start while it is one month in UTC and another one where the anchor is."""
    anchor = Anchor(draw(st.sampled_from([1, 30, 31])), draw(st.sampled_from(ZONES)), draw(TIMES))
    first = datetime(draw(st.integers(1971, 2100)), draw(st.integers(1, 12)), 1, tzinfo=UTC)
    return anchor, first + draw(st.integers(-900, 900)) * MINUTE


CASES = st.one_of(st.tuples(ANCHORS, INSTANTS), at_a_change(), at_a_months_end())


def shows(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def wall_of(anchor: Anchor, year: int, month: int) -> datetime:
    """What clocks are to show at the anchor instant of a month."""
    first = datetime.combine(datetime(year, month, 1), anchor.time)
    return first + timedelta(days=min(anchor.day, monthrange(year, month)[1]) - 1)


def first_to_show(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant at which clocks show `wall` or later, by watching them."""
    instant = wall.replace(tzinfo=UTC) - 16 * HOUR
    while shows(zone, instant) < wall - 3 * HOUR:  # none here ever went back by more
        instant += HOUR
    instant -= HOUR
    while shows(zone, instant) < wall:
        instant += MINUTE
    # In this last minute, on a second of the wall time or on a whole one, where clocks change.
    starts = (instant - MINUTE, (instant - MINUTE).replace(microsecond=0))
    seconds = [start + n * SECOND for start in starts for n in range(61)]
    return min(second for second in seconds if shows(zone, second) >= wall)


def watched(anchor: Anchor, first_start: datetime, count: int) -> list[datetime]:
    """`first_start` and the `count` boundaries after it."""
    zone, found = ZoneInfo(anchor.timezone), [first_start]
    month = (shows(zone, first_start) - timedelta(days=40)).replace(day=1)
    while len(found) <= count:
        instant = first_to_show(zone, wall_of(anchor, month.year, month.month))
        if instant > first_start:
            found.append(instant)
        month = (month + timedelta(days=31)).replace(day=1)
    return found


@profile(30)
@given(CASES)
def test_boundaries__keep_their_day_for_a_century(case: tuple[Anchor, datetime]) -> None:
    anchor, first_start = case
    zone = ZoneInfo(anchor.timezone)
    boundaries = [period_boundary(anchor, first_start, n) for n in range(PERIODS_MAX + 1)]
    assert boundaries[0] == first_start
    assert all(begins < ends for begins, ends in pairwise(boundaries))
    assert all(b.tzinfo is UTC and b.microsecond % 1000 == 0 for b in boundaries)
    # The month that the first one is for; where a day was left out, it is in the month after.
    shown = shows(zone, boundaries[1])
    year, month = shown.year, shown.month
    if shown < wall_of(anchor, year, month):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    for boundary in boundaries[1:]:
        wall, shown = wall_of(anchor, year, month), shows(zone, boundary)
        assert shown == wall or shows(zone, boundary - MS) < wall < shown
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


@profile(150)
@given(CASES, st.integers(1, 6), st.data())
def test_periods__are_those_of_a_calendar_that_watches_clocks(
    case: tuple[Anchor, datetime], count: int, data: st.DataObject
) -> None:
    anchor, first_start = case
    boundaries = watched(anchor, first_start, count)
    for months, boundary in enumerate(boundaries):
        assert period_boundary(anchor, first_start, months) == boundary
    around = [b + n * MS for b in boundaries for n in (-1, 0, 1)]
    inside = st.integers(0, (boundaries[-1] - first_start) // MS).map(
        lambda ms: first_start + ms * MS
    )
    for instant in [*around, *(data.draw(inside) for _ in range(3))]:
        for number, (begins, ends) in enumerate(pairwise(boundaries), 1):
            if begins <= instant < ends:
                expected = Period(number, begins, ends)
                assert period_containing(anchor, first_start, instant) == expected


@profile(150)
@given(CASES, st.integers(0, 600), st.integers(0, 600))
def test_boundaries__counted_on_from_any_boundary_are_the_same(
    case: tuple[Anchor, datetime], some: int, more: int
) -> None:
    anchor, first_start = case
    later = period_boundary(anchor, first_start, some)
    assert period_boundary(anchor, later, more) == period_boundary(anchor, first_start, some + more)


@profile(100)
@given(CASES, st.integers(0, PERIODS_MAX - COMING_MAX), st.integers(0, COMING_MAX))
def test_coming_periods__begin_where_the_one_before_ends(
    case: tuple[Anchor, datetime], after: int, count: int
) -> None:
    anchor, first_start = case
    ends_at = period_boundary(anchor, first_start, after)
    coming = coming_periods(anchor, first_start, after, count, 7)
    check_coming(coming, after, ends_at)
    assert [p.period_no for p in coming] == list(range(after + 1, after + count + 1))
    for period in coming:
        if ends_at.year < 2200:
            found = period_containing(anchor, first_start, ends_at)
            assert found == Period(period.period_no, ends_at, period.ends_at)
        ends_at = period.ends_at


@profile(100)
@given(st.integers(1, PERIODS_MAX), st.sampled_from([("monthly", 1), ("annual", 12)]))
def test_billing_periods__divide_the_periods_evenly(period_no: int, cycle: tuple) -> None:
    name, months = cycle
    paid = billing_period_of(period_no, name)
    covered = range(paid.first_period_no, paid.last_period_no + 1)
    assert period_no in covered
    assert len(covered) == months
    assert {billing_period_of(n, name) for n in covered} == {paid}
    assert paid.number == 1 or covered[0] - 1 == billing_period_of(covered[0] - 1, name)[2]
