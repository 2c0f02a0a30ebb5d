"""Migrations: once each, in order, by however many processes, and never edited."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from gate.assets import migrations_dir
from gate.cli import main
from gate.domain.errors import ContractError, Unavailable
from gate.ledger.migrate import (
    Migration,
    applied_migrations,
    migrate,
    read_migrations,
    run_script,
)
from gate.ledger.pool import connected
from tests.ledger.catalog import read_catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = [migration.name for migration in read_migrations()]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two migrations of one table."""
    (tmp_path / "0001_pot.sql").write_text("CREATE TABLE pot (id text)")
    (tmp_path / "0002_lid.sql").write_text("ALTER TABLE pot ADD lid text")
    (tmp_path / "schema.sql").write_text("not a migration")
    return tmp_path


@pytest.fixture
def empty_url(make_database: Callable[[], str]) -> str:
    """A database without anything."""
    return make_database()


async def test_migrate__from_empty_and_again(empty_url: str) -> None:
    lines: list[str] = []
    applied = await migrate(empty_url, report=lines.append)
    assert [migration.name for migration in applied] == NAMES
    assert lines == [f"applying {name}" for name in NAMES]
    assert await migrate(empty_url) == ()
    rows = await applied_migrations(empty_url)
    assert [row.name for row in rows] == NAMES


async def test_migrate__four_at_once__one_applies_and_the_others_wait(empty_url: str) -> None:
    lines: list[str] = []
    results = await asyncio.gather(*(migrate(empty_url, report=lines.append) for _ in range(4)))
    assert sorted(map(len, results)) == [0, 0, 0, len(NAMES)]
    assert "waiting for another process that migrates this database" in lines


async def test_migrate__four_processes_at_once(empty_url: str) -> None:
    argv = (sys.executable, "-m", "gate", "migrate")
    environ = {**os.environ, "PG_URL": empty_url}
    pipe = asyncio.subprocess.PIPE
    children = [
        await asyncio.create_subprocess_exec(*argv, env=environ, stdout=pipe, stderr=pipe)
        for _ in range(4)
    ]
    outputs = [await child.communicate() for child in children]
    assert [child.returncode for child in children] == [0] * 4, outputs
    assert b"".join(out for out, _ in outputs).decode().split() == NAMES


async def test_failed_migration__leaves_the_ones_before(empty_url: str, directory: Path) -> None:
    good = (directory / "0002_lid.sql").read_text()
    (directory / "0002_lid.sql").write_text(f"{good}; SELECT no_such_function()")
    with pytest.raises(ContractError, match="no_such_function"):
        await migrate(empty_url, directory=directory)
    assert [row.name for row in await applied_migrations(empty_url)] == ["0001_pot"]
    (directory / "0002_lid.sql").write_text(good)
    assert [one.name for one in await migrate(empty_url, directory=directory)] == ["0002_lid"]


async def test_files_that_disagree__are_refused(empty_url: str, directory: Path) -> None:
    await migrate(empty_url, directory=directory)
    (directory / "0002_lid.sql").rename(directory / "0002_cover.sql")
    with pytest.raises(ContractError, match=r"0002_cover.sql is not what was applied as 0002_lid"):
        await migrate(empty_url, directory=directory)
    (directory / "0002_cover.sql").unlink()
    with pytest.raises(ContractError, match="older than the database"):
        await migrate(empty_url, directory=directory)
    (directory / "0001_pot.sql").write_text("CREATE TABLE pot (id text NOT NULL)")
    with pytest.raises(ContractError, match=r"0001_pot.sql .* restore the file"):
        await migrate(empty_url, directory=directory)
    (directory / "0001_pot.sql").unlink()
    (directory / "0003_late.sql").touch()
    with pytest.raises(ContractError, match="should have number 0001"):
        await migrate(empty_url, directory=directory)


async def test_line_ends__are_not_an_edit(empty_url: str, directory: Path) -> None:
    await migrate(empty_url, directory=directory)
    (directory / "0001_pot.sql").write_bytes(b"CREATE TABLE pot (id text)")
    for path in directory.glob("0*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert await migrate(empty_url, directory=directory) == ()


async def test_lock_that_is_held__is_unavailable_and_the_next_call_goes_on(
    empty_url: str, directory: Path
) -> None:
    (directory / "0002_lid.sql").write_text(
        "SET LOCAL lock_timeout = '50ms'; ALTER TABLE pot ADD lid text"
    )
    shutil.copytree(directory, directory / "first", ignore=lambda *_: ["0002_lid.sql", "first"])
    await migrate(empty_url, directory=directory / "first")
    async with connected(empty_url) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE pot")
            with pytest.raises(Unavailable, match="busy"):
                await migrate(empty_url, directory=directory)
        assert len(await migrate(empty_url, directory=directory)) == 1


async def test_schema_of_its_own__beside_tables_of_others(empty_url: str) -> None:
    url = f"{empty_url}?search_path=billing"
    with pytest.raises(ContractError, match="no schema"):
        await migrate(url)
    async with connected(empty_url) as connection:
        await connection.execute("CREATE TABLE organization (); CREATE SCHEMA billing")
        assert len(await migrate(url)) == len(NAMES)
        query = "SELECT billing.ensure_ledger_partitions('2025-01-01', 1)"
        assert await connection.fetchval(query) == 1


async def test_schema_sql__comes_to_the_same(empty_url: str, database_url: str) -> None:
    async with connected(empty_url) as connection:
        async with connection.transaction():
            await run_script(connection, (migrations_dir() / "schema.sql").read_text())
        read = await read_catalog(connection)
    async with connected(database_url) as connection:
        migrated = await read_catalog(connection)
    assert read ^ migrated == set()
    assert len(migrated) > 300


@pytest.mark.parametrize("migration", read_migrations(), ids=NAMES)
def test_each_migration__says_what_it_does_and_gives_up_waiting(migration: Migration) -> None:
    lines = migration.sql.splitlines()
    assert lines[0].startswith("-- ")
    assert lines[1].startswith("SET LOCAL lock_timeout")


def test_command__tells_the_status_and_what_it_needs(
    empty_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["migrate", "--status", "--database-url", empty_url]) == 0
    assert capsys.readouterr().out.count("pending") == len(NAMES)
    assert main(["migrate", "--database-url", empty_url]) == 0
    assert capsys.readouterr().out.split() == NAMES
    assert main(["migrate", "--status", "--database-url", empty_url]) == 0
    assert capsys.readouterr().out.count("applied") == len(NAMES)
    monkeypatch.delenv("PG_URL", raising=False)
    assert main(["migrate"]) == 2
    assert "PG_URL" in capsys.readouterr().err
    assert main(["migrate", "--database-url", "postgresql://127.0.0.1:1/x"]) == 2
    assert capsys.readouterr().err.startswith("gate: PostgreSQL: ")
