"""All that Redis knows of one organization, for a person: account, holds, limits, last deltas.

Reads with several commands, so that an account in use may move in between. Writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gate.domain.errors import ContractError
from gate.domain.outcomes import NotLoaded
from gate.hot.commands import peek
from gate.hot.journal import Delta, read_delta
from gate.hot.layout import HEAD, HEAD_FIELDS, LAYOUT, LONGER
from gate.hot.packing import Packing

if TYPE_CHECKING:
    from gate.hot.caller import Caller
    from gate.hot.commands.peek import Account
    from gate.hot.transport import Transport

HOLDS_SHOWN_MAX = 20
DELTAS_SHOWN_MAX = 10

#: lib/holds.lua and lib/detail.lua: the score of a hold, and what does not fit it.
_HOLD_ERA_MS = 1_735_689_600_000
_HOLD_SHIFT = 16_384
_HOLD_DETAIL = Packing("<BI7I7I7I7I4I7")

_UNIT_MS = {"minute": 60_000, "hour": 3_600_000}

#: Entries of a partition's journal that are searched for one organization's.
_SCANNED_MAX = 50_000
_PAGE = 1_000


class HoldView(NamedTuple):
    """An open hold. `part`: how many parts of it are settled already."""

    hold_id: str
    held: int
    granted: int
    expires_at_ms: int
    part: int
    reference: str


class LimitView(NamedTuple):
    """A rate limit, and how many tokens it has now."""

    unit: str
    rate: int
    burst: int
    tokens: int


class DeltaView(NamedTuple):
    """A delta of the journal and the id of its entry."""

    entry_id: str
    delta: Delta


class Inspection(NamedTuple):
    """`holds` are those that expire first, `deltas` the newest, newest first; `searched_all`: older
    ones there are only if as many are shown as are shown at most."""

    account: Account
    now_ms: int
    tag: str
    limits: tuple[LimitView, ...]
    holds: tuple[HoldView, ...]
    deltas: tuple[DeltaView, ...]
    searched_all: bool


async def inspect(caller: Caller, organization_id: str) -> Inspection | NotLoaded:
    """Everything about one organization. Raises what calls raise, and ContractError for what is
    there and cannot be read."""
    account = await caller.call(peek, organization_id, "", (1,))
    if isinstance(account, NotLoaded):
        return account
    keys, transport = caller.keys_of(organization_id), caller.transport
    packed = await transport.execute("GET", keys.account)
    if packed is None:
        return NotLoaded(organization_id)
    seconds, microseconds = await transport.execute("TIME")
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    holds = await _read_holds(transport, keys.holds, keys.details)
    deltas, searched_all = await _last_deltas(transport, keys.journal, organization_id)
    return Inspection(
        account,
        now_ms,
        caller.meta.tag(organization_id),
        read_limits(account, packed, now_ms),
        holds,
        deltas,
        searched_all,
    )


def read_limits(account: Account, packed: bytes, now_ms: int) -> tuple[LimitView, ...]:
    """The limits that the plan has. The longer ones' state stands in the packed account alone."""
    limits = [LimitView("second", account.rate_per_second, account.burst, account.tokens)]
    backlogs = {"minute": 0, "hour": 0}
    try:
        if packed[0] != LAYOUT:
            raise ContractError(f"account of layout {packed[0]}, this release reads {LAYOUT}")
        values, _ = HEAD.unpack(packed)
        head = dict(zip(HEAD_FIELDS, values, strict=True))
        if head["limits"] >= 2:
            longer, _ = LONGER.unpack(packed, len(packed) - LONGER.size)
            backlogs = {"minute": longer[1], "hour": longer[3]}
    except (IndexError, ValueError) as error:
        raise ContractError(f"the account cannot be read: {error}") from error
    elapsed_ms = max(0, now_ms - head["seen_us"] // 1000)
    for unit, rate in (("minute", account.rate_per_minute), ("hour", account.rate_per_hour)):
        if rate:
            backlog = max(0, backlogs[unit] - rate * elapsed_ms)
            tokens = max(0, rate * _UNIT_MS[unit] - backlog) // _UNIT_MS[unit]
            limits.append(LimitView(unit, rate, rate, tokens))
    return tuple(limits)


def read_hold(hold_id: str, score: int, detail: bytes | None) -> HoldView:
    """A hold as its record says. Raises ContractError for a detail that makes no sense."""
    since_era, low = divmod(score, _HOLD_SHIFT)
    credits, detailed = divmod(low, 2)
    expires_at_ms = _HOLD_ERA_MS + since_era
    if not detailed:
        return HoldView(hold_id, credits, credits, expires_at_ms, 0, "")
    if detail is None:  # settled between two reads, or somebody edited Redis
        return HoldView(hold_id, 0, 0, expires_at_ms, 0, "")
    try:
        (_, held, granted, _, _, part, _), end = _HOLD_DETAIL.unpack(detail)
    except ValueError as error:
        raise ContractError(f"hold {hold_id} cannot be read: {error}") from error
    return HoldView(
        hold_id, held, granted, expires_at_ms, part, detail[end:].decode(errors="replace")
    )


async def _read_holds(transport: Transport, holds: bytes, details: bytes) -> tuple[HoldView, ...]:
    found = await transport.execute("ZRANGE", holds, 0, HOLDS_SHOWN_MAX - 1, "WITHSCORES")
    if not found:
        return ()
    ids, scores = found[::2], found[1::2]
    kept = await transport.execute("HMGET", details, *ids)
    return tuple(
        read_hold(id.decode(), int(float(score)), detail)
        for id, score, detail in zip(ids, scores, kept, strict=True)
    )


async def _last_deltas(
    transport: Transport, journal: bytes, organization_id: str
) -> tuple[tuple[DeltaView, ...], bool]:
    wanted = organization_id.encode()
    found: list[DeltaView] = []
    end = "+"
    for _ in range(_SCANNED_MAX // _PAGE):
        page: list[Any] = await transport.execute("XREVRANGE", journal, end, "-", "COUNT", _PAGE)
        for entry_id, flat in page:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            if fields.get(b"o") == wanted:
                found.append(DeltaView(entry_id.decode(), read_delta(fields)))
                if len(found) == DELTAS_SHOWN_MAX:
                    return tuple(found), True
        if len(page) < _PAGE:
            return tuple(found), True
        end = f"({page[-1][0].decode()}"
    return tuple(found), False
