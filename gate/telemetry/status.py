"""How a deployment stands: what is booked, what waits, and whether a person is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from gate.domain.errors import GateError
from gate.domain.limits import ms_instant
from gate.hot.journal_state import count_behind, read_journals
from gate.hot.visit import meta_if_there, redis_now_ms, visiting
from gate.ledger.overview import read_overview

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.hot.journal_state import Behind, Journal
    from gate.ledger.overview import Overview, PartitionState

#: needs_person: something will not mend itself; cannot_tell: a server did not answer.
Verdict: TypeAlias = Literal["healthy", "needs_person", "cannot_tell"]

#: A ledger that is further behind is not about to catch up.
LAG_MAX_S: Final = 10.0


class PartitionStatus(NamedTuple):
    """A partition: its journal in Redis and its cursor in PostgreSQL; None: not known.

    `behind`: deltas that are not booked, `at_least`: that many or more; `lag_s`: the age of the
    oldest of them, 0: none. `kept_s`: the age of the oldest entry that the journal still has.
    `is_anchored`: whether the last booked entry is in the journal. `owner` None: nobody has it.
    """

    partition: int
    tag: str | None
    entries: int | None
    behind: int | None
    at_least: bool
    lag_s: float | None
    kept_s: float | None
    is_anchored: bool | None
    cursor: str | None
    booked: int | None
    booked_at: datetime | None
    owner: str | None
    oldest_hold_expires_at: datetime | None


class Status(NamedTuple):
    """`needs`: what a person has to do something about; `unknown`: what could not be found out, and
    why. `ledger` is what PostgreSQL told, None: nothing. `now` is Redis's clock, else PostgreSQL's.
    """

    verdict: Verdict
    needs: tuple[str, ...]
    unknown: tuple[str, ...]
    now: datetime | None
    partitions: tuple[PartitionStatus, ...]
    oldest_hold_expires_at: datetime | None
    ledger: Overview | None


class _Live(NamedTuple):
    """What Redis told."""

    now_ms: int
    journals: list[Journal]
    behind: dict[int, Behind]


async def read_status(redis_url: str | None, database_url: str | None) -> Status:
    """Looks at both servers; one that is away, or not named (None), is told in `unknown`."""
    unknown: list[str] = []
    overview: Overview | None = None
    if database_url is None:
        unknown.append("PostgreSQL was not named: give --database-url or PG_URL")
    else:
        try:
            overview = await read_overview(database_url)
        except GateError as error:
            unknown.append(str(error))
    live: _Live | None = None
    if redis_url is None:
        unknown.append("Redis was not named: give --redis-url or REDIS_URL")
    else:
        try:
            live = await _look_at_redis(redis_url, overview)
        except GateError as error:
            unknown.append(str(error))
        else:
            if live is None:
                unknown.append("no gate has used this Redis yet: it has no gate:meta")
    return _status(live, overview, unknown)


async def _look_at_redis(url: str, overview: Overview | None) -> _Live | None:
    async with visiting(url) as transport:
        meta = await meta_if_there(transport)
        if meta is None:
            return None
        now_ms, journals = await asyncio.gather(
            redis_now_ms(transport), read_journals(transport, meta)
        )
        behind: dict[int, Behind] = {}
        if overview is not None:
            cursors = {one.partition: one.entry_id or "" for one in overview.partitions}
            behind = await count_behind(transport, journals, cursors)
        return _Live(now_ms, journals, behind)


def _status(live: _Live | None, overview: Overview | None, unknown: list[str]) -> Status:
    partitions = tuple(_partitions(live, overview))
    needs = tuple(_needs(partitions, overview))
    holds = [
        one.oldest_hold_expires_at for one in partitions if one.oldest_hold_expires_at is not None
    ]
    now = overview.waiting.now if overview is not None else None
    return Status(
        "needs_person" if needs else "cannot_tell" if unknown else "healthy",
        needs,
        tuple(unknown),
        ms_instant(live.now_ms) if live is not None else now,
        partitions,
        min(holds, default=None),
        overview,
    )


def _partitions(live: _Live | None, overview: Overview | None) -> list[PartitionStatus]:
    journals = {one.partition: one for one in live.journals} if live is not None else {}
    booked = {one.partition: one for one in overview.partitions} if overview is not None else {}
    return [
        _partition(number, live, journals.get(number), booked.get(number))
        for number in sorted(journals.keys() | booked.keys())
    ]


def _partition(
    number: int, live: _Live | None, journal: Journal | None, state: PartitionState | None
) -> PartitionStatus:
    behind = live.behind.get(number) if live is not None else None
    now_ms = live.now_ms if live is not None else 0
    kept_s = lag_s = expires_at = None
    if journal is not None and journal.first_ms is not None:
        kept_s = max(0, now_ms - journal.first_ms) / 1000
    if behind is not None:
        lag_s = 0.0 if behind.oldest_ms is None else max(0, now_ms - behind.oldest_ms) / 1000
    if journal is not None and journal.first_hold_ms is not None:
        expires_at = ms_instant(journal.first_hold_ms)
    return PartitionStatus(
        partition=number,
        tag=journal.tag if journal is not None else None,
        entries=journal.entries if journal is not None else None,
        behind=behind.entries if behind is not None else None,
        at_least=behind is not None and behind.at_least,
        lag_s=lag_s,
        kept_s=kept_s,
        is_anchored=behind.is_anchored if behind is not None else None,
        cursor=state.entry_id or None if state is not None else None,
        booked=state.deltas if state is not None else None,
        booked_at=state.moved_at if state is not None else None,
        owner=state.owner if state is not None and state.is_leased else None,
        oldest_hold_expires_at=expires_at,
    )


def _needs(partitions: tuple[PartitionStatus, ...], overview: Overview | None) -> list[str]:
    needs = []
    late = [one for one in partitions if one.lag_s is not None and one.lag_s > LAG_MAX_S]
    if overview is not None:
        if not overview.reconcilers:
            needs.append("no reconciler is alive, nothing is booked: start `gate reconcile`")
        counts: Mapping[str, int] = {one.repair_state: one.accounts for one in overview.accounts}
        if stopped := counts.get("stopped", 0):
            names = [
                one.organization_id for one in overview.repairs if one.repair_state == "stopped"
            ]
            named = ", ".join(names[:3]) + (", …" if stopped > 3 else "")
            admit = _count(
                stopped, "account is stopped and admits", "accounts are stopped and admit"
            )
            needs.append(f"{admit} nothing ({named}): look with `gate drift ORG` at what differs")
        if quarantined := overview.waiting.quarantined:
            needs.append(
                f"{_count(quarantined, 'journal entry is', 'journal entries are')} in quarantine: "
                "they could not be booked; table quarantine says why"
            )
    if late:
        worst = max(late, key=lambda one: one.lag_s or 0)
        needs.append(
            f"the ledger is {worst.lag_s:,.0f} s behind in partition {worst.partition}"
            + (f" and late in {len(late) - 1} more" if len(late) > 1 else "")
            + ": see the reconciler's log, and whether PostgreSQL is slow"
        )
    return needs


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many}"
