"""Writes `docs/schema.md` from a migrated database: `python -m gate.ledger.schema_page URL`."""

from __future__ import annotations

import asyncio
import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from gate.ledger.pool import connected
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.ledger.connection import Connection

_HEAD = """# The schema

Made from a migrated database by `python -m gate.ledger.schema_page URL > docs/schema.md`; a test
compares. Instants are `timestamptz`, credits `bigint`, money `numeric`.
"""


class _Table(NamedTuple):
    name: str
    comment: str | None
    partition_key: str | None


class _Column(NamedTuple):
    name: str
    type: str
    not_null: bool
    default_value: str | None
    comment: str | None


class _Key(NamedTuple):
    definition: str


class _Index(NamedTuple):
    name: str
    definition: str
    comment: str | None


class _Enum(NamedTuple):
    name: str
    labels: list[str]


class _Function(NamedTuple):
    name: str
    arguments: str
    result: str
    comment: str | None


class _Grant(NamedTuple):
    role: str
    privilege: str
    object: str


async def render(connection: Connection) -> str:
    """The page of the schema that the connection sees. Raises Unavailable, ContractError."""
    return "\n".join([_HEAD, *[line async for line in _lines(connection)], ""])


async def _lines(connection: Connection) -> AsyncIterator[str]:
    yield "## Tables"
    for table in await load_statement("list_tables").fetch(connection, _Table):
        async for line in _table_lines(connection, table):
            yield line
    yield "\n## Enumerated types\n\n| type | values |\n|---|---|"
    for enum in await load_statement("list_enums").fetch(connection, _Enum):
        yield f"| `{enum.name}` | {' · '.join(enum.labels)} |"
    yield "\n## Functions\n"
    for function in await load_statement("list_functions").fetch(connection, _Function):
        signature = f"{function.name}({function.arguments}) → {function.result}"
        yield f"- `{signature}`: {function.comment or ''}"
    yield "\n## Roles\n"
    grants = await load_statement("list_grants").fetch(connection, _Grant)
    for role, of_role in groupby(grants, key=lambda grant: grant.role):
        yield f"- `{role}`"
        objects = groupby(of_role, key=lambda grant: grant.object)
        by_rights: dict[str, list[str]] = {}
        for name, of_object in objects:
            rights = ", ".join(grant.privilege for grant in of_object)
            by_rights.setdefault(rights, []).append(f"`{name}`")
        for rights, names in sorted(by_rights.items()):
            yield f"  - {rights}: {', '.join(names)}"


async def _table_lines(connection: Connection, table: _Table) -> AsyncIterator[str]:
    yield f"\n### {table.name}\n\n{table.comment or ''}"
    if table.partition_key:
        yield f"Partitioned by {table.partition_key}, one day each, and a default."
    yield "\n| column | type | default | |\n|---|---|---|---|"
    for column in await load_statement("list_columns").fetch(connection, _Column, table.name):
        type_ = f"{column.type}{'' if column.not_null else '?'}"
        default = f"`{column.default_value}`" if column.default_value else ""
        yield f"| `{column.name}` | {type_} | {default} | {column.comment or ''} |"
    yield ""
    for key in await load_statement("list_keys").fetch(connection, _Key, table.name):
        yield f"- `{key.definition}`"
    for index in await load_statement("list_indexes").fetch(connection, _Index, table.name):
        note = f": {index.comment}" if index.comment else ""
        yield f"- index `{index.name}` {index.definition}{note}"


async def _main(url: str) -> None:
    async with connected(url) as connection:
        sys.stdout.write(await render(connection))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m gate.ledger.schema_page postgresql://… > docs/schema.md")
    asyncio.run(_main(sys.argv[1]))
