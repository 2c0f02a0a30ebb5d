"""The books agree where all went well, and say what does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gate import Send
from gate.demo.books import close_books, read_ledger, verify_chains
from gate.demo.organizations import Demo
from gate.demo.run import prepare
from gate.demo.standing import Standing, Waiting, differs, until_agreed, until_booked
from gate.demo.tally import Tally
from gate.domain.accounts import Terms
from gate.domain.operations import Operation, OperationContent
from gate.hot.commands import apply
from gate.hot.operation import apply_arguments
from gate.ledger.plans import Plan
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from gate import Gate
    from gate.demo.run import Talk
    from gate.demo.seed import Place
    from gate.ledger.connection import Connection, Pool

RUN = "run_1"
PLAN = Plan(id="pln_fifty", name="Fifty", monthly_credits=50, terms=Terms(rate_per_second=100))


class Bookkeeping:
    """An organization on which a test plays the sender."""

    def __init__(self, name: str, place: Place, talk: Talk, gate: Gate, pool: Pool) -> None:
        self.name = name
        self.tally = Tally(letters=3)
        self._place = place
        self._talk = talk
        self._gate = gate
        self._pool = pool

    async def open(self) -> None:
        demo = Demo(self.name, "fifty", PLAN)
        await prepare(self._place, {self.name: demo}, self._talk, environ={})
        await self.settle()
        self.before = await self.stand()

    async def settle(self) -> None:
        """All operations are booked."""
        await until_booked(self._pool, [self.name], Waiting(asyncio.Event(), print))

    async def stand(self, patience_s: float = 30) -> Standing:
        waiting = Waiting(asyncio.Event(), print, patience_s=patience_s)
        return (await until_agreed(self._gate, self._pool, [self.name], waiting))[self.name]

    async def work(self) -> None:
        """Two letters are sent, one is refused; others use two credits meanwhile."""
        for number in (1, 2):
            await self._gate.spend(self.name, spend_id=f"other_{number}")
            hold = await self._gate.reserve(self.name, hold_id=f"{RUN}.{number}")
            await self._gate.commit(hold, sends=[self._send(number)])
        hold = await self._gate.reserve(self.name, hold_id=f"{RUN}.3")
        await self._gate.release(hold, sends=[self._send(3)])
        self.tally.sent, self.tally.refused, self.tally.spent = 2, 1, 2

    async def close(self, tally: Tally | None = None, patience_s: float = 30) -> list[str]:
        """What does not agree."""
        after = await self.stand(patience_s)
        before = {self.name: self.before}
        ledger = await read_ledger(self._pool, before, {self.name: after}, RUN)
        chains = await verify_chains(self._place.database_url, [self.name])
        with_chain = ledger[self.name]._replace(faults=chains[self.name])
        closed = close_books(self.before, after, with_chain, tally or self.tally)
        assert self.before.live.posted + closed.other - closed.spent == after.live.posted
        return [mistake.removeprefix(f"{self.name}: ") for mistake in closed.mistakes]

    def _send(self, number: int) -> Send:
        return Send(send_id=f"{RUN}.{number}", recipient="a@b.example")


@pytest.fixture
def bookkeeping(
    request: pytest.FixtureRequest, place: Place, talk: Talk, gate: Gate, pool: Pool
) -> Bookkeeping:
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("__", "_")
    return Bookkeeping(f"org_{name}", place, talk, gate, pool)


async def test_books__agree_beside_other_senders(bookkeeping: Bookkeeping) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    assert await bookkeeping.close() == []


async def test_books__find_a_sender_that_miscounts(bookkeeping: Bookkeeping) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    said = bookkeeping.tally
    for tally, mistake in (
        (replace(said, sent=3), "3 letters sent, 2 messages sent in the ledger"),
        (replace(said, refused=2), "2 letters refused, 1 messages failed in the ledger"),
        (replace(said, spent=3), "3 credits that commits said, 2 email_sent in the ledger"),
        (replace(said, letters=4), "3 letters ended, 4 letters read"),
        (
            replace(said, skipped=Counter(insufficient=1, stopped=1)),
            "1 letters skipped, 0 messages skipped in the ledger",
        ),
    ):
        assert mistake in await bookkeeping.close(tally)


async def test_books__find_a_hold_that_is_left(bookkeeping: Bookkeeping, gate: Gate) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    await gate.reserve(bookkeeping.name, 2)
    assert await bookkeeping.close() == ["2 credits held by this run, 0 open"]


async def test_books__find_a_message_that_is_gone(
    bookkeeping: Bookkeeping, connection: Connection
) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    assert await bookkeeping.close() == []
    await connection.execute(
        "DELETE FROM email_send WHERE organization_id = $1 AND id = $2",
        *(bookkeeping.name, f"{RUN}.2"),
    )
    assert await bookkeeping.close() == ["2 letters sent, 1 messages sent in the ledger"]


async def test_books__find_an_entry_that_was_edited(
    bookkeeping: Bookkeeping, connection: Connection
) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    assert await bookkeeping.close() == []
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "UPDATE credit_ledger SET reason = 'x' WHERE organization_id = $1 AND entry_no = 2",
            bookkeeping.name,
        )
    (mistake,) = await bookkeeping.close()
    assert mistake.startswith("entry 2: was edited")


async def test_books__find_a_ledger_that_says_another_number(
    bookkeeping: Bookkeeping, connection: Connection
) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    assert await bookkeeping.close() == []
    await connection.execute(
        "UPDATE account SET used = used + 1 WHERE organization_id = $1", bookkeeping.name
    )
    assert await bookkeeping.close(patience_s=0.05) == ["used is 4 in the account, 5 in the ledger"]


async def test_books__say_of_a_ledger_that_is_behind_only_that(
    bookkeeping: Bookkeeping, pool: Pool
) -> None:
    await bookkeeping.open()
    await bookkeeping.work()
    after, name = await bookkeeping.stand(), bookkeeping.name
    behind = after.booked._replace(seq=after.booked.seq - 1)
    late = Standing(after.live, behind, differs(after.live, behind))
    before = {name: bookkeeping.before}
    ledger = await read_ledger(pool, before, {name: late}, RUN)
    closed = close_books(bookkeeping.before, late, ledger[name], Tally(letters=99))
    seq = after.live.seq
    assert closed.mistakes == (
        f"{name}: the account is at delta 1/{seq}, the ledger at 1/{seq - 1}",
    )


async def test_books__follow_a_turn(
    bookkeeping: Bookkeeping, connection: Connection, gate: Gate
) -> None:
    await bookkeeping.open()
    ends_at = datetime.now(UTC) + timedelta(seconds=0.3)
    operation = Operation(
        organization_id=bookkeeping.name,
        id="opn_end",
        kind="provider",
        content=OperationContent(ends_at=ends_at),
        period_no=1,
    )
    await load_statement("add_operation").execute(
        connection,
        *(bookkeeping.name, operation.id, operation.kind, operation.period_no, operation.content),
        *(None, None, "test"),
    )
    arguments = apply_arguments(operation).flat()
    await gate.caller.call(apply, bookkeeping.name, operation.id, arguments)
    await bookkeeping.work()
    await asyncio.sleep((ends_at - datetime.now(UTC)).total_seconds())
    assert await bookkeeping.close() == []
    after = await bookkeeping.stand()
    assert (after.live.posted, after.live.used, after.booked.period_no) == (50, 0, 2)
