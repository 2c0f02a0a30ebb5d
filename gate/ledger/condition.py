"""Whether a PostgreSQL is set up as the gate needs it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from gate.domain.errors import ContractError
from gate.ledger.migrate import applied_migrations, pending_migrations, read_migrations
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement
from gate.ledger.verify import DailyTable

ROLES: Final = ("gate_reconciler", "gate_api", "gate_sender")
#: Rows of a default partition are counted up to here.
COUNTED_MAX: Final = 1_000
_STATEMENT_TIMEOUT_MS: Final = 10_000


class ServerSettings(NamedTuple):
    """As the server writes them; `today` is UTC's."""

    version: str
    is_replica: bool
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    today: date


class DefaultRows(NamedTuple):
    """Rows in the default partition of `parent`; `first_day` None: there are none."""

    parent: str
    rows: int
    first_day: date | None


class Condition(NamedTuple):
    """`pending`: names of migrations that are to be applied; `migrations_fault`: why files and
    database do not fit each other, or empty. What tables tell is empty where there are none."""

    settings: ServerSettings
    applied: int
    pending: tuple[str, ...]
    migrations_fault: str
    missing_roles: tuple[str, ...]
    tables: Sequence[DailyTable]
    default_rows: Sequence[DefaultRows]


async def read_condition(url: str) -> Condition:
    """Raises Unavailable, ContractError."""
    applied = await applied_migrations(url)
    pending: tuple[str, ...] = ()
    fault = ""
    try:
        pending = tuple(one.name for one in pending_migrations(read_migrations(), applied))
    except ContractError as error:
        fault = str(error)
    async with connected(
        url, application_name="gate doctor", statement_timeout_ms=_STATEMENT_TIMEOUT_MS
    ) as connection:
        settings = await load_statement("read_server_settings").fetch_one(
            connection, ServerSettings
        )
        if settings is None:
            raise ContractError("read_server_settings gave no row")
        missing = await load_statement("list_missing_roles").fetch(connection, _role, ROLES)
        default_rows: list[DefaultRows] = []
        if applied:
            default_rows = await load_statement("count_default_rows").fetch(
                connection, DefaultRows, COUNTED_MAX
            )
        tables = await load_statement("list_daily_tables").fetch(connection, DailyTable)
    return Condition(settings, len(applied), pending, fault, tuple(missing), tables, default_rows)


def _role(role: str) -> str:
    return role
