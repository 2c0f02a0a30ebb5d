"""Accounts as they are to be put into Redis, each read under an epoch of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from gate.domain.accounts import (
    GRANT_KINDS,
    GRANTS_MAX,
    AccountState,
    ComingPeriod,
    FrozenReason,
    Grant,
    GrantKind,
    Status,
    Terms,
)
from gate.domain.errors import BadArgument, ContractError
from gate.ledger.connection import Connection
from gate.ledger.statement import load_statement

#: ready: load it, nobody else is given it for two seconds; behind: the journal is not booked up to
#: its end, or the account is in repair; claimed: another loader has it; unknown: there is none.
LoadAnswer: TypeAlias = Literal["ready", "behind", "claimed", "unknown"]

_TERMS_FIELDS: Final = tuple(Terms.__dataclass_fields__)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


class Loadable(NamedTuple):
    """What PostgreSQL says to a loader. `partition` is None if unknown, `state` unless ready."""

    answer: LoadAnswer
    partition: int | None
    state: AccountState | None


class CreditsLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `account_grant`: any number of credits, and when they expire."""

    kind: GrantKind
    credits: int
    expires_at: datetime | None = None


async def load_account(
    connection: Connection, organization_id: str, journal_end: str, *, repairing: bool = False
) -> Loadable:
    """Allot an epoch and read an account that was seen to be absent from Redis.

    `journal_end`: the last id of its partition's journal (`<ms>-<number>`, `0-0` if there is none),
    read after that. `repairing`, for who books: accounts in repair and claimed ones too.
    Raises Unavailable, and ContractError where the row says what no account can be.
    """
    statement = load_statement("load_account")
    row = await statement.fetch_one(connection, _Row, organization_id, journal_end, repairing)
    if row is None:
        raise ContractError(f"load_account gave no row for {organization_id}")
    return Loadable(row.answer, row.partition, _state(row) if row.answer == "ready" else None)


async def load_accounts(
    connection: Connection,
    partition: int,
    journal_end: str,
    organization_ids: Sequence[str],
    *,
    refused: Callable[[ContractError], object] | None = None,
) -> list[AccountState]:
    """As `load_account` with `repairing`, for many organizations of one partition: those that are
    ready, in no order; none if the journal is not booked up to `journal_end`.

    An account that cannot be loaded is told to `refused`; without that, it raises ContractError.
    """
    statement = load_statement("load_accounts")
    names = list(organization_ids)
    states = []
    for row in await statement.fetch(connection, _Row, partition, journal_end, names):
        if row.answer == "ready":
            try:
                states.append(_state(row))
            except ContractError as error:
                if refused is None:
                    raise
                refused(error)
    return states


def fit_grants(left: Iterable[CreditsLeft]) -> tuple[tuple[Grant, ...], int]:
    """The grants that an account can have where its row says `left`, and the debt that remains, so
    that posted stays what it is.

    Empty ones are left out. What is missing below 0 is taken from the others, those that expire
    first before all; the rest is debt. Of more than 16 those of equal kind that expire closest to
    each other become one, with the later instant.
    """
    rows = sorted((one for one in left if one.credits), key=_burns_at)
    owed = -sum(one.credits for one in rows if one.credits < 0)
    grants = []
    for one in rows:
        credits = max(0, one.credits)
        taken = min(owed, credits)
        owed -= taken
        if credits > taken:
            credits -= taken
            grants.append(Grant(kind=one.kind, credits=credits, expires_at=one.expires_at))
    while len(grants) > GRANTS_MAX:
        _merge_nearest(grants)
    return tuple(grants), owed


class _Row(NamedTuple):
    """The columns of both statements; but for the first two they are None unless ready."""

    organization_id: str
    answer: LoadAnswer
    partition: int | None
    epoch: int
    seq: int
    overage: int
    debt: int
    used: int
    warned_percent: int
    allowance: int
    status: Status
    frozen_reason: FrozenReason | None
    grace_until: datetime | None
    period_no: int
    starts_at: datetime | None
    ends_at: datetime | None
    terms: Any
    coming: Any
    grants: Any


def _state(row: _Row) -> AccountState:
    try:
        terms = msgspec.convert(row.terms, Terms)
        grants, owed = fit_grants(msgspec.convert(row.grants, list[CreditsLeft]))
        return AccountState(
            row.organization_id,
            **{name: getattr(terms, name) for name in _TERMS_FIELDS},
            status=row.status,
            frozen_reason=row.frozen_reason,
            grace_until=row.grace_until,
            grants=grants,
            overage=row.overage,
            debt=row.debt + owed,
            used=row.used,
            warned_percent=row.warned_percent,
            allowance=row.allowance,
            period_no=row.period_no,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            coming=msgspec.convert(row.coming, tuple[ComingPeriod, ...]),
            epoch=row.epoch,
            seq=row.seq,
        )
    except (BadArgument, msgspec.ValidationError) as error:
        raise ContractError(
            f"the account of {row.organization_id} in PostgreSQL cannot be loaded: {error}"
        ) from error


def _burns_at(one: CreditsLeft | Grant) -> tuple[datetime, int]:
    return one.expires_at or _LAST, GRANT_KINDS.index(one.kind)


def _merge_nearest(grants: list[Grant]) -> None:
    pairs = [
        pair
        for kind in GRANT_KINDS
        for pair in pairwise([grant for grant in grants if grant.kind == kind])
    ]
    earlier, later = min(pairs, key=_distance)
    grants.remove(earlier)
    merged = replace(later, credits=earlier.credits + later.credits)
    grants[grants.index(later)] = merged


def _distance(pair: tuple[Grant, Grant]) -> timedelta:
    earlier, later = pair
    return (later.expires_at or _LAST) - (earlier.expires_at or _LAST)
