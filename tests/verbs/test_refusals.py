"""What is refused leaves everything as it was; and every answer that a header names is reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.oracle import Account, Change, Coming, Grant, Terms
from tests.support.lua import (
    HEADERS,
    START_MS,
    VERBS,
    Refused,
    Verbs,
    pack_account,
    pack_terms,
    with_test_clock,
)

if TYPE_CHECKING:
    from pathlib import Path

RICH = Account(grants=[Grant("purchased", 10**6)])
LONG = "x" * 256
OPERATION = ["op", 0, 0, 0, -1, -1, "", "", "", ""]


def operation(index: int, value: object) -> list[object]:
    """The arguments of apply with one of them replaced."""
    return [*OPERATION[:index], value, *OPERATION[index + 1 :]]


def change(*values: object) -> list[object]:
    """The arguments of apply with one change."""
    return [*OPERATION, *values]


BAD = {
    "reserve": [
        ("hold_id", ["", 1, 1_000, 0, -1]),
        ("hold_id", ["x" * 129, 1, 1_000, 0, -1]),
        ("hold_id", ["a b", 1, 1_000, 0, -1]),
        ("hold_id", ["é", 1, 1_000, 0, -1]),
        ("credits", ["x", 0, 1_000, 0, -1]),
        ("credits", ["x", "1.5", 1_000, 0, -1]),
        ("credits", ["x", "", 1_000, 0, -1]),
        ("credits", ["x", "nan", 1_000, 0, -1]),
        ("credits", ["x", 2**52 + 1, 1_000, 0, 0]),
        ("ttl_ms", ["x", 1, 999, 0, -1]),
        ("ttl_ms", ["x", 1, 604_800_001, 0, -1]),
        ("min_credits", ["x", 1, 1_000, 2, -1]),
        ("min_credits", ["x", 1, 1_000, -1, -1]),
        ("cost", ["x", 1, 1_000, 0, -2]),
        ("cost", ["x", 1, 1_000, 0, 10**9 + 1]),
        ("cost", ["x", 10**9 + 1, 1_000, 0, -1]),
        ("reference", ["x", 1, 1_000, 0, -1, LONG]),
        ("sends", ["x", 1, 1_000, 0, -1, "", "x" * (2**20 + 1)]),
    ],
    "extend": [
        ("hold_id", ["!", 1, 0]),
        ("to_credits", ["x", -1, 0]),
        ("to_credits", ["x", 2**52 + 1, 0]),
        ("to_credits", ["open", 10**9 + 11, 0]),
        ("ttl_ms", ["x", 0, 999]),
        ("ttl_ms", ["x", 0, 604_800_001]),
    ],
    "commit": [
        ("hold_id", ["!", 1, 0, 1, 0]),
        ("credits", ["x", -2, 0, 1, 0]),
        ("credits", ["x", 2**52 + 1, 0, 1, 0]),
        ("credits", ["x", -1, 0, 0, 1]),
        ("hold_credits", ["x", 1, -1, 1, 0]),
        ("hold_credits", ["x", 1, 2**52 + 1, 1, 0]),
        ("final", ["x", 1, 0, 2, 0]),
        ("part", ["x", 1, 0, 1, -1]),
        ("part", ["x", 1, 0, 0, 0]),
        ("part", ["x", 1, 0, 1, 2**32]),
        ("reference", ["x", 1, 0, 1, 0, LONG]),
        ("sends", ["x", 1, 0, 1, 0, "", "x" * (2**20 + 1)]),
    ],
    "release": [
        ("hold_id", ["!"]),
        ("reason", ["x", LONG]),
        ("sends", ["x", "", "x" * (2**20 + 1)]),
    ],
    "spend": [
        ("spend_id", ["!", 1, -1]),
        ("credits", ["x", -1, -1]),
        ("credits", ["x", 2**52 + 1, 0]),
        ("cost", ["x", 1, -2]),
        ("cost", ["x", 1, 10**9 + 1]),
        ("cost", ["x", 10**9 + 1, -1]),
        ("reference", ["x", 1, -1, LONG]),
        ("sends", ["x", 1, -1, "", "x" * (2**20 + 1)]),
    ],
    "record": [("sends", [""]), ("sends", ["x" * (2**20 + 1)])],
    "pace": [("cost", [0]), ("cost", [10**9 + 1]), ("cost", ["1.5"])],
    "peek": [("credits", [0]), ("credits", [2**52 + 1])],
    "expire": [("limit", [0]), ("limit", [1_001])],
    "retire": [("epoch", [0]), ("epoch", [2**32])],
    "apply": [
        ("operation_id", operation(0, "!")),
        ("period_no", operation(1, -1)),
        ("status", operation(2, 7)),
        ("status_reason", operation(3, 3)),
        ("grace_until", operation(4, -2)),
        ("ends_at", operation(5, 2**48)),
        ("reference", operation(8, LONG)),
        ("reason", operation(9, LONG)),
        ("changes", [*OPERATION, 1, 3, 1]),
        ("entry", change(0, 3, 1, 0, 0)),
        ("entry", change(8, 3, 1, 0, 0)),
        ("source", change(1, 0, 1, 0, 0)),
        ("source", change(1, 4, 1, 0, 0)),
        ("credits", change(1, 3, 0, 0, 0)),
        ("credits", change(1, 3, 2**52 + 1, 0, 0)),
        ("expires_at", change(1, 3, 1, -1, 0)),
        ("rest", change(1, 3, -1, 0, 2)),
    ],
}


@pytest.mark.parametrize(
    ("verb", "field", "arguments"),
    [(verb, field, arguments) for verb, cases in BAD.items() for field, arguments in cases],
)
def test_an_argument_out_of_range_is_named(
    verbs: Verbs, verb: str, field: str, arguments: list[object]
) -> None:
    verbs.load(RICH)
    verbs.reserve("open", 10)
    before = verbs.dump()
    with pytest.raises(Refused, match=f"^GATE_BADARG {field} "):
        verbs.run(verb, *arguments)
    assert verbs.dump() == before


def call(verbs: Verbs, verb: str) -> tuple | dict:
    """An ordinary call of any verb, which writes to as many keys as the verb can."""
    calls = {
        "apply": lambda: verbs.apply("op9", changes=[Change("refund", "purchased", 1)]),
        "audit": verbs.audit,
        "commit": lambda: verbs.commit("open", 4, final=False, part=1),
        "expire": lambda: verbs.expire(10),
        "extend": lambda: verbs.extend("open", 20),
        "load": lambda: verbs.load(RICH),
        "pace": lambda: verbs.pace(1),
        "peek": lambda: verbs.peek(1),
        "record": lambda: verbs.record("[1]"),
        "release": lambda: verbs.release("open", sends="[1]"),
        "reserve": lambda: verbs.reserve("new", 1, sends="[1]"),
        "retire": lambda: verbs.retire(1),
        "spend": lambda: verbs.spend("new", 1),
        "touch": verbs.touch,
    }
    return calls[verb]()


def position_of(verb: str, key: str) -> int:
    """Which of the keys of a verb `key` is, or -1."""
    names = ["account", "journal", "holds", "details", "settled_even", "settled_odd", "due"]
    names = ["account", "journal", "operations"] if verb == "apply" else names[: HEADERS[verb].keys]
    return names.index(key) if key in names else -1


KEYS = (
    "account",
    "journal",
    "holds",
    "details",
    "settled_even",
    "settled_odd",
    "due",
    "operations",
)


@pytest.mark.parametrize("overdue", [False, True], ids=["open", "overdue"])
@pytest.mark.parametrize(
    ("verb", "key"), [(verb, key) for verb in VERBS for key in KEYS if position_of(verb, key) >= 0]
)
def test_a_foreign_value_under_a_key_leaves_the_others_as_they_were(
    verbs: Verbs, verb: str, key: str, overdue: bool
) -> None:
    verbs.load(RICH)
    verbs.reserve("open", 10, 1_000, reference="r", sends="[1]")
    verbs.wait(2_000 if overdue else 0)
    if verb == "load":
        verbs.retire(1)
    foreign = getattr(verbs.keys, key)
    verbs.redis.delete(foreign)
    verbs.redis.rpush(foreign, "foreign")
    before = verbs.dump()
    try:
        call(verbs, verb)
    except Refused:
        assert verbs.dump() == before
    else:  # the verb had no use for this key
        assert verbs.redis.lrange(foreign, 0, -1) == [b"foreign"]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"load"}))
def test_scripts_of_two_layouts_at_work_at_once(verbs: Verbs, verb: str, tmp_path: Path) -> None:
    """The next release reads layout 1 and 2; one before it would write 2."""
    copy = with_test_clock(tmp_path / "next")
    fields = copy / "lib" / "fields.lua"
    text = fields.read_text()
    assert "local LAYOUT = 1\n" in text
    fields.write_text(text.replace("local LAYOUT = 1\n", "local LAYOUT = 2\n"))
    opening = copy / "lib" / "catch_up.lua"
    text = opening.read_text()
    assert "if layout ~= LAYOUT then" in text
    opening.write_text(
        text.replace("if layout ~= LAYOUT then", "if layout ~= 1 and layout ~= LAYOUT then")
    )
    following = verbs.other(verbs.organization)
    following.directory = copy
    verbs.run("load", pack_account(RICH, layout=1))
    assert following.reserve("open", 10)[0] == "reserved"
    account = verbs.redis.get(verbs.keys.account)
    verbs.redis.set(verbs.keys.account, b"\2" + account[1:])  # as the next release writes it
    before = verbs.dump()
    with pytest.raises(Refused, match=r"^GATE_LAYOUT "):
        call(verbs, verb)
    assert verbs.dump() == before
    answer = call(following, verb)
    assert answer["tag"] == "account" if verb == "peek" else answer[0] in HEADERS[verb].answers


def test_a_call_above_a_strict_burst(verbs: Verbs) -> None:
    terms = Terms(rate_per_second=50, burst=100, strict_burst=True)
    verbs.load(Account(grants=RICH.grants, terms=terms))
    assert verbs.reserve("x", 101) == ("throttled", "second", -1, 101, 100)
    assert verbs.reserve("x", 101, cost=100)[0] == "reserved"
    assert verbs.pace(51) == ("throttled", "second", 1_020, 51, 0)
    verbs.apply("op", terms=Terms(rate_per_second=50, burst=100))
    verbs.wait(2_000)
    assert verbs.reserve("y", 500)[0] == "reserved"
    assert verbs.pace(1) == ("throttled", "second", 8_020, 1, 0)


def test_cost_0_asks_no_limit(verbs: Verbs) -> None:
    verbs.load(Account(grants=RICH.grants, terms=Terms(rate_per_second=1, burst=1)))
    verbs.pace(500)
    assert verbs.reserve("x", 1, cost=0)[0] == "reserved"
    assert verbs.spend("y", 1, cost=0)[0] == "committed"
    assert verbs.spend("z", 0)[0] == "committed"


def test_a_clock_that_goes_back(verbs: Verbs) -> None:
    verbs.load(Account(grants=RICH.grants, terms=Terms(rate_per_second=10, burst=10)))
    verbs.reserve("x", 10, 1_000)
    verbs.wait(-3_600_000)
    assert verbs.pace(1) == ("throttled", "second", 100, 1, 0)
    verbs.wait(100)
    assert verbs.pace(1) == ("paced", 0)
    assert verbs.expire(10) == ("expired", 0, 0, 0)
    assert verbs.reserve("x", 10, 1_000)[-1] == 1
    assert verbs.commit("x")[:3] == ("committed", 10, 0)


def test_i1_i3_ten_thousand_overdue_holds_and_one_reserve(verbs: Verbs) -> None:
    terms = Terms(max_open_holds=20_000)
    verbs.load(Account(grants=[Grant("purchased", 10_000)], terms=terms))
    pipe = verbs.redis.pipeline(transaction=False)
    for number in range(10_000):
        pipe.execute_command(*verbs.command("reserve", f"h{number}", 1, 1_000, 0, 0))
    pipe.execute()
    verbs.wait(1_250)
    for calls in range(1, 200):
        answer = verbs.reserve("x", 1_000)
        if answer[0] == "reserved":
            break
        assert answer == ("throttled", "sweep", 1, 1_000, 64 * calls)
    assert calls == 16
    peek = verbs.peek(1)
    assert (peek["held"], peek["open_holds"]) == (10_000 - 16 * 64 + 1_000, 10_000 - 16 * 64 + 1)
    assert verbs.expire(1_000) == ("expired", 1_000, 1_000, 1)


def test_every_answer_of_every_header_is_reached(verbs: Verbs) -> None:
    """A fixed list of scenarios; each verb besides meets a wrong argument and a newer layout."""
    verbs.seen.clear()
    for verb in VERBS:
        if verb != "load":
            call(verbs, verb)
    plan = Terms(rate_per_second=1, burst=100, max_open_holds=3)
    verbs.load(Account(grants=[Grant("purchased", 1_000)], terms=plan))
    verbs.load(RICH)
    verbs.reserve("open", 10)
    verbs.reserve("open", 11)
    verbs.reserve("many", 10_000)
    verbs.extend("open", 10_000)
    verbs.extend("open", 900)
    verbs.extend("unknown", 1)
    verbs.reserve("fast", 100)
    verbs.spend("fast", 500)
    verbs.spend("many", 10_000)
    verbs.spend("open", 1)
    verbs.spend("spent", 1)
    verbs.pace(1)
    verbs.pace(1_000)
    verbs.commit("open", 5_000)
    verbs.commit("open")
    verbs.release("open")
    verbs.reserve("open", 10)
    verbs.extend("open", 10)
    verbs.reserve("back", 1, cost=0)
    verbs.extend("back", 2)
    verbs.release("back")
    verbs.release("mark")
    verbs.spend("mark", 1)
    verbs.commit("mark")
    for verb in ("record", "touch", "expire", "audit", "peek", "apply"):
        call(verbs, verb)
    verbs.apply("old", period_no=9)
    verbs.reserve("idle", 1, cost=0)
    verbs.apply("pause", status="paused")
    verbs.reserve("x", 1)
    verbs.spend("x", 1)
    verbs.extend("idle", 2)
    verbs.apply("on", status="active", coming=[Coming(2, START_MS, 0)])
    account = verbs.redis.get(verbs.keys.account)
    verbs.redis.set(verbs.keys.account, b"\2" + account[1:])
    for verb in VERBS:
        if verb != "load":
            with pytest.raises(Refused, match="GATE_LAYOUT"):
                call(verbs, verb)
    verbs.redis.set(verbs.keys.account, account)
    for verb, cases in BAD.items():
        with pytest.raises(Refused, match="GATE_BADARG"):
            verbs.run(verb, *cases[0][1])
    verbs.run("pace", 50)
    verbs.redis.delete(verbs.keys.account)
    verbs.load(Account(epoch=2))
    verbs.retire(1)
    verbs.retire(2)
    expected = {(verb, tag) for verb, header in HEADERS.items() for tag in header.answers}
    expected |= {(verb, "GATE_BADARG") for verb in BAD}
    expected |= {(verb, "GATE_LAYOUT") for verb in set(VERBS) - {"load"}}
    assert expected - verbs.seen == set()


def test_terms_cut_short_are_refused(verbs: Verbs) -> None:
    verbs.load(RICH)
    before = verbs.dump()
    for index, packed in ((6, pack_terms(Terms())[:-1]), (7, b"\1")):
        with pytest.raises(Refused):
            verbs.run("apply", *operation(index, packed))
    assert verbs.dump() == before


def test_headers_name_their_answers() -> None:
    assert all(re.fullmatch(r"[a-z_]+", tag) for h in HEADERS.values() for tag in h.answers)
