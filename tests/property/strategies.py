"""Random accounts and steps: few ids, small numbers, and instants just beside those that matter."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.oracle import NEVER, Account, Change, Coming, Grant, Terms
from tests.property.play import Step
from tests.support.lua import START_MS

IDS = st.sampled_from(["a", "b", "c", "d", "eml_42.2"])
OPERATIONS = st.sampled_from([f"op{n}" for n in range(8)])
CREDITS = st.sampled_from([1, 1, 2, 3, 5, 10, 40, 100, 900, 1_000, 1_001, 2_500, 2**31 + 5])
SPENT = st.sampled_from([-1, -1, 0, 1, 2, 3, 5, 10, 40, 100, 1_001, 1_010, 2_000, 4_000])
TTL_MS = st.sampled_from([1_000, 1_001, 1_250, 5_000, 60_000, 700_000, 604_800_000])
COST = st.sampled_from([-1, -1, -1, 0, 1, 7, 60, 1_000_000_000])
TEXT = st.sampled_from(["", "", "", "ref", "é" * 20])
SENDS = st.sampled_from(["", "", "", "[1]"])
COST_MAX = 1_000_000_000
DAY = 86_400_000
LATER = st.sampled_from([1, 500, 5_000, 60_000, 300_000, DAY, DAY + 1, 40 * DAY])
MARKS = st.sampled_from(
    ["expiry", "expiry", "expiry", "change", "change", "end", "last", "grace", "generation"]
)
OFFSETS = st.sampled_from([-1, 0, 0, 1, 249, 250, 250, 251, 1_000])


def terms() -> st.SearchStrategy[Terms]:
    """Plans, most of them generous in all but one thing."""
    return st.builds(
        Terms,
        config_version=st.integers(1, 4),
        overage_limit=st.sampled_from([0, 0, 5, 100, 1_000]),
        rate_per_second=st.sampled_from([1, 7, 50, 333_333, 10**6]),
        burst=st.sampled_from([1, 10, 500, 10**6, 10**6, 10**6]),
        rate_per_minute=st.sampled_from([0, 0, 0, 7, 600]),
        rate_per_hour=st.sampled_from([0, 0, 0, 100, 36_000]),
        strict_burst=st.booleans(),
        max_open_holds=st.sampled_from([1, 2, 3, 100]),
        max_attachment_size_mb=st.integers(0, 30),
        max_debt=st.sampled_from([0, 10, 10_000]),
        max_rollover=st.sampled_from([-1, 0, 10, 10_000]),
        warn_percents=st.sampled_from([(), (80, 100), (50, 80, 100), (1, 99), (100, 120)]),
    )


STATUS = st.sampled_from(
    [("", "")] * 6
    + [
        ("active", ""),
        ("active", ""),
        ("trialing", ""),
        ("past_due", ""),
        ("past_due", ""),
        ("paused", ""),
        ("cancelled", ""),
        ("frozen", "repair"),
        ("frozen", "debt"),
    ]
)


def coming_periods() -> st.SearchStrategy[list[Coming]]:
    """Up to three periods, `ends_at` being their length; the rest is worked out later."""
    period = st.builds(
        Coming,
        period_no=st.just(0),
        ends_at=st.sampled_from([0, 1, 700, 5_000, 60_000, DAY, 30 * DAY]),
        allowance=st.sampled_from([0, 10, 100, 1_000]),
        status=st.sampled_from(["", "", "", "active", "cancelled", "past_due"]),
        terms=st.one_of(st.none(), terms()),
    )
    return st.lists(period, max_size=3)


def grants() -> st.SearchStrategy[list[Grant]]:
    """Grants as an account is loaded with: none that would merge with another."""
    grant = st.builds(
        Grant,
        source=st.sampled_from(["rollover", "base", "base", "purchased"]),
        left=st.sampled_from([1, 10, 100, 1_000, 2**40]),
        expires_at=st.one_of(st.just(NEVER), LATER.map(lambda ms: START_MS + ms)),
    )
    return st.lists(grant, max_size=5, unique_by=lambda g: (g.source, g.expires_at // DAY))


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Accounts as PostgreSQL may know them."""
    status, reason = draw(STATUS)
    ends_at = draw(st.sampled_from([NEVER, START_MS + 3_000, START_MS + 60_000, START_MS + DAY]))
    coming, number, end = [], 3, ends_at
    for period in draw(coming_periods()) if ends_at != NEVER else []:
        number, end = number + 1, min(NEVER, end + period.ends_at)
        coming.append(Coming(number, end, period.allowance, period.status, period.terms))
    return Account(
        epoch=draw(st.integers(1, 3)),
        seq=draw(st.integers(0, 5)),
        period_no=3,
        started_at=START_MS - DAY,
        ends_at=ends_at,
        status=status or "active",
        reason=reason,
        grace_until=draw(st.sampled_from([0, START_MS + 2_000, START_MS + 70_000])),
        terms=draw(terms()),
        grants=draw(grants()),
        coming=coming,
        overage=draw(st.sampled_from([0, 0, 0, 3, 50])),
        debt=draw(st.sampled_from([0, 0, 0, 0, 20])),
        used=draw(st.sampled_from([0, 0, 70])),
        warn_basis=draw(st.sampled_from([0, 100, 333, 1_000])),
    )


def changes() -> st.SearchStrategy[Change]:
    """What operations give and take."""
    gives = st.builds(
        Change,
        entry=st.sampled_from(["credit_purchased", "plan_change", "refund"]),
        source=st.sampled_from(["rollover", "base", "purchased"]),
        credits=CREDITS,
        expires_at=st.one_of(st.just(NEVER), LATER),
    )
    takes = st.builds(
        Change,
        entry=st.sampled_from(["manual_adjustment", "plan_change", "refund"]),
        source=st.sampled_from(["", "rollover", "base", "purchased"]),
        credits=CREDITS.map(lambda credits: -credits),
        rest_to_debt=st.booleans(),
    )
    return st.one_of(gives, takes)


@st.composite
def operations(draw: st.DrawFn) -> Step:
    """`apply` with a few of its arguments given."""
    given: dict[str, object] = {"id": draw(OPERATIONS)}
    for name in draw(
        st.lists(
            st.sampled_from(["changes", "changes", "status", "terms", "coming", "ends", "grace"]),
            min_size=1,
            max_size=3,
        )
    ):
        match name:
            case "changes":
                given["changes"] = draw(st.lists(changes(), min_size=1, max_size=3))
            case "status":
                status, reason = draw(STATUS)
                given |= {"status": status, "status_reason": reason}
            case "terms":
                given["terms"] = draw(terms())
            case "coming":
                given["coming"] = draw(coming_periods())
            case "ends":
                given["ends_in"] = draw(st.sampled_from([None, 1_000, 5_000, 60_000, DAY]))
            case "grace":
                given["grace_in"] = draw(st.sampled_from([-1_000, 1_000, 60_000]))
    given["period_off"] = draw(st.sampled_from([0, 0, 0, -(10**9), -1, 1]))
    if draw(st.integers(0, 4)) == 0:
        given["reference"] = given["reason"] = "why"
    return Step("apply", given)


def call(verb: str, **arguments: st.SearchStrategy) -> st.SearchStrategy[Step]:
    """A step of one verb. More credits than a cost may be need a cost of their own."""

    def step(given: dict) -> Step:
        if given.get("cost") == -1 and given["credits"] > COST_MAX:
            given["cost"] = 1
        return Step(verb, given)

    return st.fixed_dictionaries(arguments).map(step)


RESERVE = call(
    "reserve",
    id=IDS,
    credits=CREDITS,
    ttl_ms=TTL_MS,
    least=st.sampled_from([0, 0, 1]),
    cost=COST,
    reference=TEXT,
    sends=SENDS,
)
COMMIT = call(
    "commit",
    id=IDS,
    credits=SPENT,
    hold_credits=st.sampled_from([0, 1, 5, 100]),
    final=st.just(True),
    part=st.sampled_from([0, 0, 0, 1, 2, 3]),
    reference=TEXT,
    sends=SENDS,
)
PART = call(
    "commit",
    id=IDS,
    credits=SPENT.map(abs),
    hold_credits=st.sampled_from([0, 1, 5, 100]),
    final=st.just(False),
    part=st.sampled_from([1, 1, 2, 2, 3]),
    sends=SENDS,
)
CLOCK = st.one_of(
    st.sampled_from([1, 1_000, 1_000_000, 17_000_000, 599_000_000, 1_300_000_000]).map(
        lambda us: Step("clock", {"us": us})
    ),
    st.sampled_from([-1, -700, -1_000_000, -300_000_000]).map(lambda us: Step("clock", {"us": us})),
)
UNTIL = st.builds(
    lambda mark, offset, us: Step("until", {"mark": mark, "offset": offset, "us": us}),
    MARKS,
    OFFSETS,
    st.sampled_from([0, 0, 1, 999]),
)
STEPS = st.one_of(
    RESERVE,
    RESERVE,
    RESERVE,
    COMMIT,
    COMMIT,
    PART,
    call(
        "extend",
        id=IDS,
        to_credits=st.sampled_from([0, 1, 3, 10, 500]),
        ttl_ms=st.sampled_from([0, 1_000, 60_000]),
    ),
    call("release", id=IDS, reason=TEXT, sends=SENDS),
    call(
        "spend",
        id=IDS,
        credits=st.one_of(st.just(0), CREDITS),
        cost=COST,
        reference=TEXT,
        sends=SENDS,
    ),
    operations(),
    operations(),
    UNTIL,
    UNTIL,
    CLOCK,
    st.one_of(
        call("pace", cost=st.sampled_from([1, 5, 70, 10**9])),
        call("record", sends=st.just("[3]")),
        call("touch"),
        call("expire", limit=st.sampled_from([1, 2, 1_000])),
        call("audit"),
        call("retire", epoch=st.sampled_from([0, 0, 1, -1])),
        call("load"),
    ),
)
