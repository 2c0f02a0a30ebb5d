"""What counts as a difference between an account in Redis and what is booked of it."""

from __future__ import annotations

from typing import Any

import pytest

from gate.domain.accounts import Terms
from gate.domain.limits import NEVER_MS
from gate.hot.live_account import LiveAccount, LiveGrant
from reconciler.comparison import booked_side, difference, differing, live_side
from reconciler.image import DAY_MS, Image

DAY = 20_000
EXPIRES_MS = DAY * DAY_MS + 3_600_000
NAMED = "purchased until 2024-10-04"


def image(**fields: Any) -> Image:
    """900 base and 50 purchased credits, 20 of overage, at (3, 17)."""
    known: dict[str, Any] = {
        "organization_id": "org_a",
        "partition": 0,
        "subscription_id": None,
        "epoch": 3,
        "seq": 17,
        "posted": 930,
        "held": 0,
        "overage": 20,
        "debt": 0,
        "used": 100,
        "warned_percent": 0,
        "allowance": 1_000,
        "status": "active",
        "frozen_reason": None,
        "grace_until": None,
        "period_no": 2,
        "starts_at": None,
        "ends_at": None,
        "terms": Terms(rate_per_second=5, config_version=4),
        "coming": (),
        "entry_no": 1,
        "chain": b"",
        "look_up_until_ms": 0,
        "sends_until_ms": 0,
        "repair_state": "ok",
        "repair_reason": None,
        "grants": {
            ("base", NEVER_MS // DAY_MS): (900, NEVER_MS),
            ("purchased", DAY): (50, EXPIRES_MS),
        },
    }
    return Image(**known | fields)


def live(**fields: Any) -> LiveAccount:
    """The same account in Redis."""
    known: dict[str, Any] = {
        "epoch": 3,
        "seq": 17,
        "period_no": 2,
        "config_version": 4,
        "status": "active",
        "frozen_reason": None,
        "posted": 930,
        "held": 40,
        "open_holds": 2,
        "overage": 20,
        "debt": 0,
        "used": 100,
        "warned_percent": 80,
        "allowance": 1_000,
        "starts_at_ms": 0,
        "ends_at_ms": NEVER_MS,
        "grace_until_ms": 0,
        "grants": (
            LiveGrant("purchased", 50, EXPIRES_MS),
            LiveGrant("base", 900, NEVER_MS),
        ),
        "coming": (),
        "terms": Terms(rate_per_second=5, config_version=4),
    }
    return LiveAccount(**known | fields)


def test_equal__is_no_difference() -> None:
    """What is held and warned of may change between two deltas, or by hand, and is not compared."""
    assert difference(image(), live()) is None
    assert differing(live_side(live()), booked_side(image())) == []


def test_grants__are_compared_by_kind_and_day() -> None:
    parts = (
        LiveGrant("base", 400, NEVER_MS),
        LiveGrant("base", 500, NEVER_MS),
        LiveGrant("purchased", 50, DAY * DAY_MS),
    )
    assert difference(image(), live(grants=parts)) is None
    spent = {**image().grants, ("rollover", DAY): (0, EXPIRES_MS)}
    assert difference(image(grants=spent), live()) is None, "nothing is left of it"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("period_no", 3),
        ("posted", 931),
        ("used", 99),
        ("status", "paused"),
        ("frozen_reason", "debt"),
        ("config_version", 5),
    ],
)
def test_drift__is_told_with_both_sides(field: str, value: object) -> None:
    found = difference(image(), live(**{field: value}))
    assert found is not None
    assert found.kind == "drift"
    place = {"epoch": 3, "seq": 17}
    assert found.live == {**place, "posted": 930, field: value}
    expected = {"period_no": 2, "posted": 930, "used": 100, "status": "active"}
    assert found.booked == {
        **place,
        "posted": 930,
        field: {**expected, "config_version": 4}.get(field),
    }
    assert found.credits == (1 if field == "posted" else 0)


@pytest.mark.parametrize(("field", "value", "counted"), [("overage", 0, 950), ("debt", 5, 925)])
def test_drift__posted_forgotten_by_an_editor(field: str, value: int, counted: int) -> None:
    found = difference(image(), live(**{field: value}))
    assert found is not None
    assert found.live == {"epoch": 3, "seq": 17, "posted": 930, field: value, "counted": counted}
    assert found.booked["counted"] == found.booked["posted"] == 930
    assert found.credits == counted - 930


@pytest.mark.parametrize(
    ("grants", "ours", "theirs"),
    [
        ((LiveGrant("base", 900, NEVER_MS),), {NAMED: 0}, {NAMED: 50}),
        (
            (LiveGrant("purchased", 50, NEVER_MS), LiveGrant("base", 900, NEVER_MS)),
            {"purchased": 50, NAMED: 0},
            {"purchased": 0, NAMED: 50},
        ),
        (
            (LiveGrant("purchased", 60, EXPIRES_MS), LiveGrant("base", 890, NEVER_MS)),
            {"base": 890, NAMED: 60},
            {"base": 900, NAMED: 50},
        ),
        (
            (
                LiveGrant("purchased", 50, EXPIRES_MS),
                LiveGrant("base", 899, NEVER_MS),
                LiveGrant("base", 1, NEVER_MS - DAY_MS),
            ),
            {"base": 899, "base until day 3257811": 1},
            {"base": 900, "base until day 3257811": 0},
        ),
    ],
    ids=["missing", "other day", "moved", "no day of the calendar"],
)
def test_drift__of_grants(
    grants: tuple[LiveGrant, ...], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    found = difference(image(), live(grants=grants))
    assert found is not None
    grants_of = [
        {name: side[name] for name in side if name.startswith(("base", "purchased"))}
        for side in (found.live, found.booked)
    ]
    assert grants_of == [ours, theirs]


def test_ahead__is_not_booked_yet() -> None:
    assert difference(image(), live(seq=18, posted=900)) is None
    assert difference(image(), live(epoch=4, seq=2, posted=900)) is None


def test_behind__has_lost_what_is_booked() -> None:
    found = difference(image(), live(seq=16, posted=940))
    assert found is not None
    assert (found.kind, found.credits) == ("behind", 10)
    assert found.live == {"epoch": 3, "seq": 16, "posted": 940}
    assert found.booked == {"epoch": 3, "seq": 17, "posted": 930}
    found = difference(image(), live(epoch=2, seq=90))
    assert found is not None
    assert found.kind == "behind"
