"""Applies `migrations/NNNN_noun.sql`: in order, each in a transaction of its own, each once.

Any number of processes may start it at the same time; an advisory lock lets one at a time work.
"""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.assets import migrations_dir
from gate.domain.errors import ContractError
from gate.ledger.pool import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from gate.ledger.connection import Connection

    Report = Callable[[str], None]

_FILE = re.compile(r"(\d{4})_([a-z_]+)\.sql")
_LOCK: Final = int.from_bytes(b"migrate")  # any number, as long as nobody else locks it
_LOCK_POLL_S: Final = 0.1
#: A migration may take as long as it takes; what it waits for is bounded by its lock_timeout.
_NO_TIMEOUT: Final = 0


class Migration(NamedTuple):
    """One file: its number, its noun, its text."""

    number: int
    noun: str
    sql: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return f"{self.number:04}_{self.noun}"

    @property
    def sha256(self) -> str:
        """The digest that tells whether it was edited, in hexadecimal digits."""
        return sha256(self.sql.encode()).hexdigest()


class Applied(NamedTuple):
    """A row of `schema_migration`."""

    number: int
    name: str
    sha256: str
    applied_at: datetime


def read_migrations(directory: Path | None = None) -> tuple[Migration, ...]:
    """The files in order. Raises ContractError unless they are numbered 1, 2, 3, …"""
    directory = directory or migrations_dir()
    matches = (_FILE.fullmatch(path.name) for path in sorted(directory.iterdir()))
    migrations = tuple(
        Migration(int(match[1]), match[2], (directory / match[0]).read_text(encoding="utf-8"))
        for match in matches
        if match
    )
    for number, migration in enumerate(migrations, start=1):
        if migration.number != number:
            raise ContractError(
                f"{migration.name}.sql should have number {number:04}: migrations are numbered "
                "without gaps or repetitions"
            )
    return migrations


async def migrate(
    url: str, *, directory: Path | None = None, report: Report = lambda line: None
) -> tuple[Migration, ...]:
    """Apply what is missing, and say what that was; `report` is told what happens.

    Raises ContractError if the database has migrations that the files do not, or other ones, and
    Unavailable if PostgreSQL is away or a lock was not to be had: then what was applied stays, and
    the next call goes on.
    """
    migrations = read_migrations(directory)
    async with connected(
        url, application_name="gate migrate", statement_timeout_ms=_NO_TIMEOUT
    ) as connection:
        connection.add_log_listener(lambda _, message: report(str(message.message)))
        await _lock(connection, report)
        await connection.execute(
            "SET client_min_messages = warning;"
            "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY,"
            " name text NOT NULL, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now());"
            "RESET client_min_messages"
        )
        pending = pending_migrations(migrations, await _read_applied(connection))
        for migration in pending:
            report(f"applying {migration.name}")
            async with connection.transaction():
                await run_script(connection, migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
                    *(migration.number, migration.name, migration.sha256),
                )
    return pending


async def applied_migrations(url: str) -> tuple[Applied, ...]:
    """What was applied to a database so far. Raises Unavailable, ContractError."""
    async with connected(url) as connection:
        if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
            return ()
        return await _read_applied(connection)


def pending_migrations(
    migrations: Sequence[Migration], applied: Iterable[Applied]
) -> tuple[Migration, ...]:
    """What is still to be applied. Raises ContractError where files and database disagree."""
    files = {migration.number: migration for migration in migrations}
    done = 0
    for row in applied:
        done += 1
        file = files.get(row.number)
        if row.number != done:
            raise ContractError(
                f"the database has migration {row.name} and lacks number {done:04} before it"
            )
        if file is None:
            raise ContractError(
                f"the database has migration {row.name}, of which there is no file: "
                "this program is older than the database; use the newer one"
            )
        if (file.name, file.sha256) != (row.name, row.sha256):
            raise ContractError(
                f"{file.name}.sql is not what was applied as {row.name} on "
                f"{row.applied_at:%Y-%m-%d}: restore the file, and put the change into a new one"
            )
    return tuple(migrations[done:])


async def run_script(connection: Connection, sql: str) -> None:
    """Run statements in the running transaction, in the first schema of the search path alone."""
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    # What `SET search_path FROM CURRENT` keeps in functions; temporary tables come last in it.
    await connection.execute(f"SET LOCAL search_path = {schema}, pg_temp")
    await connection.execute(sql)


async def _lock(connection: Connection, report: Report) -> None:
    """Wait until no other process migrates; the lock goes with the connection."""
    told = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        if not told:
            report("waiting for another process that migrates this database")
            told = True
        await asyncio.sleep(_LOCK_POLL_S)


async def _read_applied(connection: Connection) -> tuple[Applied, ...]:
    rows = await connection.fetch(
        "SELECT number, name, sha256, applied_at FROM schema_migration ORDER BY number"
    )
    return tuple(Applied(**row) for row in rows)
