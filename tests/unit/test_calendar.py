"""Named cases of the calendar: month ends, leap days, clocks that change, annual plans."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from gate.domain.accounts import Terms, check_coming
from gate.domain.calendar import (
    PERIODS_MAX,
    Anchor,
    BillingPeriod,
    Period,
    billing_period_of,
    coming_periods,
    period_boundary,
    period_containing,
)
from gate.domain.errors import BadArgument

UTC_31 = Anchor(31, "UTC")
BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    """`text` as an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text: str, zone: str) -> datetime:
    """The instant at which the clocks of `zone` show `text`, the first one if there are two."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def days(anchor: Anchor, first_start: datetime, count: int) -> list[str]:
    """The local dates of the first `count` boundaries after `first_start`."""
    zone = ZoneInfo(anchor.timezone)
    return [
        period_boundary(anchor, first_start, n).astimezone(zone).date().isoformat()
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("day", "first_start", "expected"),
    [
        (31, "2025-01-31", "2025-02-28 2025-03-31 2025-04-30 2025-05-31 2025-06-30"),
        (31, "2024-01-31", "2024-02-29 2024-03-31 2024-04-30"),
        (30, "2025-01-30", "2025-02-28 2025-03-30 2025-04-30"),
        (29, "2023-12-29", "2024-01-29 2024-02-29 2024-03-29"),
        (29, "2025-01-29", "2025-02-28 2025-03-29"),
        (31, "2100-01-31", "2100-02-28 2100-03-31"),
        (31, "2025-02-28", "2025-03-31 2025-04-30"),
        (1, "2025-11-01", "2025-12-01 2026-01-01 2026-02-01"),
    ],
)
def test_month_ends__the_day_is_kept(day: int, first_start: str, expected: str) -> None:
    assert days(Anchor(day, "UTC"), utc(first_start), len(expected.split())) == expected.split()


def test_leap_day__an_anchor_of_the_29th_returns_to_it() -> None:
    februaries = [period_boundary(Anchor(29, "UTC"), utc("2024-02-29"), 12 * n) for n in range(5)]
    assert [f"{b:%Y-%m-%d}" for b in februaries] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_first_period__ends_at_the_first_anchor_instant_after_its_start() -> None:
    assert days(UTC_31, utc("2025-01-10T12:00"), 2) == ["2025-01-31", "2025-02-28"]
    assert days(UTC_31, utc("2025-01-30T23:59:59.999"), 1) == ["2025-01-31"]
    assert days(UTC_31, utc("2025-01-31T00:00"), 1) == ["2025-02-28"]
    assert days(UTC_31, utc("2025-01-31T18:00"), 1) == ["2025-02-28"]
    assert days(Anchor(5, "UTC"), utc("2025-12-31T18:00"), 1) == ["2026-01-05"]


def test_boundary_0__is_the_first_start_itself() -> None:
    assert period_boundary(UTC_31, utc("2025-01-10T12:00"), 0) == utc("2025-01-10T12:00")


def test_timezone__the_day_is_the_local_one() -> None:
    boundary = period_boundary(Anchor(1, "Asia/Kathmandu"), utc("2025-01-15"), 1)
    assert boundary == utc("2025-01-31T18:15")
    # 31 January, 20:00 UTC is 1 February there: the first boundary is in March.
    assert days(Anchor(1, "Asia/Kathmandu"), utc("2025-01-31T20:00"), 1) == ["2025-03-01"]
    # 1 February, 02:00 UTC is 31 January in New York, two hours before the first boundary.
    late = Anchor(31, NEW_YORK, time(23))
    assert period_boundary(late, utc("2025-02-01T02:00"), 1) == utc("2025-02-01T04:00")


def test_clock_changes__the_local_time_is_kept() -> None:
    anchor = Anchor(15, BERLIN, time(9))
    assert [period_boundary(anchor, at("2025-02-15T09:00", BERLIN), n) for n in (0, 1, 2)] == [
        utc("2025-02-15T08:00"),
        utc("2025-03-15T08:00"),
        utc("2025-04-15T07:00"),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "time_of_day", "start", "expected"),
    [
        (BERLIN, 30, time(1, 59, 59, 999_000), "2025-03-01", "2025-03-30T00:59:59.999"),
        (BERLIN, 30, time(2), "2025-03-01", "2025-03-30T01:00"),
        (BERLIN, 30, time(2, 30), "2025-03-01", "2025-03-30T01:00"),
        (BERLIN, 30, time(2, 59, 59, 999_000), "2025-03-01", "2025-03-30T01:00"),
        (BERLIN, 30, time(3), "2025-03-01", "2025-03-30T01:00"),
        (NEW_YORK, 9, time(2, 30), "2025-02-15", "2025-03-09T07:00"),
        ("America/Sao_Paulo", 4, time(), "2018-10-15", "2018-11-04T03:00"),
        ("Australia/Lord_Howe", 6, time(2, 15), "2024-09-15", "2024-10-05T15:30"),
        ("Pacific/Apia", 30, time(), "2011-12-05", "2011-12-30T10:00"),
        ("Pacific/Apia", 30, time(15, 30), "2011-12-05", "2011-12-30T10:00"),
    ],
)
def test_gap__a_skipped_time_is_the_instant_of_the_skip(
    zone: str, day: int, time_of_day: time, start: str, expected: str
) -> None:
    assert period_boundary(Anchor(day, zone, time_of_day), utc(start), 1) == utc(expected)


def test_gap__a_skipped_day_moves_one_boundary_only() -> None:
    assert days(Anchor(30, "Pacific/Apia"), utc("2011-11-15"), 3) == [
        "2011-11-30",
        "2011-12-31",
        "2012-01-30",
    ]


@pytest.mark.parametrize(
    ("zone", "day", "time_of_day", "start", "expected"),
    [
        (BERLIN, 26, time(2, 30), "2025-10-01", "2025-10-26T00:30"),
        (BERLIN, 26, time(2), "2025-10-01", "2025-10-26T00:00"),
        (BERLIN, 26, time(3), "2025-10-01", "2025-10-26T02:00"),
        (NEW_YORK, 2, time(1, 30), "2025-10-15", "2025-11-02T05:30"),
        ("America/Sao_Paulo", 17, time(23, 30), "2018-02-01", "2018-02-18T01:30"),
        ("Australia/Lord_Howe", 6, time(1, 45), "2025-03-15", "2025-04-05T14:45"),
    ],
)
def test_fold__a_time_shown_twice_counts_the_first_time(
    zone: str, day: int, time_of_day: time, start: str, expected: str
) -> None:
    assert period_boundary(Anchor(day, zone, time_of_day), utc(start), 1) == utc(expected)


def test_fold__a_start_in_the_second_of_two_hours_is_past_the_boundary() -> None:
    anchor = Anchor(26, BERLIN, time(2, 30))
    assert period_boundary(anchor, utc("2025-10-26T01:30"), 1) == utc("2025-11-26T01:30")
    assert period_boundary(anchor, utc("2025-10-26T00:29:59.999"), 1) == utc("2025-10-26T00:30")


def test_fold__a_month_that_begins_twice_begins_once() -> None:
    """St John's went from 00:01 on 1 November 2009 back to 23:01 on 31 October."""
    anchor = Anchor(1, "America/St_Johns")
    begun = utc("2009-11-01T02:30")
    assert period_boundary(anchor, utc("2009-10-15"), 1) == begun
    for second in (0, 59, 60, 3_600, 7_200):
        instant = begun + timedelta(seconds=second)
        assert period_containing(anchor, utc("2009-10-15"), instant).number == 2
        assert days(anchor, instant, 1) == ["2009-12-01"]


def test_time_with_fold__is_that_time() -> None:
    folded = Anchor(26, BERLIN, time(2, 30, fold=1))
    assert folded == Anchor(26, BERLIN, time(2, 30))
    assert period_boundary(folded, utc("2025-10-01"), 1) == utc("2025-10-26T00:30")


def test_period_containing__a_boundary_belongs_to_the_period_it_begins() -> None:
    start = utc("2025-01-31")
    first = Period(1, start, utc("2025-02-28"))
    assert period_containing(UTC_31, start, start) == first
    assert period_containing(UTC_31, start, utc("2025-02-27T23:59:59.999")) == first
    second = Period(2, utc("2025-02-28"), utc("2025-03-31"))
    assert period_containing(UTC_31, start, utc("2025-02-28")) == second


def test_instants__any_timezone_goes_in_and_whole_milliseconds_in_utc_come_out() -> None:
    start = datetime(2025, 1, 10, 1, 2, 3, 4_999, tzinfo=timezone(timedelta(hours=2)))
    boundary = period_boundary(UTC_31, start, 0)
    assert boundary == utc("2025-01-09T23:02:03.004")
    assert boundary.tzinfo is UTC
    assert period_containing(UTC_31, start, start).starts_at == boundary
    assert period_boundary(Anchor(1, BERLIN), start, 1).tzinfo is UTC


def test_coming_periods__follow_the_running_one() -> None:
    terms = Terms(rate_per_second=5)
    coming = coming_periods(UTC_31, utc("2025-01-31"), 1, 2, 500, status="active", terms=terms)
    assert [(p.period_no, p.ends_at, p.allowance) for p in coming] == [
        (2, utc("2025-03-31"), 500),
        (3, utc("2025-04-30"), 500),
    ]
    assert [(p.status, p.terms) for p in coming] == [("active", terms), (None, None)]
    check_coming(coming, 1, period_boundary(UTC_31, utc("2025-01-31"), 1))


def test_coming_periods__none_and_from_the_first() -> None:
    assert coming_periods(UTC_31, utc("2025-01-31"), 1, 0, 500) == []
    (first,) = coming_periods(UTC_31, utc("2025-01-31"), 0, 1, 500)
    assert (first.period_no, first.ends_at) == (1, utc("2025-02-28"))


def test_annual__twelve_periods_a_year() -> None:
    assert billing_period_of(1, "annual") == BillingPeriod(1, 1, 12)
    assert billing_period_of(12, "annual") == BillingPeriod(1, 1, 12)
    assert billing_period_of(13, "annual") == BillingPeriod(2, 13, 24)
    assert billing_period_of(PERIODS_MAX, "annual") == BillingPeriod(100, 1_189, 1_200)
    assert billing_period_of(13, "monthly") == BillingPeriod(13, 13, 13)


def test_annual__a_year_from_a_leap_day_ends_a_year_later() -> None:
    year = billing_period_of(20, "annual")
    anchor, start = Anchor(29, BERLIN), at("2024-02-29T00:00", BERLIN)
    assert period_boundary(anchor, start, year.first_period_no - 1) == at("2025-02-28", BERLIN)
    assert period_boundary(anchor, start, year.last_period_no) == at("2026-02-28", BERLIN)


def test_a_century__has_an_end() -> None:
    start = utc("2000-01-31")
    assert period_boundary(UTC_31, start, PERIODS_MAX) == utc("2100-01-31")
    last = period_containing(UTC_31, start, utc("2100-01-30T23:59:59.999"))
    assert last.number == PERIODS_MAX
    with pytest.raises(BadArgument, match="instant"):
        period_containing(UTC_31, start, utc("2100-01-31"))
    with pytest.raises(BadArgument, match="after_period_no"):
        coming_periods(UTC_31, start, PERIODS_MAX - 1, 2, 0)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("day", (0, "UTC")),
        ("day", (32, "UTC")),
        ("day", (True, "UTC")),
        ("day", (1.0, "UTC")),
        ("timezone", (1, "")),
        ("timezone", (1, None)),
        ("timezone", (1, "Europe/Bonn")),
        ("timezone", (1, "Europe")),
        ("timezone", (1, "/etc/localtime")),
        ("timezone", (1, "../UTC")),
        ("timezone", (1, "localtime")),
        ("timezone", (1, "right/UTC")),
        ("timezone", (1, "Europe/\ud800")),
        ("timezone", (1, "E\0")),
        ("timezone", (1, "E" * 5_000)),
        ("time", (1, "UTC", None)),
        ("time", (1, "UTC", "00:00")),
        ("time", (1, "UTC", time(0, tzinfo=UTC))),
        ("time", (1, "UTC", time(0, 0, 0, 1))),
    ],
)
def test_bad_anchor__names_the_field(field: str, arguments: tuple) -> None:
    with pytest.raises(BadArgument) as caught:
        Anchor(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2025, 1, 31),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
        utc("1969-12-31T23:59:59.999"),
        utc("2200-01-01"),
        1_738_281_600_000,
        None,
    ],
)
def test_bad_instant__names_the_field(instant: object) -> None:
    for field, call in (
        ("first_start", lambda: period_boundary(UTC_31, instant, 1)),
        ("first_start", lambda: period_containing(UTC_31, instant, utc("2025-02-01"))),
        ("first_start", lambda: coming_periods(UTC_31, instant, 1, 1, 1)),
        ("instant", lambda: period_containing(UTC_31, utc("2025-01-31"), instant)),
    ):
        with pytest.raises(BadArgument) as caught:
            call()
        assert caught.value.field == field


def test_bad_numbers__name_the_field() -> None:
    start = utc("2025-01-31")
    for field, call in (
        ("months", lambda: period_boundary(UTC_31, start, -1)),
        ("months", lambda: period_boundary(UTC_31, start, PERIODS_MAX + 1)),
        ("months", lambda: period_boundary(UTC_31, start, True)),
        ("instant", lambda: period_containing(UTC_31, start, start - timedelta(milliseconds=1))),
        ("after_period_no", lambda: coming_periods(UTC_31, start, -1, 1, 1)),
        ("count", lambda: coming_periods(UTC_31, start, 1, 9, 1)),
        ("count", lambda: coming_periods(UTC_31, start, 1, -1, 1)),
        ("allowance", lambda: coming_periods(UTC_31, start, 1, 1, -1)),
        ("status", lambda: coming_periods(UTC_31, start, 1, 1, 1, status="gone")),
        ("period_no", lambda: billing_period_of(0, "annual")),
        ("period_no", lambda: billing_period_of(PERIODS_MAX + 1, "annual")),
        ("cycle", lambda: billing_period_of(1, "weekly")),
        ("cycle", lambda: billing_period_of(1, [])),
    ):
        with pytest.raises(BadArgument) as caught:
            call()
        assert caught.value.field == field


def test_no_zones_on_the_machine__is_an_error_that_names_the_timezone() -> None:
    """Or works, where the package `tzdata` stands in for the machine's."""
    tried = subprocess.run(
        [sys.executable, "-c", "from gate.domain.calendar import Anchor; Anchor(1, 'UTC')"],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0 or "timezone = 'UTC' is not allowed" in tried.stderr
