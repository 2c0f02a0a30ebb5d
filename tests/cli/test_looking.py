"""`gate status`, `doctor`, `explain` and `ledger verify`: what a person sees, and exit codes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from gate import Gate
from gate.cli import main
from gate.ledger.pool import connected
from tests.support.accounts import account
from tests.support.entries import Books, write

if TYPE_CHECKING:
    from pathlib import Path

STATEMENTS = (
    "INSERT INTO reconciler_member VALUES ('host:1', now() + '1 min')",
    "INSERT INTO operation (organization_id, id, kind) VALUES ('org_a', 'op_1', 'top_up')",
)


@pytest.fixture
def urls(redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Both servers, named by the environment: a spend and a hold that are not booked, two entries
    that are, an operation."""

    async def fill() -> None:
        books = Books("org_a")
        books.operation(1_000, "op_0")
        books.enter(-3, settlement_id="eml_booked", reason="x\x1b[31m [y]")
        async with connected(database_url) as connection:
            await write(connection, books)
            for statement in STATEMENTS:
                await connection.execute(statement)
        async with Gate.connect(redis_url, partitions=8) as gate:
            await gate.load(account("org_a"))
            await gate.spend("org_a", 2, spend_id="eml_1")
            await gate.reserve("org_a", 5, hold_id="eml_open")

    asyncio.run(fill())
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("PG_URL", database_url)
    return redis_url, database_url


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was printed on standard output and error."""
    code = main(arguments)
    return code, *capsys.readouterr()


def edit(database_url: str, *statements: str) -> None:
    async def change() -> None:
        async with connected(database_url) as connection:
            for statement in ("SET session_replication_role = replica", *statements):
                await connection.execute(statement)

    asyncio.run(change())


def test_status__is_a_page_and_an_exit_code(
    urls: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "status")
    assert (code, err) == (0, "")
    for shown in (
        "healthy, 2",
        "2 deltas in 1 of 8 partitions, the oldest is ",
        "1 alive: host:1",
        "1 ok, 0 reloading, 0 stopped",
        "1 not booked, the oldest for ",
        "the first one expires in 4 min",
        "nobody",
    ):
        assert shown in out
    edit(urls[1], "UPDATE account SET repair_state = 'stopped', repair_reason = 'drift'")
    code, out, _ = run(capsys, "status")
    assert code == 1
    assert "needs a person" in out
    assert "! 1 account is stopped and admits nothing (org_a): look with" in out
    assert "Accounts under repair" in out
    code, out, _ = run(capsys, "status", "--json", "--database-url", "postgresql://127.0.0.1:1/x")
    said = json.loads(out)
    assert (code, said["verdict"], said["ledger"]) == (2, "cannot_tell", None)
    assert len(said["partitions"]) == 8


def test_status__of_many_partitions_shows_those_with_something_to_see(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fill() -> None:
        async with Gate.connect(redis_url, partitions=64) as gate:
            await gate.load(account("org_a"))

    asyncio.run(fill())
    code, out, _ = run(
        capsys, "status", "--redis-url", redis_url, "--database-url", "postgresql://127.0.0.1:1/x"
    )
    assert code == 2
    assert "Partitions, 16 of 64: those most behind" in out
    assert out.startswith("cannot tell, 2")


def test_doctor__has_a_line_for_each_check(
    urls: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "doctor")
    assert code == 1
    lines = [line.split(maxsplit=3) for line in out.splitlines()]
    assert ["ok", "Redis", "gate:meta", "layout 1, 8 partitions"] in [
        [word.strip() for word in line] for line in lines
    ]
    assert any(line[:3] == ["fail", "Redis", "appendonly"] for line in lines)
    assert "→ CONFIG SET appendonly yes, and the same in redis.conf" in out
    assert out.splitlines()[-1].endswith(" failed")
    code, out, _ = run(capsys, "doctor", "--json")
    said = json.loads(out)
    assert (code, said["ok"]) == (1, False)
    assert {check["server"] for check in said["checks"]} == {
        *("Redis", "PostgreSQL", "clocks", "booking")
    }


def test_explain__tells_a_story(urls: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "eml_booked")
    assert code == 0
    assert out.startswith("eml_booked of org_a: spent, 3 credits booked.\n20")
    assert "eml_booked spent: −3 credits of base, balance 997; entry 2, booked " in out
    code, out, _ = run(capsys, "explain", "eml_open", "--organization", "org_a")
    assert code == 0
    assert "\nnow                      eml_open is open: 5 credits held, expires in " in out
    code, out, _ = run(capsys, "explain", "eml_1", "--json")
    said = json.loads(out)
    assert said["headline"] == "eml_1 of org_a: spent, 2 credits, not booked yet."
    assert said["facts"]["unbooked"][0]["delta"]["posted"] == 998
    code, out, _ = run(capsys, "explain", "eml_booked", "--json")
    assert len(json.loads(out)["facts"]["found"]["entries"][0]["chain"]) == 64
    code, out, err = run(capsys, "explain", "eml_nobody")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "eml_nobody is not known to ledger, messages, operations and quarantine in" in err
    assert run(capsys, "explain", "no id")[0] == 2


def test_verify__names_faults_and_ends_with_1(
    urls: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "ledger", "verify")
    assert (code, err) == (0, "")
    assert out == "1 organizations: 2 entries verified, all as it was booked.\n"
    code, out, _ = run(capsys, "ledger", "verify", "org_a")
    assert "org_a: 2 entries verified, all as it was booked.\nThe chain ends with " in out
    edit(urls[1], "UPDATE credit_ledger SET delta = -2 WHERE entry_no = 2")
    code, out, _ = run(capsys, "ledger", "verify")
    assert code == 1
    assert (
        "org_a entry 2: was edited: it does not fit its chain; balance_after is 997, the balance "
        "before and delta give 998\n" in out
    )
    assert "1 organizations: 2 entries verified, 2 faults.\n" in out
    code, out, _ = run(capsys, "ledger", "verify", "org_a", "--json")
    said = json.loads(out)
    assert (code, said["ok"], said["faults"], len(said["findings"])) == (1, False, 2, 2)
    code, _, err = run(capsys, "ledger", "verify", "org_nobody")
    assert (code, err) == (2, "gate: the ledger knows no organization org_nobody\n")


def test_nothing_named__says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("PG_URL", raising=False)
    monkeypatch.setenv("GATE_DATA_DIR", str(tmp_path))
    code, out, _ = run(capsys, "status")
    assert (code, out.count("? ")) == (2, 2)
    assert run(capsys, "doctor")[0] == 1
    code, _, err = run(capsys, "ledger", "verify")
    assert (code, err.count("\n")) == (2, 1)
    assert f"no PostgreSQL is running in {tmp_path}" in err
    code, _, err = run(capsys, "explain", "eml_1")
    assert (code, err) == (
        2,
        "gate: neither Redis nor PostgreSQL was named: give REDIS_URL and PG_URL\n",
    )
