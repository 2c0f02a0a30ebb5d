"""What booking reads from PostgreSQL: cursors, accounts, and what the ledger knows of facts."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.errors import BadArgument
from gate.domain.limits import NEVER_MS
from gate.domain.operations import Operation, content_of
from gate.ledger.errors import ledger_errors
from gate.ledger.statement import load_statement
from reconciler.batch import Known, KnownOperation
from reconciler.columns import columns, ms_of
from reconciler.facts import REVERSAL, count_facts
from reconciler.image import DAY_MS, Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.ledger.connection import Connection
    from reconciler.facts import Key

#: Distinct terms and calendars, which thousands of accounts share.
_SHARED_MAX: Final = 4096

_terms_decoder = msgspec.json.Decoder(Terms)
_coming_decoder = msgspec.json.Decoder(tuple[ComingPeriod, ...])


class Cursor(NamedTuple):
    """How far the journal of a partition is booked: id and digest of the last booked entry, and how
    many were booked so far. `""` and `b""`: none of this journal is booked."""

    entry_id: str
    digest: bytes
    deltas: int


async def lock_cursors(connection: Connection, partitions: Sequence[int]) -> dict[int, Cursor]:
    """The cursors of partitions, which nobody else moves until the transaction ends.

    A partition without a cursor is given one, so that there is something to lock: every one that is
    asked for is in the answer. Raises Unavailable, ContractError.
    """
    cursors = await _cursors(connection, "lock_cursors", partitions)
    missing = sorted(set(partitions) - cursors.keys())
    if missing:
        await load_statement("start_cursors").execute(connection, missing)
        cursors = await _cursors(connection, "lock_cursors", partitions)
    return cursors


async def read_cursors(connection: Connection, partitions: Sequence[int]) -> dict[int, Cursor]:
    """The cursors of the partitions that have one. Raises Unavailable, ContractError."""
    return await _cursors(connection, "read_cursors", partitions)


async def read_images(connection: Connection, organization_ids: Sequence[str]) -> dict[str, Image]:
    """The booked images of the organizations that have an account.

    One whose terms or periods cannot be read is left out, as if it were not there: its deltas are
    kept in quarantine, and those of others are booked. Raises Unavailable, ContractError.
    """
    ids = list(organization_ids)
    images: dict[str, Image] = {}
    # Straight from the records: keyword arguments for thousands of them take as long as the query.
    with ledger_errors():
        accounts = await connection.fetch(load_statement("read_accounts").sql, ids)
        grants = await connection.fetch(load_statement("read_grants").sql, ids)
    for account in accounts:
        with suppress(msgspec.ValidationError):
            image = _image(*account.values())
            images[image.organization_id] = image
    for grant in grants:
        organization_id, kind, expires_at, credits_left = grant.values()
        if organization_id in images:
            ms = NEVER_MS if expires_at is None else ms_of(expires_at)
            images[organization_id].grants[kind, ms // DAY_MS] = (credits_left, ms)
    return images


async def read_known(
    connection: Connection,
    settlements: Sequence[tuple[str, str, int]],
    operations: Sequence[tuple[str, str, str]],
) -> Known:
    """What the ledger of the last 35 days knows of settlements (organization_id, id, part) and of
    operations (organization_id, id, reference).

    An operation whose row is missing or cannot be read is not among `operations`. `looked_up` is
    left to the caller. Raises Unavailable, ContractError.
    """
    known = Known()
    keys = {(org, id) for org, id, _ in operations}
    if keys:
        known.operations = await _read_operations(connection, sorted(keys))
    reversed_facts = {(org, fact) for org, id, fact in operations if id.startswith(REVERSAL)}
    await count_facts(connection, set(settlements), keys, reversed_facts, known)
    return known


async def _cursors(
    connection: Connection, statement: str, partitions: Sequence[int]
) -> dict[int, Cursor]:
    cursors: dict[int, Cursor] = {}

    def add(partition: int, **rest: Any) -> None:
        cursors[partition] = Cursor(**rest)

    await load_statement(statement).fetch(connection, add, list(partitions))
    return cursors


def _image(*values: Any) -> Image:
    """An account as `read_accounts` gives it: the fields of an image in order, but its grants."""
    *head, terms, coming, entry_no, chain, look_up, sends, state, reason, last, loaded = values
    fields = (
        *(*head, _terms(terms), _coming(coming), entry_no, chain, _ms(look_up), _ms(sends)),
        *(state, reason, {}, _ms(last), _ms(loaded)),
    )
    return Image(*fields)


@lru_cache(_SHARED_MAX)
def _terms(text: str) -> Terms:
    return _terms_decoder.decode(text)


@lru_cache(_SHARED_MAX)
def _coming(text: str) -> tuple[ComingPeriod, ...]:
    return _coming_decoder.decode(text)


def _ms(at: datetime | None) -> int:
    return 0 if at is None else ms_of(at)


async def _read_operations(
    connection: Connection, keys: Sequence[Key]
) -> dict[Key, KnownOperation]:
    operations: dict[Key, KnownOperation] = {}

    def add(content: object, status: str, **row: Any) -> None:
        try:
            operation = Operation(content=content_of(content), **row)
        except BadArgument:
            return
        operations[operation.organization_id, operation.id] = KnownOperation(operation, status)

    await load_statement("read_operations").fetch(connection, add, *columns(keys))
    return operations
