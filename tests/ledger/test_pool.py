"""The pool: values, time limits, and failures told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.domain.accounts import Terms
from gate.domain.errors import ContractError, Unavailable
from gate.ledger.errors import CommitUnknown, ledger_errors
from gate.ledger.pool import open_pool
from gate.ledger.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.ledger.connection import Connection, Pool

DIE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Two connections whose statements may take 100 ms."""
    opened = await open_pool(
        database_url, application_name="gate test", size=2, statement_timeout_ms=100
    )
    yield opened
    opened.terminate()


async def test_jsonb__takes_what_msgspec_encodes_and_gives_back_plain_values(pool: Pool) -> None:
    async with transaction(pool) as connection:
        terms = await connection.fetchval("SELECT $1::jsonb", Terms(rate_per_second=7))
        assert terms["rate_per_second"] == 7
        assert terms["warn_at"] == [80, 100]
        assert await connection.fetchval("SELECT $1::jsonb ->> 0", ["ü", None]) == "ü"
        assert await connection.fetchval("SHOW application_name") == "gate test"
        assert await connection.fetchval("SHOW timezone") == "UTC"


async def test_transaction__is_undone_by_what_is_raised(pool: Pool) -> None:
    async def insert(fail: bool) -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO organization (id) VALUES ('o')")
            if fail:
                raise KeyError

    with pytest.raises(KeyError):
        await insert(fail=True)
    await insert(fail=False)


@pytest.mark.parametrize(
    ("statement", "failure", "message"),
    [
        ("SELECT pg_sleep(1)", Unavailable, "busy"),
        (DIE, Unavailable, "connection"),
        ("SELECT 1 / 0", ContractError, "division by zero"),
        ("SELECT FROM no_such_table", ContractError, "42P01"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE t ()", Unavailable, "read_only"),
    ],
)
async def test_failure__says_if_a_later_try_may_succeed(
    pool: Pool, statement: str, failure: type[Exception], message: str
) -> None:
    with pytest.raises(failure, match=message):
        async with transaction(pool) as connection:
            await connection.execute(statement)
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_argument_of_another_type__is_no_reason_to_try_again(pool: Pool) -> None:
    with pytest.raises(ContractError):
        async with transaction(pool) as connection:
            await connection.fetchval("SELECT $1::bigint", 2**63)


async def test_lost_answer_to_commit__is_neither_done_nor_undone(pool: Pool) -> None:
    async def book() -> None:
        async with transaction(pool) as connection:
            # A deferred trigger runs within COMMIT: there the connection dies.
            await connection.execute(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN PERFORM ({DIE}); PERFORM pg_sleep(5); RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON organization"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();"
                "INSERT INTO organization (id) VALUES ('o')"
            )

    with pytest.raises(CommitUnknown):
        await book()


@pytest.mark.parametrize(
    ("url", "failure"),
    [("postgresql://127.0.0.1:1/x", Unavailable), ("http://x", ContractError)],
)
async def test_url_without_a_server__is_told(url: str, failure: type[Exception]) -> None:
    with pytest.raises(failure, match="PostgreSQL"):
        await open_pool(url)


async def test_closed_pool__is_unavailable(pool: Pool) -> None:
    await pool.close()
    with pytest.raises(Unavailable, match="closed"):
        async with transaction(pool):
            pass


async def test_connection_that_is_lost_within__does_not_hide_the_cause(pool: Pool) -> None:
    async def use() -> None:
        async with transaction(pool) as connection:
            with ledger_errors():
                await _lose(connection)

    with pytest.raises(Unavailable):
        await use()


async def _lose(connection: Connection) -> None:
    await connection.execute(DIE)
