"""What Redis knows of one id: an open hold, a settled id, an operation's mark, unbooked deltas."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gate.domain.errors import ContractError
from gate.domain.sends import read_sends
from gate.hot.inspection import read_hold
from gate.hot.journal_stream import StreamEntry, delta_of
from gate.hot.keys import journal_key, organization_keys
from gate.hot.packing import Packing
from gate.hot.settled_id import read_settled

if TYPE_CHECKING:
    from collections.abc import Collection

    from gate.domain.sends import Send
    from gate.hot.inspection import HoldView
    from gate.hot.journal import Delta
    from gate.hot.keys import OrganizationKeys
    from gate.hot.meta import Meta
    from gate.hot.settled_id import SettledId
    from gate.hot.transport import Transport

#: Entries that one search reads at most.
SEARCHED_MAX: Final = 50_000
_PAGE: Final = 1_000
_MARK: Final = Packing("<I6I7")


class Mark(NamedTuple):
    """An operation that the account has and that is not known to be booked: the delta that it made,
    and the credits that it took back."""

    seq: int
    taken: int


class Trace(NamedTuple):
    """What Redis has of an id, None where nothing."""

    hold: HoldView | None
    settled: SettledId | None
    mark: Mark | None


class Sighting(NamedTuple):
    """An entry of a journal that names an id: as its own, as its reference, among the expired, or
    in `sends`."""

    entry_id: str
    delta: Delta
    sends: tuple[Send, ...]


class Search(NamedTuple):
    """`is_complete`: all that stands behind the cursor was read."""

    sightings: tuple[Sighting, ...]
    is_complete: bool


async def read_trace(
    transport: Transport, meta: Meta, organization_id: str, id: str, now_ms: int
) -> Trace:
    """What stands under an organization's keys. Raises what calls raise, and ContractError for what
    cannot be read."""
    keys = organization_keys(organization_id, meta.tag(organization_id))
    score, detail, mark, settled = await asyncio.gather(
        transport.execute("ZSCORE", keys.holds, id),
        transport.execute("HGET", keys.details, id),
        _read_mark(transport, keys, id),
        read_settled(transport, keys, id, now_ms),
    )
    hold = None if score is None else read_hold(id, int(float(score)), detail)
    return Trace(hold, settled, mark)


async def search_journal(
    transport: Transport,
    tag: str,
    cursor: str,
    ids: Collection[str],
    organization_id: str | None = None,
    searched_max: int = SEARCHED_MAX,
) -> Search:
    """Entries behind a cursor (empty: from the first) that name one of `ids`, of one organization
    or of all of the partition, in order. Raises what calls raise."""
    key, found = journal_key(tag), []
    wanted = None if organization_id is None else organization_id.encode()
    named = [id.encode() for id in ids]
    start = f"({cursor}" if cursor else "-"
    for _ in range(max(1, searched_max // _PAGE)):
        page = await transport.execute("XRANGE", key, start, "+", "COUNT", _PAGE)
        for entry_id, fields in page:
            # Most entries are somebody else's, and need no reading.
            if not any(name in text for name in named for text in fields):
                continue
            sighting = _sighting(StreamEntry(entry_id.decode(), tuple(fields)), ids, wanted)
            if sighting is not None:
                found.append(sighting)
        if len(page) < _PAGE:
            return Search(tuple(found), True)
        start = f"({page[-1][0].decode()}"
    return Search(tuple(found), False)


async def _read_mark(transport: Transport, keys: OrganizationKeys, id: str) -> Mark | None:
    packed = await transport.execute("HGET", keys.operations, id)
    if packed is None:
        return None
    try:
        return Mark(*_MARK.unpack(packed)[0])
    except ValueError as error:
        raise ContractError(f"the mark of operation {id} cannot be read: {error}") from error


def _sighting(entry: StreamEntry, ids: Collection[str], wanted: bytes | None) -> Sighting | None:
    try:
        delta = delta_of(entry)
        sends = tuple(one for one in read_sends(delta.sends) if one.send_id in ids)
    except (ContractError, msgspec.DecodeError, msgspec.ValidationError):
        return None  # it will be quarantined, and told from there
    if wanted is not None and delta.organization_id.encode() != wanted:
        return None
    names = (delta.id, delta.reference, *delta.expired_ids)
    if sends or any(name in ids for name in names):
        return Sighting(entry.entry_id, delta, sends)
    return None
