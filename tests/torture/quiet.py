"""When the storm is over: has everything come to rest, and do both sides agree?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import redis

from gate import Account, Gate
from gate.domain.errors import ContractError, GateError
from gate.domain.limits import NEVER_MS
from gate.hot.live_account import unpack_account
from tests.torture.stand import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.hot.live_account import LiveAccount
    from tests.torture.stand import Stand

POLL_S: Final = 0.1
_DAY_MS: Final = 86_400_000
_ROWS: Final = """
SELECT a.organization_id, epoch, seq, posted, overage, debt, used, status, period_no, held,
       repair_state, repair_reason, (terms ->> 'config_version')::bigint AS config_version,
       coalesce((SELECT jsonb_object_agg(kind || ' ' || coalesce(
                     floor(extract(epoch FROM expires_at) / 86400)::bigint, $1), credits_left)
                 FROM account_grant g WHERE g.organization_id = a.organization_id), '{}') AS grants,
       (SELECT count(*) FROM operation o WHERE o.organization_id = a.organization_id
            AND o.status IN ('pending', 'applied')) AS operations,
       (SELECT count(*) FROM drift_report d WHERE d.organization_id = a.organization_id
            AND d.resolved_at IS NULL) AS reports
FROM account a WHERE organization_id = ANY ($2) ORDER BY organization_id
"""
_CURSORS: Final = "SELECT partition, entry_id FROM journal_cursor"
_SAME: Final = (
    *("epoch", "seq", "posted", "overage", "debt", "used", "status", "period_no"),
    "config_version",
)


async def converge(stand: Stand, organizations: Sequence[str], within_s: float) -> float:
    """Waits until nothing is on its way and both sides are equal; the seconds that it took.

    Raises AssertionError with what is not at rest, if it takes longer.
    """
    started = monotonic()
    reasons = ["not looked at"]
    while reasons:
        if monotonic() - started > within_s:
            raise AssertionError(f"not at rest after {within_s:g} s:\n  " + "\n  ".join(reasons))
        await asyncio.sleep(POLL_S)
        try:
            reasons = await _unrest(stand, organizations)
        except (GateError, redis.RedisError, OSError) as error:
            reasons = [f"a server is away: {error}"]
    return monotonic() - started


async def _unrest(stand: Stand, organizations: Sequence[str]) -> list[str]:
    async with Gate.connect(
        stand.redis_url, database_url=stand.database_url, partitions=PARTITIONS
    ) as gate:
        # Whoever is not there is loaded when somebody asks.
        for name in organizations:
            with suppress(GateError):
                assert isinstance(await gate.peek(name), Account)
    async with stand.database() as connection:
        never_day = NEVER_MS // _DAY_MS
        rows = await connection.fetch(_ROWS, never_day, list(organizations))
        cursors = {row["partition"]: row["entry_id"] for row in await connection.fetch(_CURSORS)}
    with stand.store() as store:
        reasons = list(_in_journals(stand, store, cursors))
        for row in rows:
            said = "; ".join(_differences(stand, store, dict(row)))
            if said:
                reasons.append(f"{row['organization_id']}: {said}")
    return reasons


def _in_journals(stand: Stand, store: redis.Redis, cursors: dict[int, str]) -> Iterator[str]:
    for part, key in enumerate(stand.journals):
        last = store.xrevrange(key, count=1)
        if last and last[0][0].decode() != cursors.get(part):
            yield f"partition {part} is booked up to {cursors.get(part)}, not {last[0][0]}"


def _differences(stand: Stand, store: redis.Redis, row: dict[str, Any]) -> Iterator[str]:
    keys = stand.keys_of(row["organization_id"])
    if row["repair_state"] != "ok":
        yield f"{row['repair_state']} ({row['repair_reason']})"
    if row["operations"]:
        yield f"{row['operations']} operations are on their way"
    if row["reports"]:
        yield f"{row['reports']} reports are open"
    if store.exists(keys.holds, keys.details, keys.operations):
        yield (
            f"{store.zcard(keys.holds)} holds, {store.hlen(keys.details)} details, "
            f"{store.hlen(keys.operations)} marks"
        )
    packed = store.get(keys.account)
    if packed is None:
        yield "is not in Redis"
        return
    try:
        live = unpack_account(packed)
    except ContractError as error:
        yield str(error)
        return
    for name in _SAME:
        if getattr(live, name) != row[name]:
            yield f"{name}: live {getattr(live, name)}, booked {row[name]}"
    if (live.held, live.open_holds) != (0, 0):
        yield f"{live.held} held in {live.open_holds} holds"
    if _grants(live) != row["grants"]:
        yield f"grants: live {_grants(live)}, booked {row['grants']}"


def _grants(live: LiveAccount) -> dict[str, int]:
    found: dict[str, int] = {}
    for grant in live.grants:
        name = f"{grant.kind} {grant.expires_at_ms // _DAY_MS}"
        found[name] = found.get(name, 0) + grant.left
    return found
