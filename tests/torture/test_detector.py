"""Whatever is broken on purpose is found, called what it is, and mended, or left to a person."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gate import Account, Committed, Gate, Reserved
from gate.domain.errors import GateError
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.hot.commands import apply
from gate.hot.commands.apply import Applied
from gate.hot.operation import apply_arguments
from gate.ledger.verify import verify
from tests.torture import edits
from tests.torture.books import Fact, read_books
from tests.torture.organizations import add_operation, add_plain_organization
from tests.torture.quiet import converge
from tests.torture.stand import PARTITIONS, Stand
from tests.torture.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from gate.ledger.chain_walk import Finding

    Change = Callable[[bytes], bytes | None]

pytestmark = pytest.mark.slow

WITHIN_S = 10.0
CREDITS = 1_500

_REPORTS = """
SELECT kind, live, booked, credits, action FROM drift_report WHERE organization_id = $1 ORDER BY id
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A stand with one reconciler, which looks for drift five times a second."""
    stand = Stand(tmp_path_factory.mktemp("detector"))
    asyncio.run(stand.start())
    stand.start_reconciler(GATE_DRIFT_PAUSE_S="0.2")
    yield stand
    asyncio.run(stand.stop())


@pytest.fixture
async def gate(stand: Stand) -> AsyncIterator[Gate]:
    """A sender that loads accounts."""
    async with Gate.connect(
        stand.redis_url, database_url=stand.database_url, partitions=PARTITIONS
    ) as gate:
        yield gate


@pytest.fixture
async def name(stand: Stand, gate: Gate, request: pytest.FixtureRequest) -> str:
    """An organization of its own for each test, with 1,000 credits of kind base and 500 purchased,
    ten of which are spent."""
    name = "org_" + "".join(one if one.isalnum() else "_" for one in request.node.name)[5:100]
    await settle_in(stand, gate, name)
    assert isinstance(await gate.spend(name, 10, spend_id="before"), Committed)
    await converge(stand, [name], WITHIN_S)
    return name


async def settle_in(stand: Stand, gate: Gate, name: str) -> None:
    """A new organization is loaded, and its credits are there."""
    async with stand.database() as connection:
        await add_plain_organization(connection, name, PARTITIONS)

    async def is_rich() -> bool:
        try:
            seen = await gate.peek(name)
        except GateError:
            return False
        return isinstance(seen, Account) and seen.posted == CREDITS

    await until("its credits are there", is_rich, within_s=30)


async def reported(stand: Stand, name: str, kind: str) -> dict[str, Any]:
    """The first report of a kind."""

    async def look() -> dict[str, Any] | None:
        found = [one for one in await reports(stand, name) if one["kind"] == kind]
        return found[0] if found else None

    return await until(f"{name}: found as {kind}", look, WITHIN_S)


async def reports(stand: Stand, name: str) -> list[dict[str, Any]]:
    async with stand.database() as connection:
        return [dict(row) for row in await connection.fetch(_REPORTS, name)]


async def mended(stand: Stand, name: str, posted: int) -> None:
    """Both sides agree on `posted`, and the chain holds."""

    seconds = await converge(stand, [name], WITHIN_S)
    sys.stdout.write(f"{seconds:6.2f} s  {name}: mended\n")
    async with stand.database() as connection:
        sql = "SELECT posted FROM account WHERE organization_id = $1"
        assert await connection.fetchval(sql, name) == posted
    found: list[Finding] = []
    await verify(stand.database_url, name, report=found.append)
    assert not found


def fork(stand: Stand, name: str) -> None:
    """The anchor of its partition is gone, so that nobody can tell whether it was this journal."""
    with stand.store() as store:
        key = stand.keys_of(name).journal
        for entry_id, _ in store.xrange(key):
            store.xdel(key, entry_id)


async def neighbour(stand: Stand, gate: Gate, name: str) -> str:
    """Another organization in the same partition."""
    names = (f"{name}_{number}" for number in range(1_000))
    key = stand.keys_of(name).journal
    other = next(one for one in names if stand.keys_of(one).journal == key)
    await settle_in(stand, gate, other)
    return other


async def standing(stand: Stand, name: str, *ids: str) -> dict[str, tuple[int, int]]:
    """How often settlements stand in the ledger, and with how many credits."""
    async with stand.database() as connection:
        books = await read_books(connection)
    facts = {id: Fact(name, f"settlement:0:{id}") for id in ids}
    return {id: (books.standing[fact], -books.credits[fact]) for id, fact in facts.items()}


EDITS: dict[str, tuple[Change, int]] = {
    "credits_more": (partial(edits.give, credits=50), 50),
    "credits_fewer": (partial(edits.give, credits=-50), -50),
    "credits_moved": (edits.move, 0),
    "period": (partial(edits.set_field, name="period_no", by=1), 0),
    "posted_alone": (partial(edits.set_field, name="posted", by=-7), -7),
    "used": (partial(edits.set_field, name="used", by=3), 0),
}


@pytest.mark.parametrize("edit", EDITS)
async def test_edited_account__is_found_and_put_back(stand: Stand, name: str, edit: str) -> None:
    change, credits = EDITS[edit]
    with stand.store() as store:
        assert edits.edit_account(store, stand.keys_of(name).account, change)
    report = await reported(stand, name, "drift")
    assert (report["credits"], report["action"]) == (credits, "reload")
    assert report["live"] != report["booked"]
    await mended(stand, name, CREDITS - 10)


async def test_held_edited__is_counted_anew(stand: Stand, name: str) -> None:
    with stand.store() as store:
        change = partial(edits.set_field, name="held", by=7)
        assert edits.edit_account(store, stand.keys_of(name).account, change)
    await mended(stand, name, CREDITS - 10)


async def test_deleted_hold__its_credits_come_back(stand: Stand, gate: Gate, name: str) -> None:
    held = await gate.reserve(name, 100, hold_id="held", ttl_ms=600_000)
    assert isinstance(held, Reserved)
    with stand.store() as store:
        assert store.zrem(stand.keys_of(name).holds, "held")
    await mended(stand, name, CREDITS - 10)
    outcome = await gate.commit(held)
    assert isinstance(outcome, Committed)
    assert outcome.late
    await mended(stand, name, CREDITS - 110)
    assert await standing(stand, name, "held") == {"held": (1, 100)}


async def test_unbooked_entries_deleted__their_amount_is_booked(
    stand: Stand, gate: Gate, name: str
) -> None:
    keys, (reconciler,) = stand.keys_of(name), stand.reconcilers
    reconciler.stand_still()
    try:
        for number in range(1, 5):
            assert isinstance(await gate.spend(name, number, spend_id=f"spend_{number}"), Committed)
        with stand.store() as store:
            entries = store.xrevrange(keys.journal, count=4)
            assert store.xdel(keys.journal, entries[1][0], entries[2][0]) == 2
    finally:
        reconciler.go_on()
    report = await reported(stand, name, "gap")
    assert report["credits"] == -5
    await mended(stand, name, CREDITS - 20)
    found = await standing(stand, name, *(f"spend_{number}" for number in range(1, 5)))
    assert found == {
        "spend_1": (1, 1),
        "spend_2": (0, 0),
        "spend_3": (0, 0),
        "spend_4": (1, 4),
    }


async def test_delta_of_an_operation_deleted__it_comes_to_an_end(
    stand: Stand, gate: Gate, name: str
) -> None:
    """Whether it stands as itself or as the amount of the gap: its credits count once."""
    change = CreditChange(entry="credit_purchased", source="purchased", credits=70)
    content = OperationContent(changes=(change,))
    operation = Operation(organization_id=name, id="op_top_up", kind="purchase", content=content)
    async with stand.database() as connection:
        await add_operation(connection, name, operation.id, None, content)
        stand.reconcilers[0].stand_still()
    try:
        arguments = apply_arguments(operation).flat()
        assert isinstance(await gate.caller.call(apply, name, operation.id, arguments), Applied)
        with stand.store() as store:
            key = stand.keys_of(name).journal
            ((entry_id, _),) = store.xrevrange(key, count=1)
            assert store.xdel(key, entry_id)
    finally:
        stand.reconcilers[0].go_on()
    assert isinstance(await gate.spend(name, 5, spend_id="behind"), Committed)
    await mended(stand, name, CREDITS - 15 + 70)


async def test_booked_entries_deleted__is_a_fork_that_changes_nothing(
    stand: Stand, gate: Gate, name: str
) -> None:
    fork(stand, name)

    async def is_loaded_anew() -> bool:
        async with stand.database() as connection:
            sql = "SELECT epoch FROM account WHERE organization_id = $1"
            return await connection.fetchval(sql, name) > 1

    await until(f"{name}: found as fork and loaded", is_loaded_anew, WITHIN_S)
    await mended(stand, name, CREDITS - 10)


async def test_delta_said_twice__is_booked_once(stand: Stand, gate: Gate, name: str) -> None:
    with stand.store() as store:
        key = stand.keys_of(name).journal
        ((_, fields),) = store.xrevrange(key, count=1)
        assert fields[b"i"] == b"before"
        store.xadd(key, fields)
    report = await reported(stand, name, "sequence")
    assert report["action"] == "reload"
    await mended(stand, name, CREDITS - 10)
    assert await standing(stand, name, "before") == {"before": (1, 10)}


async def test_swapped_entries__are_both_booked_once(stand: Stand, gate: Gate, name: str) -> None:
    keys, (reconciler,) = stand.keys_of(name), stand.reconcilers
    reconciler.stand_still()
    try:
        for number in (1, 2):
            outcome = await gate.spend(name, number, spend_id=f"spend_{number}")
            assert isinstance(outcome, Committed)
        with stand.store() as store:
            for entry_id, fields in store.xrevrange(keys.journal, count=2):
                store.xdel(keys.journal, entry_id)
                store.xadd(keys.journal, fields)
    finally:
        reconciler.go_on()
    await reported(stand, name, "gap")
    await mended(stand, name, CREDITS - 13)
    found = await standing(stand, name, "spend_1", "spend_2")
    assert found == {"spend_1": (1, 1), "spend_2": (1, 2)}


async def test_account_deleted__is_loaded_when_it_is_asked_for(
    stand: Stand, gate: Gate, name: str
) -> None:
    with stand.store() as store:
        assert store.delete(stand.keys_of(name).account)

    async def is_there() -> bool:
        seen = await gate.peek(name)
        return isinstance(seen, Account) and seen.posted == CREDITS - 10

    await until(f"{name}: loaded", is_there, WITHIN_S)
    await mended(stand, name, CREDITS - 10)
    assert await reports(stand, name) == []


@pytest.mark.parametrize("value", [b"\xffnonsense", b"\x01cut off", b""])
async def test_unreadable_account__is_told_and_loaded_anew(
    stand: Stand, gate: Gate, name: str, value: bytes
) -> None:
    with stand.store() as store:
        store.set(stand.keys_of(name).account, value)
    report = await reported(stand, name, "unreadable")
    assert report["action"] == "reload"
    assert report["live"]["packed"] == value.hex()
    await mended(stand, name, CREDITS - 10)


async def test_foreign_value_under_an_account__is_left_to_a_person_and_holds_up_nobody(
    stand: Stand, gate: Gate, name: str
) -> None:
    """Where the whole partition is to be loaded anew, too."""
    other = await neighbour(stand, gate, name)
    keys = stand.keys_of(name)
    with stand.store() as store:
        store.delete(keys.account)
        store.rpush(keys.account, "foreign")
        fork(stand, name)
        await mended(stand, other, CREDITS)
        assert store.lrange(keys.account, 0, -1) == [b"foreign"]
        assert stand.reconcilers[0].is_running
        store.delete(keys.account)  # what a person does
    await mended(stand, name, CREDITS - 10)


async def test_garbage_in_the_journal__is_kept_and_holds_up_nobody(
    stand: Stand, gate: Gate, name: str
) -> None:
    key = stand.keys_of(name).journal
    with stand.store() as store:
        ((_, fields),) = store.xrevrange(key, count=1)
        garbage = [
            {b"what": b"ever"},
            {**fields, b"d": b"\xff\xfe"},
            {**fields, b"o": b"org_unknown"},
        ]
        ids = [store.xadd(key, one).decode() for one in garbage]
    assert isinstance(await gate.spend(name, 5, spend_id="behind"), Committed)

    async def is_in_quarantine() -> list[Any] | None:
        async with stand.database() as connection:
            rows = await connection.fetch(
                "SELECT entry_id, fields, organization_id, reason FROM quarantine"
                " WHERE entry_id = ANY ($1) ORDER BY id",
                ids,
            )
        return rows if len(rows) == len(ids) else None

    rows = await until(f"{name}: in quarantine", is_in_quarantine, WITHIN_S)
    assert [row["entry_id"] for row in rows] == ids
    for row, one in zip(rows, garbage, strict=True):
        assert row["fields"] == [text for pair in one.items() for text in pair]
        assert row["reason"]
    assert rows[2]["organization_id"] == "org_unknown"
    await mended(stand, name, CREDITS - 15)
    assert await reports(stand, name) == []
    assert await standing(stand, name, "behind") == {"behind": (1, 5)}


async def test_edited_ledger__is_found_by_its_chain(stand: Stand, gate: Gate, name: str) -> None:
    """No daemon looks at it: `gate ledger verify` does."""
    edit = "UPDATE credit_ledger SET delta = delta + $1 WHERE organization_id = $2 AND entry_no = 2"
    found: list[Finding] = []
    async with stand.database() as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(edit, 1, name)
        await verify(stand.database_url, name, report=found.append)
        await connection.execute(edit, -1, name)
    assert {(one.entry_no, one.kind) for one in found} >= {(2, "edited")}
    await mended(stand, name, CREDITS - 10)
