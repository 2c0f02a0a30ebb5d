"""What PostgreSQL knows of one id: entries, messages, operations, quarantine."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from gate.domain.errors import GateError, Unavailable
from gate.ledger.connection import Connection
from gate.ledger.entry import Entry
from gate.ledger.overview import PartitionState
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement

#: For what no index helps with, and for all the rest.
SEARCH_TIMEOUT_MS: Final = 5_000
_STATEMENT_TIMEOUT_MS: Final = 10_000
_ROWS_MAX: Final = 100
_ORGANIZATIONS_MAX: Final = 11
#: A repeat, its reversal, the reversal of that one, …
_REVERSALS_MAX: Final = 4


class SearchTooLong(GateError):
    """Without an organization an id cannot be found in time."""

    code = "gate.search_too_long"


class SendRow(NamedTuple):
    """A row of `email_send`."""

    id: str
    recipient_email: str | None
    status: str
    counted_in_credits: bool
    credits_consumed: int
    skip_reason: str | None
    error_message: str | None
    provider_id: str | None
    hold_id: str | None
    ledger_entry_no: int | None
    sent_at: datetime | None
    skipped_at: datetime | None
    created_at: datetime


class OperationRow(NamedTuple):
    """A row of `operation`."""

    id: str
    kind: str
    period_no: int | None
    content: Any
    reference: str | None
    reason: str | None
    actor: str | None
    status: str
    created_at: datetime
    applied_at: datetime | None
    booked_at: datetime | None
    booked_epoch: int | None
    booked_seq: int | None


class QuarantinedRow(NamedTuple):
    """A row of `quarantine`; `replayed_at` None: it still waits for a person."""

    partition: int
    entry_id: str
    organization_id: str | None
    reason: str
    found_at: datetime
    replayed_at: datetime | None


class Found(NamedTuple):
    """At most a hundred of each. `entries` are those of the id, of holds that the messages were
    admitted under, and their reversals; `by_reference`: those that bear the id as a reference,
    None: searching took too long. `ids`: the id, and those holds."""

    ids: tuple[str, ...]
    entries: tuple[Entry, ...]
    by_reference: tuple[Entry, ...] | None
    sends: tuple[SendRow, ...]
    operations: tuple[OperationRow, ...]
    quarantined: tuple[QuarantinedRow, ...]


async def read_cursors(url: str) -> dict[int, str]:
    """The ids of the entries that were booked last, by partition; empty: none yet. Raises
    Unavailable, ContractError."""
    async with _looking(url) as connection:
        states = await load_statement("list_partition_states").fetch(connection, PartitionState)
    return {one.partition: one.entry_id or "" for one in states}


async def find_organizations(url: str, id: str) -> list[str]:
    """The organizations that know an id, at most eleven. Raises SearchTooLong, Unavailable,
    ContractError."""
    async with connected(
        url, application_name="gate explain", statement_timeout_ms=SEARCH_TIMEOUT_MS
    ) as connection:
        try:
            return await load_statement("find_organizations").fetch(
                connection, _organization_id, id, _ORGANIZATIONS_MAX
            )
        except Unavailable as error:
            if error.reason != "busy":
                raise
            raise SearchTooLong(
                f"the organization of {id} was not found within {SEARCH_TIMEOUT_MS // 1000} s: "
                "name it with --organization"
            ) from error


async def find(url: str, organization_id: str, id: str) -> Found:
    """What is known of an organization's id. Raises Unavailable, ContractError."""
    async with _looking(url) as connection:
        sends = await load_statement("find_sends").fetch(
            connection, SendRow, organization_id, id, _ROWS_MAX
        )
        own = [one.hold_id for one in sends if one.id == id and one.hold_id is not None]
        ids = tuple(dict.fromkeys([id, *own]))
        entries, facts = await _find_entries(connection, organization_id, ids)
        return Found(
            ids,
            entries,
            await _find_by_reference(connection, organization_id, id),
            tuple(sends),
            tuple(
                await load_statement("find_operations").fetch(
                    connection, OperationRow, organization_id, ids, facts
                )
            ),
            tuple(
                await load_statement("find_quarantined").fetch(
                    connection, QuarantinedRow, organization_id, id
                )
            ),
        )


def _looking(url: str) -> Any:
    return connected(
        url, application_name="gate explain", statement_timeout_ms=_STATEMENT_TIMEOUT_MS
    )


async def _find_entries(
    connection: Connection, organization_id: str, ids: tuple[str, ...]
) -> tuple[tuple[Entry, ...], list[str]]:
    """The entries and, a step at a time, what gives them back; and all that may be reversed."""
    facts = [f"operation:{id}" for id in ids] + [f"settlement:0:{id}" for id in ids]
    entries: list[Entry] = []
    for _ in range(_REVERSALS_MAX):
        entries = await load_statement("find_entries").fetch(
            connection, Entry, organization_id, ids, facts, _ROWS_MAX
        )
        known = set(facts)
        facts += [fact for fact in dict.fromkeys(map(_fact, entries)) if fact not in known]
        if len(facts) == len(known):
            break
    return tuple(entries), facts


async def _find_by_reference(
    connection: Connection, organization_id: str, id: str
) -> tuple[Entry, ...] | None:
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = {SEARCH_TIMEOUT_MS}")
            return tuple(
                await load_statement("find_entries_by_reference").fetch(
                    connection, Entry, organization_id, id, _ROWS_MAX
                )
            )
    except Unavailable as error:
        if error.reason != "busy":
            raise
        return None


def _fact(entry: Entry) -> str:
    """As a reversal of the entry names it."""
    if entry.operation_id is not None:
        return f"operation:{entry.operation_id}"
    return f"settlement:{entry.part or 0}:{entry.settlement_id}"


def _organization_id(organization_id: str) -> str:
    return organization_id
