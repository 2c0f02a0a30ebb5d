"""The packed account by name, as the scripts wrote it and as `peek` says it."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import AccountState, ComingPeriod, Grant, Terms
from gate.domain.errors import ContractError
from gate.hot.layout import HEAD, pack_account, pack_coming, pack_terms
from gate.hot.live_account import LiveAccount, LiveComing, LiveGrant, unpack_account
from tests import oracle
from tests.property.profile import profile
from tests.property.strategies import accounts
from tests.support import lua
from tests.support.lua import START_MS, Verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 2**48 - 1
DAY = 86_400_000
START = datetime.fromtimestamp(START_MS / 1000, UTC)
POSTED_AT = 96

STATE = AccountState(
    "org_a",
    rate_per_second=50,
    burst=70,
    rate_per_minute=600,
    rate_per_hour=9_000,
    strict_burst=True,
    overage_limit=20,
    max_open_holds=9,
    max_attachment_size_mb=30,
    max_debt=40,
    max_rollover_credits=500,
    warn_at=(10, 80, 100),
    config_version=7,
    status="trialing",
    grants=[
        Grant(kind="purchased", credits=30, expires_at=START + timedelta(days=3)),
        Grant(kind="base", credits=100),
        Grant(kind="purchased", credits=7),
    ],
    used=3,
    period_no=4,
    starts_at=START - timedelta(days=1),
    ends_at=START + timedelta(days=9),
    coming=[
        ComingPeriod(
            period_no=5,
            ends_at=START + timedelta(days=40),
            allowance=100,
            terms=Terms(rate_per_second=9, config_version=8, warn_at=()),
        ),
        ComingPeriod(
            period_no=6, ends_at=START + timedelta(days=40), allowance=0, status="cancelled"
        ),
    ],
    epoch=2,
    seq=11,
)


@pytest.fixture
def verbs(redis_url: str) -> Iterator[Verbs]:
    """An empty Redis and nothing loaded."""
    with Verbs(redis_url) as verbs:
        yield verbs


def packed(verbs: Verbs) -> bytes:
    found = verbs.redis.get(verbs.keys.account)
    assert isinstance(found, bytes)
    return found


def seen(verbs: Verbs) -> LiveAccount:
    """The account, which has to be up to now and say what `peek` says."""
    live, peeked = unpack_account(packed(verbs)), verbs.peek(1)
    terms = live.terms
    stated = {
        **live._asdict(),
        "tag": "account",
        "reason": live.frozen_reason or "",
        "started_at_ms": live.starts_at_ms,
        "warn_basis": live.allowance,
        "overage_limit": terms.overage_limit,
        "rate_per_second": terms.rate_per_second,
        "burst": terms.burst,
        "rate_per_minute": terms.rate_per_minute or 0,
        "rate_per_hour": terms.rate_per_hour or 0,
        "strict_burst": int(terms.strict_burst),
        "max_open_holds": terms.max_open_holds or 0,
        "max_attachment_size_mb": terms.max_attachment_size_mb,
        "max_debt": terms.max_debt,
        "grants": [*live.grants],
        "coming": [
            one._replace(status=one.status or "", config_version=one.config_version or 0)
            for one in live.coming
        ],
    }
    of_now = "verdict limit retry_after_ms required available tokens next_expiry_ms"
    unsaid = {*of_now.split(), "next_change_at_ms"} | (set() if live.frozen_reason else {"reason"})
    assert {name: stated[name] for name in peeked.keys() - unsaid} == {
        name: value for name, value in peeked.items() if name not in unsaid
    }
    assert terms.config_version == live.config_version
    return live


def test_loaded__is_all_that_was_given(verbs: Verbs) -> None:
    verbs.run("load", pack_account(STATE))
    assert seen(verbs) == LiveAccount(
        epoch=2,
        seq=12,
        period_no=4,
        config_version=7,
        status="trialing",
        frozen_reason=None,
        posted=137,
        held=0,
        open_holds=0,
        overage=0,
        debt=0,
        used=3,
        warned_percent=0,
        allowance=100,
        starts_at_ms=START_MS - DAY,
        ends_at_ms=START_MS + 9 * DAY,
        grace_until_ms=0,
        grants=(
            LiveGrant("purchased", 30, START_MS + 3 * DAY),
            LiveGrant("base", 100, NEVER),
            LiveGrant("purchased", 7, NEVER),
        ),
        coming=(
            LiveComing(5, START_MS + 40 * DAY, 100, None, 8),
            LiveComing(6, START_MS + 40 * DAY, 0, "cancelled", None),
        ),
        terms=Terms(
            rate_per_second=50,
            burst=70,
            rate_per_minute=600,
            rate_per_hour=9_000,
            strict_burst=True,
            overage_limit=20,
            max_open_holds=9,
            max_attachment_size_mb=30,
            max_debt=40,
            max_rollover_credits=500,
            warn_at=(10, 80, 100),
            config_version=7,
        ),
    )


def test_loaded_with_little__the_rest_is_none(verbs: Verbs) -> None:
    verbs.run("load", pack_account(AccountState("org_a", rate_per_second=5)))
    live = seen(verbs)
    assert (live.starts_at_ms, live.ends_at_ms, live.grants, live.coming) == (0, NEVER, (), ())
    assert live.terms == Terms(rate_per_second=5, burst=5)


@given(account=accounts())
@profile(60)
def test_any_account__is_as_peek_says(verbs: Verbs, account: oracle.Account) -> None:
    verbs.redis.delete(verbs.keys.account)
    verbs.load(account)
    assert pack_terms(seen(verbs).terms) == lua.pack_terms(account.terms)


def test_worked_on__held_used_warned_debt_and_frozen(verbs: Verbs) -> None:
    verbs.run("load", pack_account(STATE))
    verbs.reserve("a", 5, cost=0)
    verbs.reserve("b", 9_000, least=1, cost=0)
    live = seen(verbs)
    assert (live.held, live.open_holds, live.used) == (157, 2, 3)
    verbs.commit("a", 3)
    verbs.commit("b")
    live = seen(verbs)
    assert (live.used, live.warned_percent, live.overage, live.debt) == (158, 100, 18, 0)
    assert (live.posted, live.grants) == (-18, ())
    verbs.commit("late", 50, 50)
    live = seen(verbs)
    assert (live.overage, live.debt, live.posted) == (20, 48, -68)
    assert (live.status, live.frozen_reason) == ("frozen", "debt")


def test_applied__terms_coming_and_status(verbs: Verbs) -> None:
    verbs.run("load", pack_account(STATE))
    slow = Terms(rate_per_second=1, config_version=9, max_open_holds=None)
    coming = [ComingPeriod(period_no=5, ends_at=None, allowance=8, status="active", terms=slow)]
    arguments = ("op_1", 0, 3, 0, START_MS + DAY, -1, pack_terms(slow), pack_coming(coming))
    verbs.run("apply", *arguments, "", "")
    live = seen(verbs)
    assert (live.status, live.grace_until_ms) == ("past_due", START_MS + DAY)
    assert live.coming == (LiveComing(5, NEVER, 8, "active", 9),)
    assert live.terms == replace(slow, burst=1)
    assert live.warned_percent == 0


def test_turned__the_period_that_runs(verbs: Verbs) -> None:
    verbs.run("load", pack_account(STATE))
    verbs.wait(9 * DAY)
    assert unpack_account(packed(verbs)).period_no == 4, "nothing is brought up to now"
    verbs.touch()
    live = seen(verbs)
    assert (live.period_no, live.used, live.config_version) == (5, 0, 8)
    assert (live.starts_at_ms, live.ends_at_ms) == (START_MS + 9 * DAY, START_MS + 40 * DAY)
    assert [grant.kind for grant in live.grants] == ["rollover", "base", "purchased"]
    assert live.coming == (LiveComing(6, START_MS + 40 * DAY, 0, "cancelled", None),)


@pytest.mark.parametrize("layout", [b"", b"\0", b"\2", b"\xff"])
def test_another_layout__is_refused(layout: bytes) -> None:
    with pytest.raises(ContractError, match="account of layout"):
        unpack_account(layout)


def test_cut_off_or_too_long__is_refused() -> None:
    whole = pack_account(STATE)
    unpack_account(whole)
    for damaged in [*(whole[:size] for size in range(1, len(whole))), whole + b"\0"]:
        with pytest.raises(ContractError, match="cannot be read"):
            unpack_account(damaged)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 0.5])
def test_posted_that_is_no_whole_number__is_refused(number: float) -> None:
    whole = pack_account(STATE)
    assert HEAD.unpack(whole)[0][21] == 0
    damaged = whole[:POSTED_AT] + struct.pack("<d", number) + whole[POSTED_AT + 8 :]
    with pytest.raises(ContractError, match="cannot be read"):
        unpack_account(damaged)


@given(place=st.integers(1, len(pack_account(STATE)) - 1), value=st.binary(min_size=1, max_size=2))
@profile(500)
def test_damaged__is_read_or_refused(place: int, value: bytes) -> None:
    whole = pack_account(STATE)
    with suppress(ContractError):
        unpack_account(whole[:place] + value + whole[place + len(value) :])
