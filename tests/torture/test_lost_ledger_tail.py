"""PostgreSQL comes back as it was a while ago: what it lost is booked again."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from gate import Committed, Gate, OutcomeUnknown, Unavailable
from gate.ledger.verify import verify
from tests.torture.books import Fact, read_books
from tests.torture.organizations import add_plain_organization
from tests.torture.quiet import converge
from tests.torture.stand import PARTITIONS, Stand
from tests.torture.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.ledger.chain_walk import Finding

pytestmark = pytest.mark.slow

ORGANIZATIONS = [f"org_{number}" for number in range(4)]
CREDITS = 1_500
SPENDS = 200
WITHIN_S = 30.0

_BOOKED = "SELECT count(*) FROM credit_ledger WHERE delta_kind = 'spent'"


async def spend(gate: Gate, numbers: range) -> None:
    """One credit each, over all organizations."""

    async def one(number: int) -> None:
        while True:
            try:
                name = ORGANIZATIONS[number % len(ORGANIZATIONS)]
                outcome = await gate.spend(name, spend_id=f"spend_{number}")
            except (OutcomeUnknown, Unavailable):
                await asyncio.sleep(0.02)
            else:
                assert isinstance(outcome, Committed), outcome
                return

    await asyncio.gather(*map(one, numbers))


async def all_booked(stand: Stand, spends: int) -> None:
    """So many spends are in the ledger."""

    async def are_booked() -> bool:
        async with stand.database() as connection:
            return await connection.fetchval(_BOOKED) == spends

    await until(f"{spends} spends are booked", are_booked, WITHIN_S)


def save(stand: Stand, copy: Path) -> None:
    """The cluster as it is now, as a backup would have it."""
    stand.postgres.stop()
    shutil.copytree(stand.postgres.data_dir / "data", copy, symlinks=True)
    stand.postgres.start()


def restore(stand: Stand, copy: Path) -> None:
    """The cluster as it was then."""
    stand.postgres.kill()
    shutil.rmtree(stand.postgres.data_dir / "data")
    shutil.copytree(copy, stand.postgres.data_dir / "data", symlinks=True)
    stand.postgres.start()


async def before_and_after(stand: Stand, copy: Path, *, trimmed: bool) -> None:
    """Spends, a copy, more spends; booked; the copy comes back; yet more spends."""
    async with stand.database() as connection:
        for name in ORGANIZATIONS:
            await add_plain_organization(connection, name, PARTITIONS)
    stand.start_reconciler(GATE_TRIM_MARGIN_S="0.2" if trimmed else "60")
    async with Gate.connect(
        stand.redis_url, database_url=stand.database_url, partitions=PARTITIONS
    ) as gate:
        await until_rich(gate)
        await spend(gate, range(SPENDS))
        await all_booked(stand, SPENDS)
        await asyncio.to_thread(save, stand, copy)
        for part in range(1, 4):
            await spend(gate, range(part * SPENDS, (part + 1) * SPENDS))
            await all_booked(stand, (part + 1) * SPENDS)
        if trimmed:
            await until_trimmed(stand)
        await asyncio.to_thread(restore, stand, copy)
        await spend(gate, range(4 * SPENDS, 5 * SPENDS))
    await converge(stand, ORGANIZATIONS, WITHIN_S)


async def until_rich(gate: Gate) -> None:
    """The accounts have been given their credits."""

    async def are_rich() -> bool:
        try:
            seen = [await gate.peek(name) for name in ORGANIZATIONS]
        except Unavailable:
            return False
        return all(getattr(one, "posted", 0) == CREDITS for one in seen)

    await until("the credits are there", are_rich, WITHIN_S)


async def until_trimmed(stand: Stand) -> None:
    """Of every journal the entries are gone that the copy has not booked."""

    async def are_trimmed() -> bool:
        with stand.store() as store:
            keys = {stand.keys_of(name).journal for name in ORGANIZATIONS}
            for key in keys:
                # Whole nodes of the stream are freed, so the test cuts to the entry itself.
                last = store.xrevrange(key, count=1)[0][0]
                store.xtrim(key, minid=last, approximate=False)
        return True

    await until("the journals are cut", are_trimmed, WITHIN_S)


async def check(stand: Stand) -> Sequence[int]:
    """Posted adds up and the chain is sound; the amounts of gaps."""
    async with stand.database() as connection:
        books = await read_books(connection)
        posted = dict(await connection.fetch("SELECT organization_id, posted FROM account"))
        assert not await connection.fetch("SELECT * FROM quarantine")
    spent = 5 * SPENDS // len(ORGANIZATIONS)
    assert posted == dict.fromkeys(ORGANIZATIONS, CREDITS - spent)
    repeated = [fact for fact, standing in books.standing.items() if standing > 1]
    assert not repeated
    found: list[Finding] = []
    await verify(stand.database_url, report=found.append)
    assert not found
    return [entry.delta for entry in books.entries if entry.delta_kind == "gap"]


async def test_i4_i8_tail_within_the_margin__is_booked_again_from_the_journal(
    tmp_path: Path,
) -> None:
    async with Stand(tmp_path / "stand") as stand:
        await before_and_after(stand, tmp_path / "copy", trimmed=False)
        assert await check(stand) == []
        async with stand.database() as connection:
            books = await read_books(connection)
        for number in range(5 * SPENDS):
            name = ORGANIZATIONS[number % len(ORGANIZATIONS)]
            assert books.standing[Fact(name, f"settlement:0:spend_{number}")] == 1


async def test_i1_i8_tail_beyond_the_margin__is_booked_as_gaps(tmp_path: Path) -> None:
    async with Stand(tmp_path / "stand") as stand:
        await before_and_after(stand, tmp_path / "copy", trimmed=True)
        gaps = await check(stand)
        lost = 3 * SPENDS
        assert -lost <= sum(gaps) <= -lost + len(ORGANIZATIONS) * 2
