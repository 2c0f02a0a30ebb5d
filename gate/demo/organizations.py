"""The organizations of the demo: one for each way in which an admission can end."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from gate.demo.errors import DemoError
from gate.domain.accounts import COMING_MAX, AccountState, ComingPeriod, Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Ends the address of every demo organization: news@small.example.com is org_small's.
DOMAIN = "example.com"

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.-]+")
_ID_LENGTH_MAX = 128
#: Of the pack that org_pack bought: within the month or not, it is used first if it ends first.
_PACK_LIFETIME = timedelta(days=2)
#: Terms of an organization that only somebody's mbox knows: enough not to end the run.
_STRANGER_CREDITS = 1_000_000
_STRANGER_RATE_PER_SECOND = 1_000


def refuse_production(environ: Mapping[str, str]) -> None:
    """Raises DemoError where real customers are."""
    if environ.get("NODE_ENV") == "production":
        raise DemoError("NODE_ENV=production loads no demo organizations: unset it, or use another")


class Demo(NamedTuple):
    """An account to load, and in a few words what it shows."""

    state: AccountState
    shows: str


def demo_organizations(now: datetime) -> dict[str, Demo]:
    """All of them by id. Their periods are calendar months in UTC, known for most of a year."""
    demos = (
        Demo(_monthly(now, 5_000, AccountState("org_demo", rate_per_second=500)), "healthy"),
        Demo(_monthly(now, 25, AccountState("org_small", rate_per_second=500)), "25 a month"),
        Demo(_monthly(now, 1_000, AccountState("org_slow", rate_per_second=20)), "20 a second"),
        Demo(
            _monthly(now, 1_000, AccountState("org_paused", rate_per_second=500, status="paused")),
            "paused",
        ),
        Demo(
            _monthly(
                now,
                12,
                AccountState(
                    "org_pack",
                    rate_per_second=500,
                    overage_limit=40,
                    max_rollover_credits=20,
                    grants=[
                        Grant(kind="rollover", credits=8),
                        Grant(kind="purchased", credits=10, expires_at=now + _PACK_LIFETIME),
                    ],
                ),
            ),
            "rollover, pack, overage",
        ),
    )
    return {demo.state.organization_id: demo for demo in demos}


def stranger(organization_id: str) -> Demo:
    """An organization that is in the mail and not among the demo's."""
    state = AccountState(
        organization_id,
        rate_per_second=_STRANGER_RATE_PER_SECOND,
        grants=[Grant(kind="base", credits=_STRANGER_CREDITS)],
    )
    return Demo(state, "default terms")


def organization_of(domain: str) -> str:
    """The organization that sends from `domain`: org_small for small.example.com, and for other
    domains one named after it."""
    name = _NOT_IN_ID.sub("-", domain.lower().removesuffix(f".{DOMAIN}")).strip(".-")
    return f"org_{name or 'unknown'}"[:_ID_LENGTH_MAX]


def _monthly(now: datetime, allowance: int, state: AccountState) -> AccountState:
    """`state` within this month, its allowance given, and the months after it."""
    starts = [_month_start(now, months) for months in range(COMING_MAX + 2)]
    return replace(
        state,
        grants=[*state.grants, Grant(kind="base", credits=allowance)],
        starts_at=starts[0],
        ends_at=starts[1],
        coming=[
            ComingPeriod(period_no=number, ends_at=ends_at, allowance=allowance)
            for number, ends_at in enumerate(starts[2:], start=2)
        ],
    )


def _month_start(now: datetime, months: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
