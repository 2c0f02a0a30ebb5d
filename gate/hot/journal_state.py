"""How the journals stand: their length, what is behind a cursor, the earliest end of a hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.journal_stream import START, entry_order
from gate.hot.keys import due_key, journal_key, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.meta import Meta
    from gate.hot.transport import Transport

#: Entries behind a cursor are counted up to here, in one partition and in all.
COUNTED_MAX: Final = 10_000
_COUNTED_IN_ALL_MAX: Final = 100_000
_PAGE: Final = 1_000


class Journal(NamedTuple):
    """The stream of one partition. `first_ms`: when the first entry that is still there was made,
    None: there is none. `first_hold_ms`: when the first open hold expires, None: none is open."""

    partition: int
    tag: str
    entries: int
    first_ms: int | None
    last_id: str
    first_hold_ms: int | None


class Behind(NamedTuple):
    """What a journal has behind a cursor. `at_least`: there are that many entries or more.
    `oldest_ms`: when the first of them was made, None: there is none. `is_anchored`: whether the
    cursor's own entry is there."""

    entries: int
    at_least: bool
    oldest_ms: int | None
    is_anchored: bool


async def read_journals(transport: Transport, meta: Meta) -> list[Journal]:
    """The journals of all partitions, in order. Raises what calls raise."""
    return list(
        await asyncio.gather(
            *(
                _read_journal(transport, partition, tag_of(partition, meta.partitions))
                for partition in range(meta.partitions)
            )
        )
    )


async def count_behind(
    transport: Transport, journals: list[Journal], cursors: Mapping[int, str]
) -> dict[int, Behind]:
    """What is behind the cursors (an entry's id, empty for none yet), by partition; a partition
    without one has all of its journal behind it. Raises what calls raise."""
    counted: dict[int, Behind] = {}
    left = _COUNTED_IN_ALL_MAX
    # One after the other: who looks must not hold up who works.
    for journal in journals:
        behind = await _count_behind(
            transport, journal, cursors.get(journal.partition, ""), min(left, COUNTED_MAX)
        )
        left = max(_PAGE, left - behind.entries)
        counted[journal.partition] = behind
    return counted


async def _read_journal(transport: Transport, partition: int, tag: str) -> Journal:
    told, holds = await asyncio.gather(
        _stream(transport, journal_key(tag)),
        transport.execute("ZRANGE", due_key(tag), 0, 0, "WITHSCORES"),
    )
    first = told.get(b"first-entry")
    return Journal(
        partition,
        tag,
        told.get(b"length", 0),
        _made_ms(first[0]) if first else None,
        told.get(b"last-generated-id", START.encode()).decode(),
        int(float(holds[1])) if holds else None,
    )


async def _stream(transport: Transport, key: bytes) -> dict[bytes, Any]:
    """What XINFO tells of a stream; nothing where there is none."""
    try:
        told = await transport.execute("XINFO", "STREAM", key)
    except ContractError:
        if await transport.execute("EXISTS", key):
            raise
        return {}
    return dict(zip(told[::2], told[1::2], strict=True))


async def _count_behind(
    transport: Transport, journal: Journal, cursor: str, counted_max: int
) -> Behind:
    key = journal_key(journal.tag)
    is_anchored = not cursor or bool(await transport.execute("XRANGE", key, cursor, cursor))
    if cursor == journal.last_id or not journal.entries:
        return Behind(0, False, None, is_anchored)
    start, number, oldest_ms = f"({cursor}" if cursor else "-", 0, None
    while number < counted_max:
        page = await transport.execute("XRANGE", key, start, "+", "COUNT", _PAGE)
        if page and oldest_ms is None:
            oldest_ms = _made_ms(page[0][0])
        number += len(page)
        if len(page) < _PAGE:
            return Behind(number, False, oldest_ms, is_anchored)
        start = f"({page[-1][0].decode()}"
    return Behind(number, True, oldest_ms, is_anchored)


def _made_ms(entry_id: bytes) -> int:
    return entry_order(entry_id.decode())[0]
