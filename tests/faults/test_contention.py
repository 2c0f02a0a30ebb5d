"""Many processes and one account: what can be had once is had once."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from gate import Committed, Gate, HoldRef, Insufficient, Released, Reserved, Settled
from gate.hot.commands import COMMANDS
from gate.hot.script import load_script
from tests.faults import senders
from tests.support.accounts import account
from tests.support.lua import CLOCK, START_MS, with_test_clock
from tests.support.watch import journal_of, look

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from gate.stack import RedisServer

PROCESSES, RESERVES, CREDITS = 4, 1000, 1000
HOLDS, EXPIRES = 1500, 500


async def test_i2_four_processes_reserve_4000_on_1000(
    redis_server: RedisServer, gate: Gate
) -> None:
    """Of 4,000 credits that are asked for at once exactly the 1,000 that there are get out."""
    await gate.load(account("org_a", CREDITS))
    jobs = [(senders.reserve_many, f"sender{n}", RESERVES) for n in range(PROCESSES)]
    answers = await asyncio.to_thread(senders.meet, redis_server, jobs)
    assert [len(outcomes) for outcomes in answers] == [RESERVES] * PROCESSES
    admitted = [[o for o in outcomes if type(o) is Reserved] for outcomes in answers]
    denied = [o for outcomes in answers for o in outcomes if type(o) is Insufficient]
    assert sum(map(len, admitted)) == CREDITS
    assert len(denied) == PROCESSES * RESERVES - CREDITS
    assert len({hold.hold_id for holds in admitted for hold in holds}) == CREDITS
    assert all((o.available, o.required) == (0, 1) for o in denied)
    assert max(map(len, admitted)) < CREDITS, "there was no contention"
    seen = await look(gate)
    assert (seen.held, seen.open_holds, seen.available, seen.posted) == (1000, 1000, 0, 1000)


async def test_i3_commit_release_expire_race(
    redis_server: RedisServer, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each of 1,500 overdue holds three processes commit, release and expire it at once: one
    of them frees its credits, and the others learn which."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    lua = with_test_clock(tmp_path / "lua")
    for command in COMMANDS:
        monkeypatch.setitem(command.__dict__, "script", load_script(command.name, lua))
    async with Gate.connect(redis_url) as gate:
        clock = gate.caller.transport.execute
        await clock("SET", CLOCK, START_MS * 1000)
        start = HOLDS * (HOLDS + 1)
        await gate.load(account("org_a", start))
        holds = [HoldRef("org_a", f"eml_{n}", n) for n in range(1, HOLDS + 1)]
        for outcome in await asyncio.gather(
            *(gate.reserve("org_a", h.credits, hold_id=h.hold_id, ttl_ms=1000) for h in holds)
        ):
            assert isinstance(outcome, Reserved)
        await clock("SET", CLOCK, (START_MS + 2000) * 1000)

        def shuffled() -> list[HoldRef]:
            return chance.sample(holds, HOLDS)

        jobs = [
            (senders.commit_all, lua, shuffled()),
            (senders.release_all, lua, shuffled()),
            (senders.expire_all, lua, EXPIRES, 1),
        ]
        committed, released, expired = await asyncio.to_thread(senders.meet, redis_server, jobs)
        commits = {outcome.id: outcome for outcome in committed}
        releases = {getattr(o, "hold_id", None) or o.id: o for o in released}
        winners = {"commit": 0, "release": 0, "expire": 0}
        credits_expired = 0
        for hold in holds:
            commit, release = commits[hold.hold_id], releases[hold.hold_id]
            match commit, release:
                case Committed(late=False), Settled(how="committed"):
                    winners["commit"] += 1
                    assert release.spent == hold.credits
                case Settled(how="released"), Released(how="released", replayed=False):
                    winners["release"] += 1
                    assert release.returned == hold.credits
                case Committed(late=True), Released(how="expired", replayed=True) | Settled(
                    how="committed"
                ):
                    winners["expire"] += 1
                    credits_expired += hold.credits
                case _:
                    raise AssertionError(f"{hold.hold_id}: {commit} and {release}")
            if isinstance(commit, Committed):
                assert (commit.spent, commit.returned, commit.replayed) == (hold.credits, 0, False)
        assert winners["expire"] == sum(outcome.holds for outcome in expired)
        assert credits_expired == sum(outcome.credits for outcome in expired)
        assert all(winners.values()), f"there was no race: {winners}"
        seen = await look(gate)
        spent = sum(o.spent for o in committed if isinstance(o, Committed))
        assert (seen.held, seen.open_holds, seen.posted) == (0, 0, start - spent)
        debits = [delta.id for delta in await journal_of(gate) if delta.kind == "committed"]
        assert len(debits) == len(set(debits)) == HOLDS - winners["release"]
