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


def changes(zone: str) -> list[datetime]:
    """The instants, to the hour before, at which the clocks of `zone` changed from 1970 to 2012,
    when the strangest things happened."""
    info, found = ZoneInfo(zone), []
    day = EPOCH
    while day.year < 2013:
        before, after = (d.astimezone(info).utcoffset() for d in (day, day + 24 * HOUR))
        if before != after:
            hours = (day + n * HOUR for n in range(24))
            found.append(next(h for h in hours if (h + HOUR).astimezone(info).utcoffset() != before))
        day += 24 * HOUR
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
ANCHORS = st.builds(
    Anchor, st.one_of(st.sampled_from([1, 28, 29, 30, 31]), st.integers(1, 31)),
    st.sampled_from(ZONES), TIMES,
)  # fmt: skip
INSTANTS = st.integers(0, SPAN_MS).map(lambda ms: EPOCH + ms * MS)


@st.composite
def at_a_change(draw: st.DrawFn) -> tuple[Anchor, datetime]:
    """An anchor on a time around a change of its clocks, and a start within 70 days of that."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone]))
    shown = (change + draw(st.integers(-120, 240)) * MINUTE).astimezone(ZoneInfo(zone))
    if draw(st.booleans()):  # in the gap
        shown = change.astimezone(ZoneInfo(zone)) + draw(st.integers(0, 180)) * MINUTE
    anchor = Anchor(shown.day, zone, shown.time())
    start = change + draw(st.one_of(st.integers(-180, 180), st.integers(-100_000, 1_000))) * MINUTE
    return anchor, max(start, EPOCH)


CASES = st.one_of(st.tuples(ANCHORS, INSTANTS), at_a_change())


def shows(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def wall_of(anchor: Anchor, year: int, month: int) -> datetime:
    """What clocks are to show at the anchor instant of a month."""
    first = datetime.combine(datetime(year, month, 1), anchor.time)
    return first + timedelta(days=min(anchor.day, monthrange(year, month)[1]) - 1)


def first_to_show(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant at which clocks show `wall` or later, by watching them."""
    instant = wall.replace(tzinfo=UTC) - 16 * HOUR
    for step in (HOUR, MINUTE):
        # No clock here ever went back by more than three hours.
        while shows(zone, instant) + (3 * HOUR if step is HOUR else 0 * HOUR) < wall:
            instant += step
        instant -= step
    skip = instant.replace(microsecond=0)
    while shows(zone, instant) < wall:
        instant = min(skip, instant + MINUTE) if skip > instant else instant + MINUTE
        if shows(zone, instant) >= wall and shows(zone, instant) != wall:
            break
    else:
        return instant
    # It was skipped, at a whole second of the last minute.
    instant = (instant - MINUTE).replace(microsecond=0)
    while shows(zone, instant) < wall:
        instant += SECOND
    return instant


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


