"""The statements in `sql/`: one file each, with a header that a test holds against PostgreSQL.

    -- list_columns: what it does, in a sentence.
    --
    -- Why it has this shape, and what happens on repeat.
    --
    -- $1 table_name  text
    -- -> name text, type text?

A `?` says that a column may be NULL.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gate.domain.errors import ContractError
from gate.ledger.errors import ledger_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.ledger.connection import Connection

Row = TypeVar("Row")

_PARAMETER = re.compile(r"-- \$(\d+) (\w+) +(\S.*)")


class Typed(NamedTuple):
    """A parameter or column: its name, its type as PostgreSQL writes it, whether it may be NULL."""

    name: str
    type: str
    nullable: bool = False


class Statement(NamedTuple):
    """One statement. Every call is made on a connection of the caller's, in its transaction."""

    name: str
    purpose: str
    parameters: tuple[Typed, ...]
    columns: tuple[Typed, ...]
    sql: str

    async def fetch(
        self, connection: Connection, row: Callable[..., Row], *arguments: object
    ) -> list[Row]:
        """The rows, each made by `row` from the columns as keyword arguments.

        Raises Unavailable, ContractError.
        """
        with ledger_errors():
            records = await connection.fetch(self.sql, *arguments)
        return [row(**record) for record in records]

    async def fetch_one(
        self, connection: Connection, row: Callable[..., Row], *arguments: object
    ) -> Row | None:
        """The first row, None if there is none. Raises Unavailable, ContractError."""
        with ledger_errors():
            record = await connection.fetchrow(self.sql, *arguments)
        return None if record is None else row(**record)

    async def execute(self, connection: Connection, *arguments: object) -> str:
        """Run it for what it does; PostgreSQL's tag, such as `UPDATE 3`.

        Raises Unavailable, ContractError.
        """
        with ledger_errors():
            return await connection.execute(self.sql, *arguments)


def statement_names() -> tuple[str, ...]:
    """The names of all statements."""
    names = (file.name for file in (files(__package__) / "sql").iterdir())
    return tuple(sorted(name.removesuffix(".sql") for name in names if name.endswith(".sql")))


@cache
def load_statement(name: str) -> Statement:
    """The statement of `sql/<name>.sql`. Raises ContractError if its header cannot be read."""
    sql = (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    purpose, parameters, columns = "", [], ""
    for line in sql.splitlines():
        if line.startswith(f"-- {name}: "):
            purpose = line.removeprefix(f"-- {name}: ")
        elif match := _PARAMETER.fullmatch(line):
            parameters.append(Typed(match[2], match[3].removesuffix("?"), match[3].endswith("?")))
            if int(match[1]) != len(parameters):
                raise ContractError(f"{name}.sql: ${match[1]} is out of order")
        elif line.startswith("-- -> "):
            columns = line.removeprefix("-- -> ")
        elif columns and line.startswith("--    "):
            columns += " " + line.removeprefix("--").strip()
    if not purpose:
        raise ContractError(f"{name}.sql does not begin with what {name} does")
    return Statement(name, purpose, tuple(parameters), tuple(_typed(columns)), sql)


def _typed(columns: str) -> list[Typed]:
    pairs = (column.strip().partition(" ") for column in columns.split(",") if column.strip())
    return [Typed(name, type_.removesuffix("?"), type_.endswith("?")) for name, _, type_ in pairs]
