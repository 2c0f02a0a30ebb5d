"""The demo's sender against a real Redis and a real sink, on small mails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from rich.console import Console

from gate import AccountState, ComingPeriod, Gate, Grant, Send, Unavailable
from gate.demo.books import close_books, last_entry_id, read_account, read_journals
from gate.demo.errors import DemoError
from gate.demo.mbox import Mbox
from gate.demo.run import Ended, run_demo
from gate.demo.sink import Sink
from gate.demo.smtp import Mailer
from gate.demo.tally import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUN = "run_1"


def make_mbox(path: Path, organization: str, recipients: list[str]) -> Path:
    with path.open("a") as mbox:
        for number, recipient in enumerate(recipients):
            mbox.write(
                f"From - Mon Jan  5 08:00:00 2026\nFrom: news@{organization}\n"
                f"To: {recipient}\nMessage-ID: <{number}@{organization}>\n\nbody\n\n"
            )
    return path


async def send(redis_url: str, path: Path, run_id: str | None = None) -> tuple[Ended, list[str]]:
    """One run, and the lines of its report."""
    out = StringIO()
    with Mbox(path) as mbox:
        ended = await run_demo(
            redis_url,
            mbox,
            partitions=8,
            stop=asyncio.Event(),
            out=Console(file=out, markup=False),
            err=Console(file=StringIO(), markup=False),
            run_id=run_id,
        )
    return ended, out.getvalue().splitlines()


def row(lines: list[str], organization: str) -> list[str]:
    """before, other, spent, after, held, letters, sent, refused, not sent, adds up."""
    rows = [line.split() for line in lines if line.startswith(f"{organization} ")]
    return rows[-1][1:]


async def test_any_mbox__is_sent_on_default_terms(tmp_path: Path, redis_url: str) -> None:
    people = [f"r{n}@example.org" for n in range(20)] + ["bounce@x.example", "later@x.example"]
    path = make_mbox(tmp_path / "mbox", "shop.example.org", people)
    ended, lines = await send(redis_url, path)
    assert ended == Ended(adds_up=True, stopped=False, busiest="org_shop.example.org")
    assert row(lines, "org_shop.example.org") == [
        *("1,000,000", "0", "21", "999,979", "0", "22", "21", "1", "0", "yes")
    ]


async def test_same_run_again__sends_and_pays_nothing_twice(tmp_path: Path, redis_url: str) -> None:
    people = [f"r{n}@example.org" for n in range(5)] + ["bounce@example.org"]
    path = make_mbox(tmp_path / "mbox", "demo.example.com", people)
    _, lines = await send(redis_url, path, RUN)
    assert row(lines, "org_demo")[:9] == ["5,000", "0", "5", "4,995", "0", "6", "5", "1", "0"]
    ended, lines = await send(redis_url, path, RUN)
    assert ended.adds_up
    assert row(lines, "org_demo")[:9] == ["4,995", "0", "0", "4,995", "0", "6", "0", "0", "6"]
    ended, lines = await send(redis_url, path, "run_2")
    assert ended.adds_up
    assert row(lines, "org_demo")[:9] == ["4,995", "0", "5", "4,990", "0", "6", "5", "1", "0"]


async def test_run_that_was_killed__is_taken_up_again(tmp_path: Path, redis_url: str) -> None:
    path = make_mbox(tmp_path / "mbox", "demo.example.com", ["a@example.org", "b@example.org"])
    with Mbox(path) as mbox:
        first, _ = mbox.letters()
    async with Gate.connect(redis_url, partitions=8) as gate:
        grants = [Grant(kind="base", credits=9)]
        await gate.load(AccountState("org_demo", rate_per_second=9, grants=grants))
        await gate.reserve("org_demo", hold_id=f"{RUN}.{first.id}")
    ended, lines = await send(redis_url, path, RUN)
    assert ended.adds_up
    assert row(lines, "org_demo")[:9] == ["9", "0", "2", "7", "0", "2", "2", "0", "0"]


async def test_few_credits__are_used_to_the_last(tmp_path: Path, redis_url: str) -> None:
    # A refused letter gives its credit back while those behind it find none.
    people = ["bounce@example.org", *(f"r{n}@example.org" for n in range(30))]
    path = make_mbox(tmp_path / "mbox", "small.example.com", people)
    ended, lines = await send(redis_url, path)
    assert ended.adds_up
    assert row(lines, "org_small")[:9] == ["25", "0", "25", "0", "0", "31", "25", "1", "5"]


async def test_stop__ends_what_is_under_way_and_adds_up(tmp_path: Path, redis_url: str) -> None:
    people = [f"r{n}@example.org" for n in range(60)]
    path = make_mbox(tmp_path / "mbox", "slow.example.com", people)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stop.set)
    out = StringIO()
    with Mbox(path) as mbox:
        ended = await run_demo(
            redis_url,
            mbox,
            partitions=8,
            stop=stop,
            out=Console(file=out, markup=False),
            err=Console(file=StringIO(), markup=False),
        )
    assert (ended.adds_up, ended.stopped) == (True, True)
    assert "stopped" in out.getvalue()


async def test_redis_away__is_a_sentence(tmp_path: Path) -> None:
    path = make_mbox(tmp_path / "mbox", "demo.example.com", ["a@example.org"])
    with pytest.raises(Unavailable):
        await send("redis://127.0.0.1:1/0", path)


async def test_sink__refuses_asks_back_and_takes() -> None:
    async with Sink() as sink, Mailer(sink.address) as mailer:
        codes = [
            (await mailer.deliver("a@b.example", recipient, b"Subject: x\r\n\r\n.\r\nend\r\n")).code
            for recipient in (
                *("one@x.example", "bounce@x.example", "Bounce+7@x.example"),
                *("later@x.example", "later@x.example", "jürgen@x.example"),
            )
        ]
        too_long = await mailer.deliver("a@b.example", "c@d.example", b"x" * 5_000 + b"\r\n")
    assert codes == [250, 550, 550, 451, 250, 250]
    assert too_long.code == 500
    assert sink.accepted == 3


async def test_server_away__is_temporary() -> None:
    async with Sink() as sink:
        address = sink.address
    async with Mailer(address) as mailer:
        verdict = await mailer.deliver("a@b.example", "c@d.example", b"\r\n")
    assert verdict.temporary


class Bookkeeping:
    """An account on which a test plays the sender."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.tally = Tally(letters=3)

    async def open(self, state: AccountState) -> None:
        await self.gate.load(state)
        self.before = await read_account(self.gate, "org_x")
        journal = self.gate.caller.keys_of("org_x").journal
        self.since = {journal: await last_entry_id(self.gate, journal)}

    async def work(self) -> None:
        """Two letters are sent, one is refused."""
        for number in (1, 2):
            await self.gate.spend("org_x", spend_id=f"other_{number}")
            hold = await self.gate.reserve("org_x", hold_id=f"{RUN}.{number}")
            await self.gate.commit(hold)
        hold = await self.gate.reserve("org_x", hold_id=f"{RUN}.3")
        await self.gate.release(hold, sends=[Send(send_id="a", recipient="a@b.example")])
        self.tally.sent, self.tally.refused, self.tally.spent = 2, 1, 2

    async def close(self) -> list[str]:
        """What does not agree."""
        after = await read_account(self.gate, "org_x")
        deltas = await read_journals(self.gate, self.since)
        closed = close_books(self.before, after, deltas["org_x"], self.tally, RUN)
        return [mistake.removeprefix("org_x: ") for mistake in closed.mistakes]


@pytest_asyncio.fixture
async def bookkeeping(redis_url: str) -> AsyncIterator[Bookkeeping]:
    async with Gate.connect(redis_url, partitions=8) as gate:
        yield Bookkeeping(gate)


STATE = AccountState("org_x", rate_per_second=100, grants=[Grant(kind="base", credits=50)])


async def test_books__agree_beside_other_senders(bookkeeping: Bookkeeping) -> None:
    await bookkeeping.open(STATE)
    await bookkeeping.work()
    assert await bookkeeping.close() == []


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("sent", "3 letters sent, 2 commits in the journal"),
        ("refused", "2 letters refused, 1 releases in the journal"),
        ("spent", "3 credits that commits said, 2 email_sent in the journal"),
    ],
)
async def test_books__find_a_sender_that_miscounts(
    bookkeeping: Bookkeeping, name: str, mistake: str
) -> None:
    await bookkeeping.open(STATE)
    await bookkeeping.work()
    setattr(bookkeeping.tally, name, getattr(bookkeeping.tally, name) + 1)
    assert mistake in await bookkeeping.close()


async def test_books__find_a_delta_that_is_gone(bookkeeping: Bookkeeping) -> None:
    await bookkeeping.open(STATE)
    await bookkeeping.work()
    transport = bookkeeping.gate.caller.transport
    ((journal, _),) = bookkeeping.since.items()
    newest = await transport.execute("XREVRANGE", journal, "+", "-", "COUNT", 2)
    await transport.execute("XDEL", journal, newest[1][0])
    assert await bookkeeping.close() == [
        "2 credits that commits said, 1 email_sent in the journal",
        "2 letters sent, 1 commits in the journal",
        "4 deltas in the journal, 5 seq moved by",
        "47 posted by the journal, 46 posted by the account",
        "3 used by the journal, 4 by the account",
    ]


async def test_books__find_a_hold_that_is_left(bookkeeping: Bookkeeping) -> None:
    await bookkeeping.open(STATE)
    await bookkeeping.work()
    await bookkeeping.gate.reserve("org_x", 2)
    assert await bookkeeping.close() == ["2 credits held by this run, 0 open at the end"]


async def test_books__follow_a_turn(bookkeeping: Bookkeeping) -> None:
    ends_at = datetime.now(UTC) + timedelta(seconds=0.4)
    coming = [ComingPeriod(period_no=2, ends_at=None, allowance=70)]
    await bookkeeping.open(
        AccountState(
            "org_x",
            rate_per_second=100,
            grants=[Grant(kind="base", credits=50)],
            ends_at=ends_at,
            coming=coming,
        )
    )
    await bookkeeping.work()
    await asyncio.sleep(0.45)
    assert await bookkeeping.close() == []
    assert (await bookkeeping.gate.peek("org_x")).posted == 70


async def test_account_that_is_not_there__is_a_sentence(bookkeeping: Bookkeeping) -> None:
    with pytest.raises(DemoError, match="org_x is not in Redis"):
        await read_account(bookkeeping.gate, "org_x")
