"""What each verb does to an id in each state: the table of lua/README.md, section 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.oracle import Account, Grant
from tests.support.lua import START_MS, Refused

if TYPE_CHECKING:
    from tests.support.lua import Verbs

CREDITS = 1_000
TTL_MS = 1_000
EXPIRY = START_MS + TTL_MS


def bring_into(state: str, verbs: Verbs) -> None:
    """Brings the id x into a state."""
    if state in ("open", "overdue", "expired", "released", "committed"):
        verbs.reserve("x", 10, TTL_MS)
    match state:
        case "overdue":
            verbs.wait(TTL_MS)
        case "expired":
            verbs.wait(TTL_MS + 250)
            verbs.expire(10)
        case "released" | "mark":
            verbs.release("x")
        case "committed":
            verbs.commit("x", 7)
        case "spent":
            verbs.spend("x", 7)


VERBS = ("reserve", "extend", "commit", "release", "spend")
EXPIRED, RELEASED, COMMITTED = (
    ("settled", "expired", 0),
    ("settled", "released", 0),
    ("settled", "committed", 7),
)
LATE = ("committed", 7, 0, CREDITS - 7, 2, 1, 0)
SETTLED = ("committed", 7, 3, CREDITS - 7, 2, 0, 0)
AGAIN = ("committed", 7, 3, CREDITS - 7, 2, 0, 1)
SPENT = ("committed", 7, 0, CREDITS - 7, 2, 0, 0)
SPENT_AGAIN = ("committed", 7, 0, CREDITS - 7, 2, 0, 1)

TABLE = {
    "unknown": (
        ("reserved", 10, EXPIRY, CREDITS - 10, 25, 0),
        ("not_found",),
        LATE,
        ("not_found", 0),
        SPENT,
    ),
    "open": (
        ("reserved", 10, EXPIRY, CREDITS - 10, 25, 1),
        ("extended", 20, EXPIRY, CREDITS - 20),
        SETTLED,
        ("released", 10, "released", 0),
        ("conflict", "hold_id", 10),
    ),
    "overdue": (EXPIRED, EXPIRED, SETTLED, ("released", 10, "released", 0), EXPIRED),
    "expired": (EXPIRED, EXPIRED, LATE, ("released", 10, "expired", 1), EXPIRED),
    "released": (RELEASED, RELEASED, RELEASED, ("released", 10, "released", 1), RELEASED),
    "mark": (RELEASED, RELEASED, RELEASED, ("not_found", 1), RELEASED),
    "committed": (COMMITTED, COMMITTED, AGAIN, COMMITTED, AGAIN),
    "spent": (COMMITTED, COMMITTED, SPENT_AGAIN, COMMITTED, SPENT_AGAIN),
}


def changes(state: str, verb: str, answer: tuple) -> bool:
    """Whether this cell may leave other data behind than it found."""
    if answer[0] in ("settled", "conflict") or answer == ("not_found",):
        return False
    return answer in (LATE, SETTLED, SPENT) or answer[0] == "extended" or answer[-1] == 0


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", TABLE)
def test_i10_table_of_ids(verbs: Verbs, state: str, verb: str) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    bring_into(state, verbs)
    before = verbs.dump()
    calls = {
        "reserve": lambda: verbs.reserve("x", 10, TTL_MS),
        "extend": lambda: verbs.extend("x", 20),
        "commit": lambda: verbs.commit("x", 7, hold_credits=10),
        "release": lambda: verbs.release("x"),
        "spend": lambda: verbs.spend("x", 7),
    }
    expected = TABLE[state][VERBS.index(verb)]
    assert calls[verb]() == expected
    assert (verbs.dump() != before) == changes(state, verb, expected)


def test_i10_each_argument_that_must_be_equal(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("open", 10, least=5)
    verbs.reserve("x", 10)
    verbs.commit("x", 7)
    verbs.reserve("full", 10)
    verbs.commit("full")
    before = verbs.dump()
    assert verbs.reserve("open", 11, least=4) == ("conflict", "credits", 10)
    assert verbs.reserve("open", 10, least=4) == ("conflict", "min_credits", 5)
    assert verbs.reserve("open", 10) == ("conflict", "min_credits", 5)
    assert verbs.commit("x", 8) == ("conflict", "credits", 7)
    assert verbs.commit("x") == ("conflict", "credits", 7)
    assert verbs.commit("x", 7, part=1) == ("conflict", "part", 0)
    assert verbs.spend("x", 8) == ("conflict", "credits", 7)
    assert verbs.commit("full", 10)[0] == verbs.commit("full")[0] == "committed"
    assert verbs.dump() == before


def test_i3_a_release_that_overtakes_its_reserve(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    assert verbs.release("x") == ("not_found", 0)
    assert verbs.reserve("x", 10) == RELEASED
    assert verbs.peek(1)["held"] == 0


def test_i11_two_organizations_with_the_same_hold_id(verbs: Verbs) -> None:
    other = verbs.other("org_b")
    for one in (verbs, other):
        one.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("x", 10)
    before = {key: value for key, value in verbs.dump().items() if b"org_a" in key}
    assert other.extend("x", 20) == ("not_found",)
    assert other.reserve("x", 20)[0] == "reserved"
    assert other.commit("x", 20)[:3] == ("committed", 20, 0)
    assert other.release("y", sends="[1]") == ("not_found", 0)
    assert before == {key: value for key, value in verbs.dump().items() if b"org_a" in key}
    assert verbs.commit("x")[:3] == ("committed", 10, 0)


@pytest.mark.parametrize("minutes", [10, 19])
def test_ids_are_remembered_through_the_next_generation(verbs: Verbs, minutes: int) -> None:
    verbs.now_us -= verbs.now_us % 600_000_000  # the first instant of a generation
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.spend("x", 7)
    verbs.wait(minutes * 60_000 + 59_999)
    assert verbs.spend("x", 7)[-1] == 1
    verbs.wait(600_000)
    assert verbs.spend("x", 7)[-1] == 0


def test_partial_commits_asked_twice_and_out_of_order(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("x", 10)
    assert verbs.commit("x", 4, final=False, part=2) == ("conflict", "part", 1)
    assert verbs.commit("x", 4, final=False, part=1) == ("committed", 4, 0, 996, 2, 0, 0)
    before = verbs.dump()
    assert verbs.commit("x", 4, final=False, part=1) == ("committed", 4, 0, 996, 2, 0, 1)
    assert verbs.commit("x", 3, final=False, part=1) == ("conflict", "credits", 4)
    assert verbs.commit("x", 3, final=False, part=3) == ("conflict", "part", 2)
    assert verbs.dump() == before
    assert verbs.peek(1)["held"] == 6
    assert verbs.commit("x", 9, final=False, part=2) == ("committed", 9, 0, 987, 3, 0, 0)
    assert verbs.peek(1)["held"] == 0
    assert verbs.commit("x", 4, final=False, part=1) == ("conflict", "part", 3)
    assert verbs.commit("x", part=3) == ("committed", 0, 0, 987, 4, 0, 0)
    assert verbs.commit("x", part=3) == ("committed", 0, 0, 987, 4, 0, 1)
    assert verbs.peek(1)["open_holds"] == 0


def test_parts_go_on_after_the_hold_has_expired(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("x", 10, TTL_MS)
    verbs.commit("x", 4, final=False, part=1)
    verbs.wait(TTL_MS + 250)
    assert verbs.expire(1) == ("expired", 1, 6, 0)
    assert verbs.commit("x", 3, final=False, part=2) == ("committed", 3, 0, 993, 3, 1, 0)
    assert verbs.commit("x", 3, final=False, part=2) == ("committed", 3, 0, 993, 3, 1, 1)


def test_a_part_repeated_after_the_hold_has_expired_is_not_booked_again(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("x", 10, TTL_MS)
    verbs.commit("x", 4, final=False, part=1)
    verbs.wait(TTL_MS + 250)
    verbs.expire(1)
    assert verbs.commit("x", 4, final=False, part=1) == ("committed", 4, 0, 996, 2, 0, 1)


def test_commit_above_the_hold_and_its_bound(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", 10_000)]))
    verbs.reserve("x", 10)
    verbs.reserve("y", 2_000)
    before = verbs.dump()
    assert verbs.commit("x", 1_011) == ("conflict", "credits", 10)
    assert verbs.commit("y", 4_001) == ("conflict", "credits", 2_000)
    assert verbs.commit("late", 1_006, hold_credits=5) == ("conflict", "credits", 5)
    assert verbs.dump() == before
    assert verbs.commit("x", 1_010)[:3] == ("committed", 1_010, 0)
    assert verbs.commit("y", 4_000)[:3] == ("committed", 4_000, 0)
    assert verbs.commit("late", 1_005, hold_credits=5)[:3] == ("committed", 1_005, 0)
    assert verbs.commit("later", hold_credits=5)[:3] == ("committed", 5, 0)


def test_min_credits_grants_as_many_as_fit(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", 10)]))
    assert verbs.reserve("x", 20, least=11) == ("insufficient", 10, 11, -1)
    assert verbs.reserve("x", 20) == ("insufficient", 10, 20, -1)
    assert verbs.reserve("x", 20, least=10)[:2] == ("reserved", 10)
    assert verbs.reserve("x", 20, least=10)[:2] == ("reserved", 10)
    assert verbs.reserve("y", 20, least=1)[0] == "insufficient"


def test_i3_a_late_commit_is_known_beside_the_older_record_of_its_expiry(verbs: Verbs) -> None:
    """An id that expired in one generation and is committed in the next has a record in both."""
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("x", 10, 1_000)
    verbs.wait(1_250)
    assert verbs.expire(10) == ("expired", 1, 10, 0)
    verbs.wait(600_000)
    assert verbs.run("commit", "x", 10, 10) == ("committed", 10, 0, 990, 2, 1, 0)
    before = verbs.dump()
    assert verbs.run("commit", "x", 10, 10) == ("committed", 10, 0, 990, 2, 1, 1)
    assert verbs.release("x") == ("settled", "committed", 10)
    assert verbs.reserve("x", 10) == ("settled", "committed", 10)
    assert verbs.extend("x", 11) == ("settled", "committed", 10)
    assert verbs.spend("x", 10) == ("committed", 10, 0, 990, 2, 1, 1)
    assert verbs.dump() == before


def test_i3_late_parts_are_known_in_the_generation_after(verbs: Verbs) -> None:
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    assert verbs.commit("y", 4, 10, final=False, part=1)[:2] == ("committed", 4)
    verbs.wait(600_000)
    assert verbs.commit("y", 5, 10, final=False, part=2) == ("committed", 5, 0, 991, 3, 1, 0)
    assert verbs.commit("y", 5, 10, final=False, part=2) == ("committed", 5, 0, 991, 3, 1, 1)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("reserve", ("f", "1.5", 60_000)),
        ("reserve", ("f", 1, "60000.5")),
        ("reserve", ("f", "1.5", "60000.5")),
        ("reserve", ()),
        ("commit", ("f", "1.5", 7)),
        ("commit", ("f", "0.5", "7.5")),
        ("commit", ()),
        ("extend", ("open", "7.5", 0)),
        ("extend", ()),
        ("spend", ("f", "1.5")),
        ("spend", ()),
        ("release", ()),
        ("record", ()),
        ("pace", ("1.5",)),
        ("pace", ()),
    ],
)
def test_short_calls_refuse_fractions_and_nothing(
    verbs: Verbs, verb: str, arguments: tuple[object, ...]
) -> None:
    """The arguments that a plain call sends take a way of their own through the scripts."""
    verbs.load(Account(grants=[Grant("purchased", CREDITS)]))
    verbs.reserve("open", 5)
    before = verbs.dump()
    with pytest.raises(Refused, match=r"^GATE_BADARG "):
        verbs.run(verb, *arguments)
    assert verbs.dump() == before
