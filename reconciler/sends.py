"""Writes what became of messages: rows of `email_send`, and their counts by day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from gate.ledger.errors import ledger_errors
from gate.ledger.statement import load_statement
from reconciler.columns import columns
from reconciler.send_rows import SendRow, SendRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.ledger.connection import Connection
    from reconciler.batch import HoldEnd, SendNews
    from reconciler.send_rows import Fresh

    #: Rows that may be there, by organization and message or hold, and since when.
    Since = Mapping[tuple[str, str], datetime]

#: A hold lives 7 days at most; that a message failed or came back may be told long after it left.
_HELD: Final = timedelta(days=8)
_HEARD_OF: Final = timedelta(days=35)
_LATE_NEWS: Final = ("failed", "bounced")
_COLUMNS: Final = (
    *("organization_id", "id", "created_at", "status", "counted_in_credits", "credits_consumed"),
    *("provider_id", "skip_reason", "error_message", "hold_id", "ledger_entry_no", "sent_at"),
    *("skipped_at", "subscription_id", "recipient_email", "subject"),
)


async def write_sends(
    connection: Connection, news: Sequence[SendNews], hold_ends: Sequence[HoldEnd]
) -> int:
    """Writes what news and ended holds make of messages; how many rows that were.

    Raises Unavailable, ContractError.
    """
    rows = SendRows()
    await _find(connection, "read_sends", _since_of_news(news), rows)
    await _find(connection, "read_held_sends", _since_of_holds(hold_ends), rows)
    rows.take_in(news, hold_ends)
    if rows.fresh:
        with ledger_errors():
            await connection.copy_records_to_table(
                "email_send", records=map(_fresh, rows.fresh), columns=_COLUMNS
            )
    if rows.changed:
        await load_statement("plan_for_few").execute(connection)
        changed = map(_changed, rows.changed.values())
        await load_statement("change_sends").execute(connection, *columns(changed))
    if rows.counts:
        counted = [(*of, *counts) for of, counts in rows.counts.items()]
        await load_statement("add_email_counts").execute(connection, *columns(counted))
    return len(rows.fresh) + len(rows.changed)


async def _find(connection: Connection, statement: str, since: Since, rows: SendRows) -> None:
    def add(**row: Any) -> None:
        rows.add_found(SendRow(**row))

    if since:
        keys = columns(since)
        await load_statement(statement).fetch(connection, add, *keys, list(since.values()))


def _since_of_news(news: Iterable[SendNews]) -> Since:
    since: dict[tuple[str, str], datetime] = {}
    for one in news:
        key = one.organization_id, one.send.send_id
        start = one.at - (_HEARD_OF if one.status in _LATE_NEWS else _HELD)
        since[key] = min(start, since.get(key, start))
    return since


def _since_of_holds(ends: Iterable[HoldEnd]) -> Since:
    return {(one.organization_id, one.hold_id): one.at - _HELD for one in ends}


def _changed(row: SendRow) -> tuple[object, ...]:
    return (
        *(row.organization_id, row.id, row.created_at, row.status, row.counted_in_credits),
        *(row.credits_consumed, row.provider_id, row.skip_reason, row.error_message, row.hold_id),
        *(row.ledger_entry_no, row.sent_at, row.skipped_at),
    )


def _fresh(fresh: Fresh) -> tuple[object, ...]:
    return (*_changed(fresh.row), fresh.subscription_id, fresh.recipient, fresh.subject)
