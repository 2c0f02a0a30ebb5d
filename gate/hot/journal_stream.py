"""One partition's journal as a stream: reading on, where it ends, taking out what is booked.

What the functions raise is what a call raises (`Transport.call`), AnswerLost too: each of them may
be run again. All raise ContractError where another value than a stream stands under the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.assets import lua_dir
from gate.domain.errors import ContractError
from gate.hot.journal import Delta, read_delta
from gate.hot.script import Script, load_script

if TYPE_CHECKING:
    from gate.hot.transport import Transport

#: Before any entry: what a stream that is not there has given.
START: Final = "0-0"

#: Entries that one call of `trim` takes out at most: more than a Redis appends in a second, and
#: less than 2 ms in which it does nothing else.
TRIMMED_MAX: Final = 50_000


class StreamEntry(NamedTuple):
    """An entry of a stream; `fields` are its names and values in turn, exactly as they stand."""

    entry_id: str
    fields: tuple[bytes, ...]


def delta_of(entry: StreamEntry) -> Delta:
    """What an entry says. Raises ContractError if that makes no sense."""
    return read_delta(dict(zip(entry.fields[::2], entry.fields[1::2], strict=True)))


def digest(entry: StreamEntry) -> bytes:
    """SHA-1 of the fields, 20 bytes, as lua/journal/trim.lua computes it: tells an entry from
    another one in its place, and is no protection against a forger."""
    said = b"".join(len(text).to_bytes(4, "little") + text for text in entry.fields)
    return sha1(said, usedforsecurity=False).digest()


def entry_order(entry_id: str) -> tuple[int, int]:
    """What entry ids are compared by. Raises ContractError for a text that is none."""
    milliseconds, _, number = entry_id.partition("-")
    try:
        return int(milliseconds), int(number)
    except ValueError as error:
        raise ContractError(f"{entry_id!r} is no id of a journal entry") from error


async def read_from(
    transport: Transport, key: bytes, entry_id: str | None, count: int
) -> list[StreamEntry]:
    """At most `count` entries in order, from `entry_id` inclusively; None: from the first."""
    found = await transport.execute("XRANGE", key, entry_id or "-", "+", "COUNT", count)
    return [StreamEntry(id.decode(), tuple(fields)) for id, fields in found]


async def last_entry_id(transport: Transport, key: bytes) -> str:
    """The highest id that the stream ever gave, whether or not the entry is still there; `0-0`
    where there is no stream."""
    try:
        told = await transport.execute("XINFO", "STREAM", key)
    except ContractError:
        if await transport.execute("EXISTS", key):
            raise
        return START
    last: bytes = dict(zip(told[::2], told[1::2], strict=True))[b"last-generated-id"]
    return last.decode()


async def trim(transport: Transport, key: bytes, entry_id: str, entry_digest: bytes) -> int:
    """Takes out what stands before `entry_id`, if that entry is there and `digest` of it is
    `entry_digest`; it stays itself. Says how many went: at most TRIMMED_MAX, so that after a long
    pause one call is not enough, and whole nodes of the stream only, so that up to about a hundred
    entries stay before it.
    """
    arguments = (key, entry_id, entry_digest.hex(), TRIMMED_MAX)
    tag, *entries = await transport.call(trim_script(), arguments, key_count=1)
    return entries[0] if tag == b"trimmed" else 0


@cache
def trim_script() -> Script:
    """lua/journal/trim.lua, for the scripts that a transport loads when it connects."""
    return load_script("trim", lua_dir() / "journal")


async def forget_marks(
    transport: Transport, operations: bytes, operation_ids: Sequence[str]
) -> None:
    """Takes the marks of booked operations out of an organization's `operations`; one that is not
    there is as good as taken out."""
    if operation_ids:
        await transport.execute("HDEL", operations, *operation_ids)
