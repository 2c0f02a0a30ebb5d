"""An emptied Redis is loaded in bulk: everything, once, as it is booked."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from gate.domain.accounts import STATUSES, ComingPeriod, Terms
from gate.hot.commands import retire, spend
from gate.hot.keys import partition_of
from gate.hot.layout import pack_account
from gate.hot.live_account import LiveAccount, unpack_account
from gate.ledger.accounts import load_accounts
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler import bulk_loading, drift, rebuild
from reconciler.consumer import Consumer
from reconciler.metrics import Metrics
from reconciler.row_packing import AccountRow, pack_row
from reconciler.settings import Settings
from reconciler.startup import Once, connected_context
from tests.support.booked import put_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from reconciler.context import Context

PARTITIONS = 4
NAMES = [f"org_{number:02}" for number in range(30)]
START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
async def context(redis_url: str, database_url: str) -> AsyncIterator[Context]:
    settings = Settings(redis_url=redis_url, database_url=database_url, partitions=PARTITIONS)
    async with connected_context(
        settings,
        metrics=Metrics(),
        log=structlog.wrap_logger(structlog.ReturnLogger()),
        stop=asyncio.Event(),
        patience=Once(),
        migrate_first=False,
    ) as made:
        yield made


async def put(context: Context, *names: str, **columns: Any) -> None:
    given: dict[str, Any] = {"epoch": 1, "seq": 5, "posted": 1_000, **columns}
    async with borrowed(context.pool) as connection:
        for name in names:
            part = partition_of(name, PARTITIONS)
            await put_account(connection, name, partition=part, **given)


async def rebuilt(context: Context, *names: str, everything: bool = False) -> int:
    return await rebuild.run(context, argparse.Namespace(organizations=[*names], all=everything))


async def live(context: Context, name: str) -> LiveAccount | None:
    packed = await context.transport.execute("GET", context.caller.keys_of(name).account)
    return None if packed is None else unpack_account(packed)


async def rows(context: Context) -> list[tuple[Any, ...]]:
    """repair_state, epoch, seq; each once."""
    async with borrowed(context.pool) as connection:
        found = await connection.fetch("SELECT DISTINCT repair_state, epoch, seq FROM account")
    return [tuple(row.values()) for row in found]


async def test_emptied_redis__is_loaded_and_booked(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(context, *NAMES)
    assert await rebuilt(context) == 0
    assert capsys.readouterr().out.startswith("loaded 30 accounts in ")
    assert await rows(context) == [("ok", 2, 6)]

    await context.transport.execute("FLUSHALL")
    assert await rebuilt(context) == 0
    found = await live(context, NAMES[3])
    assert found is not None
    assert (found.epoch, found.seq, found.posted) == (3, 7, 1_000)
    assert await rows(context) == [("ok", 3, 7)], "the fork is found, and every account repaired"
    swept = [
        await drift.compare_partition(context, part, mark=False, audit=True)
        for part in range(PARTITIONS)
    ]
    assert drift.total(swept)._replace(seconds=0) == drift.Sweep(accounts=30)
    assert "gate_reconciler_loads_total 60.0" in context.metrics.render().decode()


async def test_present__stays_as_it_is(
    context: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(context, *NAMES)
    assert await rebuilt(context) == 0
    await context.caller.call(spend, "org_05", "spd_1", ("spd_1", 7))
    gone = context.caller.keys_of("org_06").account
    await context.transport.execute("DEL", gone)
    monkeypatch.setattr(bulk_loading, "PAGE", 3)
    capsys.readouterr()
    assert await rebuilt(context) == 0
    told = capsys.readouterr().out
    assert told.startswith("loaded 1 accounts")
    assert "29 were in Redis, 0 were not loaded" in told
    kept, loaded = await live(context, "org_05"), await live(context, "org_06")
    assert kept is not None
    assert loaded is not None
    assert (kept.epoch, kept.seq, kept.posted) == (2, 7, 993)
    assert (loaded.epoch, loaded.seq) == (3, 7)


async def test_unbooked__is_booked_before_it_is_loaded(context: Context) -> None:
    await put(context, "org_00")
    assert await rebuilt(context) == 0
    await context.caller.call(spend, "org_00", "spd_1", ("spd_1", 7))
    await context.caller.call(retire, "org_00", "", (2,))
    assert await rebuilt(context) == 0
    found = await live(context, "org_00")
    assert found is not None
    assert (found.epoch, found.seq, found.posted, found.used) == (3, 9, 993, 7)
    assert await rows(context) == [("ok", 3, 9)]


async def test_never_loaded__only_when_asked_for(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(context, "org_00", "org_01", "org_02", epoch=0, seq=0)
    await put(context, "org_03")
    assert await rebuilt(context) == 0
    assert [await live(context, f"org_0{number}") is None for number in range(4)] == [True] * 3 + [
        False
    ]
    assert await rebuilt(context, "org_00") == 0
    assert await live(context, "org_00") is not None
    assert await live(context, "org_01") is None
    assert await rebuilt(context, everything=True) == 0
    assert await live(context, "org_01") is not None
    capsys.readouterr()
    assert await rebuilt(context, "org_00", "org_nobody") == 1
    told = capsys.readouterr()
    assert "1 were in Redis, 1 were not loaded" in told.out
    assert told.err == "no account: org_nobody\n"


async def test_accounts_that_are_no_plain_ones(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """What PostgreSQL has of them is fitted to what an account can be, or told."""
    days = [START + timedelta(days=number) for number in range(20)]
    await put(context, "org_00", grants=[("purchased", 50, day) for day in days])
    await put(context, "org_01", grants=[("base", -40, None), ("purchased", 1_040, None)])
    await put(context, "org_02", overage=-1)
    await put(context, "org_03", status="frozen", frozen_reason="repair", repair_state="stopped")
    assert await rebuilt(context) == 1
    assert "loaded 3 accounts" in (told := capsys.readouterr().out)
    assert "1 were not loaded" in told
    many, owing, stopped = [await live(context, f"org_0{number}") for number in (0, 1, 3)]
    assert many is not None
    assert (many.posted, len(many.grants)) == (1_000, 16)
    assert owing is not None
    assert [(grant.kind, grant.left) for grant in owing.grants] == [("purchased", 1_000)]
    assert stopped is not None
    assert (stopped.status, stopped.frozen_reason) == ("frozen", "repair")


async def test_used_last__comes_first(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    part = partition_of(NAMES[0], PARTITIONS)
    names = [name for name in NAMES if partition_of(name, PARTITIONS) == part]
    for number, name in enumerate(names[1:]):
        await put(context, name, last_delta_at=START + timedelta(days=number))
    await put(context, names[0])
    monkeypatch.setattr(bulk_loading, "PAGE", 2)
    monkeypatch.setattr(bulk_loading, "_UNDER_WAY", 1)
    assert await rebuilt(context) == 0
    journal = context.caller.keys_of(names[0]).journal
    entries = await context.transport.execute("XRANGE", journal, "-", "+")
    loaded = [fields[1].decode() for _, fields in entries]
    assert len(loaded) > 4
    assert set(loaded[:2]) == set(names[-2:])
    assert names[0] in loaded[-2:]


async def test_stop__ends_it_early(context: Context) -> None:
    await put(context, *NAMES)
    context.stop.set()
    assert await rebuilt(context) == 1
    assert await live(context, NAMES[0]) is None


def _columns(chance: random.Random) -> dict[str, Any]:
    """A row as it may be: numbers of every size, instants, terms, calendars, grants."""

    def credits() -> int:
        return chance.choice((0, 1, 250, 65_536, 2**40, 2**49)) + chance.randrange(3)

    def instant() -> datetime | None:
        micros = chance.choice((0, 999_999))
        return START + timedelta(days=chance.randrange(400), microseconds=micros)

    def rate() -> int | None:
        return chance.choice((None, 1, 1_000_000_000))

    terms = Terms(
        rate_per_second=chance.choice((1, 50, 1_000_000_000)),
        burst=rate(),
        rate_per_minute=rate(),
        rate_per_hour=rate(),
        strict_burst=chance.random() < 0.5,
        overage_limit=credits(),
        max_open_holds=rate(),
        max_attachment_size_mb=chance.choice((0, 25)),
        max_debt=credits(),
        max_rollover_credits=chance.choice((None, 0, 2**52)),
        warn_at=chance.choice(((), (100,), (50, 80, 100, 10_000))),
        config_version=chance.choice((1, 2**32 - 1)),
    )
    ends_at = instant()
    coming = [
        ComingPeriod(
            period_no=8 + number,
            ends_at=START + timedelta(days=500 + number),
            allowance=credits(),
            status=chance.choice((None, "cancelled")),
            terms=chance.choice((None, terms)),
        )
        for number in range(chance.randrange(3))
    ]
    status = chance.choice(STATUSES)
    grants = [
        (kind, 1 + credits(), chance.choice((None, START + timedelta(days=40 * number))))
        for number, kind in enumerate(chance.sample(("rollover", "base", "purchased"), 2))
    ]
    return {
        "epoch": chance.choice((0, 1, 2**31)),
        "seq": chance.choice((0, 2**47)),
        "overage": credits(),
        "debt": credits(),
        "used": credits(),
        "warned_percent": chance.choice((0, 80, 10_000)),
        "allowance": credits(),
        "status": status,
        "frozen_reason": chance.choice((None, "debt", "repair")) if status == "frozen" else None,
        "grace_until": chance.choice((None, instant())),
        "period_no": chance.choice((1, 7)),
        "starts_at": chance.choice((None, instant())),
        "ends_at": ends_at if coming else chance.choice((None, ends_at)),
        "terms": terms,
        "coming": coming,
        "grants": grants[: chance.randrange(3)],
    }


async def test_rows__are_packed_as_accounts_are(context: Context) -> None:
    """The short way from a row to bytes gives what the long way gives, byte for byte; but for the
    order of grants, which `load` does not ask for."""
    chance = random.Random(7)
    names = [f"org_{number:03}" for number in range(150)]
    async with borrowed(context.pool) as connection:
        for name in names:
            await put_account(connection, name, **_columns(chance))
        states = await load_accounts(connection, 0, "0-0", names)
        records = await connection.fetch(load_statement("load_account_texts").sql, 0, "0-0", names)
    long = {state.organization_id: state for state in states}
    for record in records:
        row = AccountRow(*record.values())
        state, kinds = long[row.organization_id], [one["kind"] for one in json.loads(row.grants)]
        grants = sorted(state.grants, key=lambda grant: kinds.index(grant.kind))
        state = replace(state, epoch=row.epoch, grants=grants)
        assert pack_row(row) == pack_account(state), row
    assert len(records) == len(names)


async def test_owned_by_another__is_booked_all_the_same(context: Context) -> None:
    """Leases are hints: another reconciler that stands still holds up nothing."""
    await put(context, *NAMES)
    async with borrowed(context.pool) as connection:
        await connection.execute(
            "INSERT INTO partition_lease SELECT part, 'other', now() + interval '1 hour'"
            " FROM generate_series(0, $1 - 1) AS part",
            PARTITIONS,
        )
    assert await rebuilt(context) == 0
    assert await rows(context) == [("ok", 2, 6)]
    assert not await Consumer(context).tick(range(PARTITIONS))
