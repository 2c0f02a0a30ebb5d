"""The statements are what their headers say, and the schema page is what the schema is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gate.ledger
from gate.ledger.schema_page import render
from gate.ledger.statement import load_statement, statement_names

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"


@pytest.mark.parametrize("name", statement_names())
async def test_header__is_what_postgresql_sees(visitor: Any, name: str) -> None:
    statement = load_statement(name)
    prepared = await visitor.prepare(statement.sql)
    oid = "SELECT $1::text::regtype::oid"
    parameters = [await visitor.fetchval(oid, parameter.type) for parameter in statement.parameters]
    columns = [
        (column.name, await visitor.fetchval(oid, column.type)) for column in statement.columns
    ]
    assert [type_.oid for type_ in prepared.get_parameters()] == parameters
    assert [(column.name, column.type.oid) for column in prepared.get_attributes()] == columns


async def test_schema_page__is_up_to_date(visitor: Connection) -> None:
    assert await render(visitor) == PAGE.read_text(encoding="utf-8"), (
        "python -m gate.ledger.schema_page URL > docs/schema.md"
    )


async def test_every_table__says_what_it_is_for(visitor: Connection) -> None:
    class Named:
        def __init__(self, name: str, comment: str | None, partition_key: str | None) -> None:
            assert comment, name

    assert len(await load_statement("list_tables").fetch(visitor, Named)) >= 20


def test_sql__stands_in_files() -> None:
    """Statements in Python are found by nobody; `migrate.py` has those of its own table."""
    modules = Path(next(iter(gate.ledger.__path__))).glob("*.py")
    with_sql = [path.name for path in modules if "SELECT " in path.read_text()]
    assert with_sql == ["migrate.py"]
