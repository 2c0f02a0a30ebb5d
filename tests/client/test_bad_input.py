"""Arguments out of range or of a wrong type: BadArgument that names the field, before anything is
sent, and nothing written."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate import (
    AccountState,
    BadArgument,
    ComingPeriod,
    Gate,
    GateError,
    Grant,
    HoldRef,
    Send,
    Terms,
)
from tests.support.accounts import account, dump

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is no whole number.
NO_NUMBERS: list[Any] = [1.0, 0.5, True, "1", b"1", [1], float("nan"), float("inf")]
NO_CREDITS = [-1, 2**52 + 1, 2**63, -(2**63), *NO_NUMBERS]
NO_CREDITS_OR_ZERO = [0, *NO_CREDITS]
#: 0, negative, shorter than a second, longer than a week.
NO_TTLS = [0, -1, 999, 604_800_001, 3 * 365 * 86_400_000, *NO_NUMBERS]
NO_COSTS = [-1, 1_000_000_001, *NO_NUMBERS]
NO_IDS: list[Any] = [
    "",
    "x" * 129,
    "with space",
    " eml_1",
    "eml_1\n",
    "two\nlines",
    "tab\t",
    "nul\0",
    "{tag}",
    "}",
    "quote'",
    'quote"',
    "semi;colon",
    "back\\slash",
    "hash#",
    "star*",
    "é",
    "ид",
    "識別",
    "٣",
    "\u200b",
    "\ud800",
    b"eml_1",
    7,
    1.5,
    True,
    ["eml_1"],
]
NO_TEXTS: list[Any] = ["x" * 256, "é" * 128, "nul\0", "\ud800", b"text", 0, False, 7, ["text"]]
SEND = Send(send_id="esn_1", recipient="ada@example.org")
NO_SENDS: list[Any] = [
    [None],
    ["esn_1"],
    [{"send_id": "esn_1", "recipient": "ada@example.org"}],
    [SEND, None],
    (send for send in [SEND]),  # its length is not known before it is sent
    SEND,
    "esn_1",
    [Send(send_id=f"esn_{n}", recipient="a", subject="x" * 10_000) for n in range(105)],
]
#: Right in everything but what a case changes.
RESERVE = {"organization_id": "org_a", "credits": 1}
SPEND = {"organization_id": "org_a", "credits": 1}
HOLD = {"hold": HoldRef("org_a", "open", 10)}
NO_HOLDS: list[Any] = [None, "open", ("org_a", "open", 10), 7]

Table = list[tuple[dict[str, Any], str, list[Any]]]

#: Verb, arguments that are right, argument, what is wrong for it.
VERBS: dict[str, Table] = {
    "reserve": [
        (RESERVE, "organization_id", [None, *NO_IDS]),
        (RESERVE, "credits", [None, *NO_CREDITS_OR_ZERO]),
        (RESERVE, "hold_id", NO_IDS),
        (RESERVE, "ttl_ms", [None, *NO_TTLS]),
        ({**RESERVE, "credits": 10}, "min_credits", [11, *NO_CREDITS_OR_ZERO]),
        (RESERVE, "cost", NO_COSTS),
        ({**RESERVE, "credits": 1_000_000_001}, "cost", [None, 1_000_000_001]),
        (RESERVE, "reference", NO_TEXTS),
        (RESERVE, "sends", NO_SENDS),
    ],
    "extend": [
        (HOLD, "to_credits", [None, *NO_CREDITS_OR_ZERO]),
        (HOLD, "ttl_ms", NO_TTLS),
        ({"ttl_ms": 1000}, "hold", NO_HOLDS),
    ],
    "commit": [
        ({}, "hold", NO_HOLDS),
        (HOLD, "credits", NO_CREDITS),
        ({**HOLD, "credits": 1, "part": 1}, "final", [None, 0, 1, "no"]),
        (HOLD, "part", [0, -1, 1_000_000_001, *NO_NUMBERS]),
        ({**HOLD, "credits": 1, "final": False}, "part", [None, 0]),
        ({**HOLD, "part": 1, "final": False}, "credits", [None, -1]),
        (HOLD, "sends", NO_SENDS),
    ],
    "release": [
        ({}, "hold", NO_HOLDS),
        (HOLD, "reason", NO_TEXTS),
        (HOLD, "sends", NO_SENDS),
    ],
    "spend": [
        (SPEND, "organization_id", [None, *NO_IDS]),
        (SPEND, "credits", [None, *NO_CREDITS]),
        (SPEND, "spend_id", NO_IDS),
        (SPEND, "cost", NO_COSTS),
        ({**SPEND, "credits": 1_000_000_001}, "cost", [None]),
        (SPEND, "reference", NO_TEXTS),
        (SPEND, "sends", NO_SENDS),
    ],
    "record": [
        ({"sends": [SEND]}, "organization_id", [None, *NO_IDS]),
        ({"organization_id": "org_a"}, "sends", [None, [], (), *NO_SENDS]),
    ],
    "pace": [
        ({}, "organization_id", [None, *NO_IDS]),
        ({"organization_id": "org_a"}, "cost", [None, 0, *NO_COSTS]),
    ],
    "peek": [
        ({}, "organization_id", [None, *NO_IDS]),
        ({"organization_id": "org_a"}, "credits", [None, *NO_CREDITS_OR_ZERO]),
    ],
    "load": [
        ({}, "state", [None, "org_a", {"organization_id": "org_a"}, Terms(rate_per_second=1)])
    ],
}


def flat(table: dict[str, Table]) -> list[Any]:
    """One case for each argument of each verb."""
    return [
        pytest.param(verb, rest, field, values, id=f"{verb}-{field}-{number}")
        for verb, rows in table.items()
        for number, (rest, field, values) in enumerate(rows)
    ]


@contextmanager
def refused(field: str, value: object) -> Iterator[None]:
    """The field is named, and what would do is said."""
    try:
        with pytest.raises(BadArgument) as caught:
            yield
    except pytest.fail.Exception:
        pytest.fail(f"{field} = {value!r} was taken")
    error = caught.value
    assert error.field == field, value
    assert error.allowed
    assert str(error).startswith(f"{field} = ")
    assert isinstance(error, ValueError)
    assert isinstance(error, GateError)


@pytest.mark.parametrize(("verb", "rest", "field", "values"), flat(VERBS))
async def test_verb__refuses(
    gate: Gate, redis_url: str, verb: str, rest: dict[str, Any], field: str, values: list[Any]
) -> None:
    await gate.reserve("org_a", 10, hold_id="open")
    before, sent = dump(redis_url), gate.caller.transport.calls
    for value in values:
        with refused(field, value):
            await getattr(gate, verb)(**{**rest, field: value})
    assert gate.caller.transport.calls == sent, "something was sent"
    assert dump(redis_url) == before


@pytest.mark.parametrize(
    ("ref", "field"),
    [
        *((HoldRef(bad, "open", 1), "organization_id") for bad in NO_IDS),
        *((HoldRef("org_a", bad, 1), "hold.hold_id") for bad in NO_IDS),
        *((HoldRef("org_a", "open", bad), "hold.credits") for bad in NO_CREDITS),
    ],
    ids=repr,
)
async def test_hold_by_name__is_checked(
    gate: Gate, redis_url: str, ref: HoldRef, field: str
) -> None:
    calls = [gate.commit(ref)]
    if field != "hold.credits":  # which a commit alone uses
        calls += [gate.release(ref), gate.extend(ref, ttl_ms=1000)]
    before, sent = dump(redis_url), gate.caller.transport.calls
    for call in calls:
        with refused(field, getattr(ref, field.rpartition(".")[2])):
            await call
    assert gate.caller.transport.calls == sent
    assert dump(redis_url) == before


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("organization_id", NO_IDS),
        ("credits", NO_CREDITS_OR_ZERO),
        ("hold_id", NO_IDS),
        ("ttl_ms", NO_TTLS),
        ("min_credits", NO_CREDITS_OR_ZERO),
        ("cost", NO_COSTS),
        ("reference", NO_TEXTS),
    ],
)
async def test_hold_context__refuses_before_the_body(
    gate: Gate, redis_url: str, field: str, values: list[Any]
) -> None:
    before = dump(redis_url)
    for value in values:
        with refused(field, value):
            async with gate.hold(**{**RESERVE, field: value}):
                pytest.fail(f"{field} = {value!r} was admitted")
    assert dump(redis_url) == before


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("partitions", [0, 3, 65, 128, -8, True, 8.0, "8", None]),
        ("connections", [0, -1, 1.5, "2", True, None]),
        ("in_flight_max", [0, -1, 1.5, "2", True, None]),
        ("deadline_ms", [0, -1, 1.5, "2", True, None]),
        ("connect_timeout_ms", [0, -1, 1.5, "2", True, None]),
        ("client_name", ["", "two words", "line\n", 7, None]),
        ("loader", [7, "loader"]),
        ("load_timeout_ms", [0, -1, 1.5, "2", True, None]),
        ("database_url", [7, b"postgresql://127.0.0.1/gate", "127.0.0.1:5432", "http://s3cret@h"]),
        ("redis_url", [7, b"redis://127.0.0.1", ["redis://127.0.0.1"]]),
    ],
)
async def test_connect__refuses(redis_url: str, field: str, values: list[Any]) -> None:
    for value in values:
        with refused(field, value):
            await Gate.connect(**{"redis_url": redis_url, field: value})
    assert dump(redis_url) == {}


@pytest.mark.parametrize("url", ["", "127.0.0.1:6379", "http://127.0.0.1", "redis://host/x"])
async def test_connect__refuses_what_is_no_address_of_redis(url: str) -> None:
    with pytest.raises(BadArgument) as caught:
        await Gate.connect(url)
    assert caught.value.field.startswith("redis_url")


# -- values, checked when they are made

NOW = datetime.now(UTC)
NO_INSTANTS: list[Any] = [
    datetime(2030, 1, 1),  # no timezone
    datetime(1969, 12, 31, tzinfo=UTC),
    "2030-01-01T00:00:00Z",
    1_900_000_000_000,
    True,
]
NO_COUNTS = [0, -1, 2**32, *NO_NUMBERS]
NO_RATES = [0, -1, 1_000_000_001, *NO_NUMBERS]
NO_LIMITS = [-1, 2**52 + 1, *NO_NUMBERS]
NO_PERCENTS: list[Any] = [
    (0,),
    (10_001,),
    (80, 80),
    (100, 80),
    (80.0,),
    (True,),
    ("80",),
    tuple(range(1, 10)),
    "80",
    80,
    None,
]
NO_STATUSES: list[Any] = ["", "Active", "gone", 1, ["active"]]
#: What neither JSON nor PostgreSQL could keep.
NO_WORDS: list[Any] = [b"text", 7, True, ["text"], "nul\0", "\ud800"]
A_PERIOD = {"period_no": 2, "ends_at": NOW + timedelta(days=60), "allowance": 5}
TERMS_FIELDS: list[tuple[str, list[Any]]] = [
    ("rate_per_second", [None, *NO_RATES]),
    ("burst", NO_RATES),
    ("rate_per_minute", NO_RATES),
    ("rate_per_hour", NO_RATES),
    ("strict_burst", [None, 0, 1, "yes"]),
    ("overage_limit", [None, *NO_LIMITS]),
    ("max_open_holds", NO_COUNTS),
    ("max_attachment_size_mb", [None, -1, 65_536, *NO_NUMBERS]),
    ("max_debt", [None, *NO_LIMITS]),
    ("max_rollover_credits", NO_LIMITS),
    ("warn_at", NO_PERCENTS),
    ("config_version", [None, *NO_COUNTS]),
]
VALUES: list[tuple[type, dict[str, Any], list[tuple[str, list[Any]]]]] = [
    (
        Grant,
        {"kind": "base", "credits": 1},
        [
            ("kind", [None, "", "Base", "overage", 2, ["base"]]),
            ("credits", [None, *NO_CREDITS_OR_ZERO]),
            ("expires_at", NO_INSTANTS),
        ],
    ),
    (Terms, {"rate_per_second": 1}, TERMS_FIELDS),
    (
        ComingPeriod,
        A_PERIOD,
        [
            ("period_no", [None, *NO_COUNTS]),
            ("ends_at", NO_INSTANTS),
            ("allowance", [None, *NO_LIMITS]),
            ("status", NO_STATUSES),
            ("terms", ["pro", {"rate_per_second": 1}, 1]),
        ],
    ),
    (
        AccountState,
        {"organization_id": "org_a", "rate_per_second": 1},
        [
            ("organization_id", [None, *NO_IDS]),
            *TERMS_FIELDS,
            ("status", [None, *NO_STATUSES]),
            ("frozen_reason", ["", "money", 1]),
            ("grace_until", NO_INSTANTS),
            ("starts_at", NO_INSTANTS),
            ("ends_at", NO_INSTANTS),
            ("overage", [None, *NO_LIMITS]),
            ("debt", [None, *NO_LIMITS]),
            ("used", [None, *NO_LIMITS]),
            ("warned_percent", [None, -1, 10_001, *NO_NUMBERS]),
            ("allowance", NO_LIMITS),
            ("period_no", [None, *NO_COUNTS]),
            ("epoch", [None, *NO_COUNTS]),
            ("seq", [None, -1, 2**48, *NO_NUMBERS]),
            (
                "grants",
                [
                    [Grant(kind="base", credits=1)] * 17,
                    [Grant(kind="base", credits=2**52), Grant(kind="purchased", credits=1)],
                    None,
                    [1000],
                    "base",
                ],
            ),
            # After a period that does not end nothing comes.
            ("coming", [[ComingPeriod(**A_PERIOD)], None, [2], "next"]),
        ],
    ),
    (
        AccountState,
        {"organization_id": "org_a", "rate_per_second": 1, "ends_at": NOW + timedelta(days=30)},
        [
            (
                "coming",
                [
                    [ComingPeriod(period_no=2, ends_at=NOW, allowance=5)],
                    [ComingPeriod(**A_PERIOD)] * 9,
                    [
                        ComingPeriod(period_no=2, ends_at=None, allowance=5),
                        ComingPeriod(**A_PERIOD),
                    ],
                    [ComingPeriod(**{**A_PERIOD, "period_no": 1})],
                    [2],
                ],
            )
        ],
    ),
    (
        Send,
        {"send_id": "esn_1", "recipient": "ada@example.org"},
        [
            ("send_id", [None, *NO_IDS]),
            ("recipient", [None, "", "x" * 321, b"ada@example.org", 7, "a\0b", "\ud800"]),
            *((name, NO_WORDS) for name in ("subject", "error", "provider_id")),
            ("status", ["", "Sent", "gone", 1]),
            ("skip_reason", ["", "mood", 1]),
            ("credits", [None, *NO_CREDITS]),
        ],
    ),
]


@pytest.mark.parametrize(
    ("kind", "rest", "field", "values"),
    [
        pytest.param(kind, rest, field, values, id=f"{kind.__name__}-{field}-{number}")
        for number, (kind, rest, fields) in enumerate(VALUES)
        for field, values in fields
    ],
)
def test_value__refuses(kind: type, rest: dict[str, Any], field: str, values: list[Any]) -> None:
    for value in values:
        with refused(field, value):
            kind(**{**rest, field: value})
    kind(**rest)


# -- at the edges


async def test_largest_and_smallest__are_taken(gate: Gate) -> None:
    """The bounds belong to the range."""
    whole = 2**52
    await gate.load(account("o" * 128, whole))
    answer = await gate.reserve("o" * 128, whole, hold_id="h" * 128, ttl_ms=604_800_000, cost=0)
    assert answer.admitted
    answer = await gate.commit(answer, sends=[SEND])  # type: ignore[arg-type]
    assert answer.admitted
    assert answer.spent == whole  # type: ignore[union-attr]
    every_sign = "AZaz09._:@/+=-"
    assert (await gate.spend("org_a", 0, spend_id=every_sign, reference="x" * 255)).admitted
    assert (await gate.reserve("org_a", hold_id="-", ttl_ms=1000, reference="é" * 127)).admitted


async def test_refusal__does_not_print_what_is_long_or_secret(gate: Gate) -> None:
    with pytest.raises(BadArgument) as caught:
        await gate.reserve("x" * 10_000)
    assert len(str(caught.value)) < 200
    with pytest.raises(BadArgument) as caught:
        await Gate.connect("http://:s3cret@127.0.0.1")
    assert "s3cret" not in str(caught.value)
