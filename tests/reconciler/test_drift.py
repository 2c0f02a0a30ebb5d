"""The sweep finds what somebody did to Redis or PostgreSQL behind the gate's back, and `gate drift`
tells of it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import structlog

from gate.domain.errors import BadArgument
from gate.domain.limits import NEVER_MS
from gate.hot.commands import apply, release, reserve, spend
from gate.hot.commands.apply import Applied, ApplyArguments
from gate.hot.keys import partition_of
from gate.hot.layout import GRANT, HEAD, HEAD_FIELDS, REST
from gate.hot.live_account import REST_FIELDS, unpack_account
from gate.ledger.transaction import borrowed
from reconciler import drift, drift_command
from reconciler.consumer import Consumer
from reconciler.drift import Sweep, compare_partition
from reconciler.metrics import Metrics
from reconciler.reading import lock_cursors
from reconciler.reload import load_absent
from reconciler.settings import Settings
from reconciler.startup import Once, connected_context
from tests.support.booked import put_account
from tests.support.watch import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from reconciler.context import Context

PARTITIONS = 8
BASE, PURCHASED = 2, 3
DAY_MS = 86_400_000


@pytest.fixture
async def context(redis_url: str, database_url: str) -> AsyncIterator[Context]:
    """A context in which org_a has 900 base and 100 purchased credits, loaded and booked."""
    settings = Settings(
        redis_url=redis_url, database_url=database_url, partitions=PARTITIONS, drift_pause_s=0
    )
    async with connected_context(
        settings,
        metrics=Metrics(),
        log=structlog.wrap_logger(structlog.ReturnLogger()),
        stop=asyncio.Event(),
        patience=Once(),
        migrate_first=False,
    ) as made:
        await add(made, "org_a")
        yield made


async def add(context: Context, organization_id: str) -> None:
    part = partition_of(organization_id, PARTITIONS)
    grants = [("base", 900, None), ("purchased", 100, None)]
    async with borrowed(context.pool) as connection:
        await put_account(
            connection, organization_id, partition=part, grants=grants, posted=1_000, allowance=900
        )
    assert await load_absent(context, part, [organization_id]) == 1
    await book(context)


async def book(context: Context) -> None:
    consumer = Consumer(context)
    while await consumer.tick(range(PARTITIONS)):
        pass


async def sweep(context: Context, *, mark: bool = True, audit: bool = True) -> Sweep:
    done = [
        await compare_partition(context, part, mark=mark, audit=audit) for part in range(PARTITIONS)
    ]
    return drift.total(done)._replace(seconds=0)


class Row(NamedTuple):
    repair_state: str
    repair_reason: str | None
    seq: int


async def row(context: Context) -> Row:
    async with borrowed(context.pool) as connection:
        found = await connection.fetchrow(
            "SELECT repair_state, repair_reason, seq FROM account WHERE organization_id = 'org_a'"
        )
    assert found is not None
    return Row(**found)


async def reports(context: Context) -> Sequence[Mapping[str, Any]]:
    async with borrowed(context.pool) as connection:
        return await connection.fetch("SELECT * FROM drift_report ORDER BY id")


def key(context: Context) -> bytes:
    return context.caller.keys_of("org_a").account


async def edit(context: Context, *, grants: list[list[int]] | None = None, **fields: int) -> None:
    """Writes other numbers into the packed account; grants are (left, kind, expires_at_ms)."""
    packed = await context.transport.execute("GET", key(context))
    values, position = HEAD.unpack(packed)
    head = dict(zip(HEAD_FIELDS, values, strict=True))
    found = []
    for _ in range(head["grants"]):
        grant, position = GRANT.unpack(packed, position)
        found.append(grant)
    values, position = REST.unpack(packed, position)
    rest = dict(zip(REST_FIELDS, values, strict=True))
    for name, value in fields.items():
        side = head if name in head else rest
        assert side[name] != value, "an edit changes something"
        side[name] = value
    head["grants"] = len(found if grants is None else grants)
    edited = [GRANT.pack(*grant) for grant in (found if grants is None else grants)]
    edited += [REST.pack(*rest.values()), packed[position:]]
    await context.transport.execute(
        "SET", key(context), b"".join((HEAD.pack(*head.values()), *edited))
    )


EDITS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "period_no": ({"period_no": 2}, {"period_no": 2}, {"period_no": 1}),
    "posted": ({"posted": 1_007}, {"posted": 1_007}, {"posted": 1_000}),
    "overage": ({"overage": 5}, {"overage": 5, "counted": 995}, {"overage": 0, "counted": 1_000}),
    "debt": ({"debt": 5}, {"debt": 5, "counted": 995}, {"debt": 0, "counted": 1_000}),
    "used": ({"used": 9}, {"used": 9}, {"used": 0}),
    "status": ({"status": 4}, {"status": "paused"}, {"status": "active"}),
    "frozen_reason": ({"reason": 1}, {"frozen_reason": "debt"}, {"frozen_reason": None}),
    "config_version": ({"config_version": 3}, {"config_version": 3}, {"config_version": 1}),
    "credits left": (
        {"grants": [[950, BASE, NEVER_MS], [100, PURCHASED, NEVER_MS]], "posted": 1_050},
        {"posted": 1_050, "counted": 1_050, "base": 950},
        {"posted": 1_000, "counted": 1_000, "base": 900},
    ),
    "credits moved": (
        {"grants": [[800, BASE, NEVER_MS], [200, PURCHASED, NEVER_MS]]},
        {"base": 800, "purchased": 200},
        {"base": 900, "purchased": 100},
    ),
    "expiry": (
        {"grants": [[900, BASE, NEVER_MS], [100, PURCHASED, 30_000 * DAY_MS]]},
        {"purchased": 0, "purchased until 2052-02-20": 100},
        {"purchased": 100, "purchased until 2052-02-20": 0},
    ),
}


@pytest.mark.parametrize("what", EDITS)
async def test_drift__of_an_edited_account(context: Context, what: str) -> None:
    fields, ours, theirs = EDITS[what]
    assert await sweep(context) == Sweep(accounts=1)
    await edit(context, **fields)
    found = await sweep(context)
    credits = ours.get("posted", ours.get("counted", 1_000)) - 1_000
    assert found == Sweep(accounts=1, differing=1, credits=abs(credits))
    place = {"epoch": 1, "seq": 1, "posted": 1_000}
    [report] = await reports(context)
    assert (report["kind"], report["action"], report["credits"]) == ("drift", "reload", credits)
    assert report["live"] == place | ours
    assert report["booked"] == place | theirs
    assert await row(context) == Row("reloading", "drift", 1)
    assert await sweep(context) == Sweep(), "an account under repair is left alone"


async def test_edit_of_the_warning_mark__is_none_of_its_business(context: Context) -> None:
    await edit(context, warned=80)
    assert await sweep(context) == Sweep(accounts=1)


async def test_ahead__is_left_alone(context: Context) -> None:
    await context.caller.call(spend, "org_a", "spd_1", ("spd_1", 7))
    assert await sweep(context) == Sweep(accounts=1)
    await book(context)
    assert await sweep(context) == Sweep(accounts=1)
    assert (await row(context)).seq == 2


async def test_behind__is_found(context: Context) -> None:
    before = await context.transport.execute("GET", key(context))
    await context.caller.call(spend, "org_a", "spd_1", ("spd_1", 7))
    await book(context)
    await context.transport.execute("SET", key(context), before)
    assert await sweep(context) == Sweep(accounts=1, differing=1, credits=7)
    [report] = await reports(context)
    assert (report["kind"], report["credits"]) == ("behind", 7)
    assert (report["live"]["seq"], report["booked"]["seq"]) == (1, 2)
    assert await row(context) == Row("reloading", "drift", 2)


async def test_dry_run__tells_once_and_changes_nothing(context: Context) -> None:
    await edit(context, used=9)
    for _ in range(2):
        found = await sweep(context, mark=False, audit=False)
        assert found == Sweep(accounts=1, differing=1)
    [report] = await reports(context)
    assert (report["action"], report["resolved_at"]) == ("none", None)
    assert (await row(context)).repair_state == "ok"


async def test_report__is_closed_when_nothing_differs_any_more(context: Context) -> None:
    await edit(context, used=9)
    await sweep(context, mark=False)
    await edit(context, used=0)
    assert await sweep(context) == Sweep(accounts=1)
    [report] = await reports(context)
    assert report["resolved_at"] is not None


async def test_report__is_closed_when_a_busy_account_was_loaded_since(context: Context) -> None:
    """An account that is always ahead is never seen to be equal."""
    await context.caller.call(spend, "org_a", "spd_1", ("spd_1", 7))
    async with borrowed(context.pool) as connection:
        await connection.execute(
            "INSERT INTO drift_report (organization_id, kind, found_at) VALUES"
            " ('org_a', 'gap', now() - interval '1 hour'), ('org_b', 'gap', now())"
        )
    assert await sweep(context) == Sweep(accounts=1)
    assert [one["resolved_at"] is None for one in await reports(context)] == [False, True]


async def test_absent__is_skipped(context: Context) -> None:
    await context.transport.execute("DEL", key(context))
    assert await sweep(context) == Sweep()


async def test_unreadable__is_told_once_and_reloaded(context: Context) -> None:
    await context.transport.execute("SET", key(context), b"\x01nonsense")
    await add(context, "org_b")
    assert await sweep(context) == Sweep(accounts=1, unreadable=1)
    assert await sweep(context) == Sweep(accounts=1)
    [report] = await reports(context)
    assert (report["kind"], report["action"]) == ("unreadable", "reload")
    assert bytes.fromhex(report["live"]["packed"]) == b"\x01nonsense"
    assert (await row(context)).repair_state == "reloading"


async def test_booked_meanwhile__is_compared_anew(context: Context) -> None:
    """What was read before a booking is no proof of anything."""
    await edit(context, used=9)
    part = partition_of("org_a", PARTITIONS)
    async with borrowed(context.pool) as connection:
        booking = connection.transaction()
        await booking.start()
        await lock_cursors(connection, [part])
        comparing = asyncio.create_task(compare_partition(context, part, mark=True, audit=True))
        async with borrowed(context.pool) as other:
            while not await other.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            ):
                assert not comparing.done()
        await connection.execute("UPDATE account SET seq = 2")
        await booking.commit()
    assert (await comparing).differing == 0
    assert await row(context) == Row("ok", None, 2)
    assert await reports(context) == []


async def test_deleted_hold__is_found_by_counting(context: Context) -> None:
    for id in ("eml_1", "eml_2"):
        await context.caller.call(reserve, "org_a", id, (id, 30, 60_000, 0, -1))
    await context.transport.execute("ZREM", context.caller.keys_of("org_a").holds, "eml_1")
    assert await sweep(context) == Sweep(accounts=1, audited=1, corrected=1)
    live = unpack_account(await context.transport.execute("GET", key(context)))
    assert (live.held, live.open_holds) == (30, 1)
    await book(context)
    assert (await row(context)).seq == 2, "the correction is journaled"
    assert await sweep(context) == Sweep(accounts=1, audited=1)
    await context.caller.call(release, "org_a", "eml_2", ("eml_2",))
    assert await sweep(context) == Sweep(accounts=1)


async def test_forgotten_hold__is_found_by_its_record(context: Context) -> None:
    await context.caller.call(reserve, "org_a", "eml_1", ("eml_1", 30, 60_000, 0, -1))
    await edit(context, held=0, open_holds=0)
    await add(context, "org_b")
    assert await sweep(context) == Sweep(accounts=2, audited=1, corrected=1)
    live = unpack_account(await context.transport.execute("GET", key(context)))
    assert (live.held, live.open_holds) == (30, 1)


async def test_foreign_value__does_not_hold_up_the_others(context: Context) -> None:
    keys = context.caller.keys_of("org_a")
    await context.transport.execute("SET", keys.holds, "foreign")
    await context.transport.execute("SET", keys.operations, "foreign")
    await add(context, "org_b")
    await context.caller.call(reserve, "org_b", "eml_1", ("eml_1", 30, 60_000, 0, -1))
    assert await sweep(context) == Sweep(accounts=2, audited=1)


async def test_marks__go_when_their_operation_has_ended(context: Context) -> None:
    statuses = {"op_1": "booked", "op_2": "stale", "op_3": "rejected", "op_4": "applied"}
    for id in (*statuses, "op_5"):
        arguments = ApplyArguments(id, 0, 0, 0, -1, -1, b"", b"", "", "", ())
        applied = await context.caller.call(apply, "org_a", id, arguments.flat())
        assert isinstance(applied, Applied)
    async with borrowed(context.pool) as connection:
        await connection.executemany(
            "INSERT INTO operation (organization_id, id, kind, status)"
            " VALUES ('org_a', $1, '', $2)",
            [*statuses.items()],
        )
    operations = context.caller.keys_of("org_a").operations
    await context.transport.execute("HSET", operations, b"\xff", "edited")
    assert await sweep(context, audit=False) == Sweep(accounts=1)
    assert await sweep(context) == Sweep(accounts=1, forgotten=3)
    left = await context.transport.execute("HKEYS", operations)
    assert sorted(left) == [b"op_4", b"op_5", b"\xff"]


async def test_pages__cover_all_accounts(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "PAGE", 2)
    same = [f"org_{number}" for number in range(40)]
    part = partition_of("org_a", PARTITIONS)
    for name in same:
        if partition_of(name, PARTITIONS) == part:
            await add(context, name)
    expected = 1 + sum(partition_of(name, PARTITIONS) == part for name in same)
    assert expected > 4
    found = await compare_partition(context, part, mark=True, audit=True)
    assert found._replace(seconds=0) == Sweep(accounts=expected)
    assert found.seconds > 0
    context.stop.set()
    found = await compare_partition(context, part, mark=True, audit=True)
    assert found.accounts == 0, "it ends when the process is to stop"


async def test_run__sweeps_what_it_owns_again_and_again(context: Context) -> None:
    await edit(context, posted=1_007)
    leasing = asyncio.create_task(context.leases.run(context.stop))
    sweeping = asyncio.create_task(drift.run(context))
    seen = context.metrics.sweep_seconds.labels("drift")
    await until(lambda: sweeping.done() or seen._sum.get() > 0)
    await until(lambda: sweeping.done() or context.metrics.drift_credits._value.get() == 0)
    context.stop.set()
    await asyncio.gather(sweeping, leasing)
    assert (await row(context)).repair_state == "reloading"
    assert 'misfits_total{reason="drift"} 1.0' in context.metrics.render().decode()


# -- the command


async def command(context: Context, organization: str | None = None, **given: Any) -> int:
    known = {
        "all": False,
        "repair": False,
        "dry_run": False,
        "resume": None,
        "replay": False,
        "json": False,
    }
    return await drift_command.run(
        context, argparse.Namespace(organization=organization, **known | given)
    )


async def test_command__nothing_differs(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command(context, all=True) == 0
    told = capsys.readouterr().out
    assert "1 live accounts compared" in told
    assert "No open reports" in told
    assert await command(context, "org_a") == 0
    assert "org_a: both sides agree" in capsys.readouterr().out


async def test_command__compares_and_repairs_when_told_to(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await edit(context, posted=1_007)
    assert await command(context) == 0, "nobody has looked yet"
    assert await command(context, all=True, repair=True, dry_run=True) == 1
    assert await command(context, all=True) == 1
    assert (await row(context)).repair_state == "ok"
    told = capsys.readouterr().out
    assert "1/1, posted 1,007" in told
    assert "+7" in told
    assert await command(context, all=True, repair=True) == 1
    assert (await row(context)).repair_state == "reloading"
    assert await command(context) == 1
    assert "reload" in capsys.readouterr().out


async def test_command__one_organization_side_by_side(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await edit(context, used=9)
    assert await command(context, "org_a") == 1
    told = capsys.readouterr().out
    assert "differs at the same delta" in told
    assert [line.split() for line in told.splitlines() if "≠" in line] == [["≠", "used", "9", "0"]]
    assert await command(context, "org_a", repair=True, json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "the live account differs at the same delta; reloading (drift)"
    assert (told["live"]["used"], told["booked"]["used"]) == (9, 0)
    assert [one["action"] for one in told["history"]] == ["reload"]
    with pytest.raises(BadArgument, match="has an account"):
        await command(context, "org_nobody")


async def test_command__accounts_that_cannot_be_told_of(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await context.transport.execute("SET", key(context), "nonsense")
    assert await command(context, "org_a") == 1
    assert "account of layout 110" in capsys.readouterr().out
    await context.transport.execute("DEL", key(context))
    assert await command(context, "org_a") == 0
    assert "not in Redis" in capsys.readouterr().out


async def test_command__resume_ends_a_stop(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadArgument, match="is stopped"):
        await command(context, resume="org_a")
    async with borrowed(context.pool) as connection:
        await connection.execute(
            "UPDATE account SET repair_state = 'stopped', status = 'frozen',"
            " frozen_reason = 'repair', repair_reason = 'drift', repair_since = now()"
        )
        await connection.execute(
            "INSERT INTO plan (id, name, monthly_credits, base_price_usd) VALUES ('p', 'P', 1, 1)"
        )
        await connection.executemany(
            "INSERT INTO subscription (id, organization_id, plan_id, status, current_period_start)"
            " VALUES ($1, 'org_a', 'p', $2, now())",
            [("sub_1", "cancelled"), ("sub_2", "past_due")],
        )
    assert await command(context, json=True) == 1
    [told] = json.loads(capsys.readouterr().out)["open"]
    assert (told["organization_id"], told["repair_state"]) == ("org_a", "stopped")
    assert await command(context, resume="org_a") == 0
    assert (await row(context))[:2] == ("reloading", "person")
    async with borrowed(context.pool) as connection:
        [operation] = await connection.fetch("SELECT * FROM operation")
        [logged] = await connection.fetch("SELECT * FROM audit_log")
    assert operation["content"] == {"status": "past_due"}
    assert (operation["kind"], operation["status"]) == ("resume", "pending")
    assert (logged["actor"], logged["action"]) == (getpass.getuser(), "drift.resume")
    assert logged["target"] == operation["id"]
