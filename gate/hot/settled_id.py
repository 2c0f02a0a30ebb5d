"""What Redis remembers of a settled id: lib/settlement.lua and lib/settled.lua, read in Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from gate.domain.errors import ContractError
from gate.hot.packing import Packing

if TYPE_CHECKING:
    from gate.hot.keys import OrganizationKeys
    from gate.hot.transport import Transport

How: TypeAlias = Literal["committed", "released", "expired", "unreserved"]

GENERATION_MS: Final = 600_000
_SHORT: Final = Packing("<BI2I2")
_LONG: Final = Packing("<BI7I7I4")
_HOW: Final[dict[int, How]] = {1: "committed", 2: "released", 3: "expired", 4: "unreserved"}


class SettledId(NamedTuple):
    """How an id was settled, in the ten minutes from `settled_from_ms` on; it is known until
    `known_until_ms`. unreserved: released before it was ever reserved. `late`: after its hold was
    gone; `part`: the last one settled, 0: none; `is_open`: a late part that was not the last."""

    how: How
    spent: int
    returned: int
    part: int
    late: bool
    is_open: bool
    settled_from_ms: int
    known_until_ms: int


async def read_settled(
    transport: Transport, keys: OrganizationKeys, id: str, now_ms: int
) -> SettledId | None:
    """What is remembered of `id`; None if nothing is, or no more. Raises what calls raise, and
    ContractError for a record that makes no sense."""
    found = await asyncio.gather(
        *(transport.execute("HMGET", key, "", id) for key in (keys.settled_even, keys.settled_odd))
    )
    known = [(int(mark), record) for mark, record in found if mark and record]
    # The newer first: an expired id that was committed late has a record in both.
    for generation, record in sorted(known, reverse=True):
        if generation >= now_ms // GENERATION_MS - 1:
            return _read(id, generation, record)
    return None


def _read(id: str, generation: int, record: bytes) -> SettledId:
    try:
        if len(record) == _SHORT.size:
            (flags, spent, returned), _ = _SHORT.unpack(record)
            part = 0
        else:
            (flags, spent, returned, part), _ = _LONG.unpack(record)
        how = _HOW[flags % 8]
    except (KeyError, ValueError) as error:
        raise ContractError(f"what is remembered of {id} cannot be read: {error!r}") from error
    return SettledId(
        how,
        spent if how == "committed" else 0,
        returned,
        part,
        bool(flags & 8),
        bool(flags & 32),
        generation * GENERATION_MS,
        (generation + 2) * GENERATION_MS,
    )
