"""The demo's sender beside a real reconciler, with a real sink, on small mails."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from gate import Unavailable
from gate.demo.errors import DemoError
from gate.demo.mbox import Mbox
from gate.demo.organizations import Demo, demo_organizations, stranger
from gate.demo.run import Ended, Mail, Talk, prepare, read_mail, run_demo
from gate.demo.sink import Sink
from gate.demo.smtp import Mailer
from gate.demo.standing import Waiting, until_agreed, until_booked
from gate.domain.accounts import Terms
from gate.ledger.plans import Plan
from tests.support.watch import look

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gate import Gate
    from gate.demo.seed import Place
    from gate.ledger.connection import Connection, Pool

RUN = "run_1"
FEW = Plan(id="pln_few", name="Few", monthly_credits=25, terms=Terms(rate_per_second=500))


def make_mbox(path: Path, organization: str, recipients: Iterable[str]) -> Path:
    with path.open("a") as mbox:
        for number, recipient in enumerate(recipients):
            mbox.write(
                f"From - Mon Jan  5 08:00:00 2026\nFrom: news@{organization}\n"
                f"To: {recipient}\nMessage-ID: <{number}@{organization}>\n\nbody\n\n"
            )
    return path


def people(count: int) -> list[str]:
    return [f"r{number}@example.org" for number in range(count)]


async def send(
    place: Place, path: Path, demo: Demo, run_id: str = RUN, *, stop: asyncio.Event | None = None
) -> tuple[Ended | None, list[str]]:
    """One run of one organization's mail, and the lines of its report."""
    out = StringIO()
    talk = Talk(Console(file=out, markup=False), Console(file=StringIO(), markup=False))
    with Mbox(path) as mbox:
        letters = {demo.organization_id: list(mbox.letters())}
        mail = Mail(mbox, letters, {demo.organization_id: demo})
        await prepare(place, mail.demos, talk, environ={})
        ended = await run_demo(place, mail, talk, stop or asyncio.Event(), run_id=run_id)
    return ended, out.getvalue().splitlines()


def row(lines: Sequence[str]) -> dict[str, str]:
    """The numbers of the only organization."""
    (text,) = [line for line in lines if line.startswith("all ")]
    names = "letters sent refused before other spent after ledger agree".split()
    return dict(zip(names, text.split()[1:], strict=True))


async def read_sends(connection: Connection, organization_id: str) -> Counter[str]:
    rows = await connection.fetch(
        "SELECT status::text FROM email_send WHERE organization_id = $1", organization_id
    )
    return Counter(one["status"] for one in rows)


async def test_any_mbox__is_sent_on_default_terms(
    place: Place, tmp_path: Path, talk: Talk, connection: Connection
) -> None:
    recipients = [*people(20), "bounce@x.example", "later@x.example", "no address"]
    with Mbox(make_mbox(tmp_path / "mbox", "shop.example.org", recipients)) as mbox:
        mail = read_mail(mbox, talk)
        await prepare(place, mail.demos, talk, environ=os.environ)
        ended = await run_demo(place, mail, talk, asyncio.Event())
    assert ended is not None
    assert (ended.adds_up, ended.stopped, ended.busiest) == (True, False, "org_shop.example.org")
    assert await read_sends(connection, ended.busiest) == Counter(sent=21, failed=1, skipped=1)
    (paid,) = await connection.fetch(
        "SELECT * FROM credit_ledger WHERE settlement_id = $1", ended.letter
    )
    (letter,) = await connection.fetch("SELECT * FROM email_send WHERE id = $1", ended.letter)
    assert (paid["delta"], paid["organization_id"]) == (-1, ended.busiest)
    assert (letter["status"], letter["ledger_entry_no"]) == ("sent", paid["entry_no"])


async def test_table__fits_a_terminal(place: Place, tmp_path: Path, talk: Talk) -> None:
    name = f"{'long-' * 12}.example.org"
    with Mbox(make_mbox(tmp_path / "mbox", name, people(1))) as mbox:
        mail = read_mail(mbox, talk)
        await prepare(place, mail.demos, talk, environ={})
        await run_demo(place, mail, talk, asyncio.Event())
    out = talk.out.file
    assert isinstance(out, StringIO)
    _, *table = out.getvalue().splitlines()
    assert max(map(len, table)) <= 120


async def test_same_run_again__sends_and_pays_nothing_twice(place: Place, tmp_path: Path) -> None:
    path = make_mbox(tmp_path / "mbox", "x.example", [*people(5), "bounce@example.org"])
    demo = stranger("org_again")._replace(plan=FEW)
    _, lines = await send(place, path, demo, "run_a")
    first = row(lines)
    assert (first["sent"], first["refused"], first["before"], first["after"]) == (
        *("5", "1"),
        *("25", "20"),
    )
    ended, lines = await send(place, path, demo, "run_a")
    second = row(lines)
    assert ended is not None
    assert ended.adds_up
    assert (second["sent"], second["refused"], second["after"]) == ("0", "0", "20")
    assert any("6 settled before" in line for line in lines)
    ended, lines = await send(place, path, demo, "run_b")
    third = row(lines)
    assert ended is not None
    assert ended.adds_up
    assert (third["sent"], third["before"], third["after"]) == ("5", "20", "15")


async def test_run_that_was_killed__is_taken_up_again(
    place: Place, tmp_path: Path, talk: Talk, gate: Gate, pool: Pool
) -> None:
    path = make_mbox(tmp_path / "mbox", "x.example", people(2))
    demo = Demo("org_killed", "few", FEW)
    await prepare(place, {"org_killed": demo}, talk, environ={})
    await until_booked(pool, ["org_killed"], Waiting(asyncio.Event(), print))
    with Mbox(path) as mbox:
        first, _ = mbox.letters()
    await gate.reserve("org_killed", hold_id=f"{RUN}.{first.id}")
    ended, lines = await send(place, path, demo)
    assert ended is not None
    # Its hold was open at the start.
    assert ended.adds_up
    assert (row(lines)["sent"], row(lines)["after"]) == ("2", "23")


async def test_few_credits__are_used_to_the_last(place: Place, tmp_path: Path) -> None:
    # A refused letter gives its credit back while those behind it find none.
    path = make_mbox(tmp_path / "mbox", "x.example", ["bounce@example.org", *people(30)])
    ended, lines = await send(place, path, Demo("org_few", "few", FEW))
    assert ended is not None
    assert ended.adds_up
    told = row(lines)
    assert (told["sent"], told["refused"], told["after"], told["ledger"]) == ("25", "1", "0", "0")
    assert any("5 insufficient" in line for line in lines)


async def test_stop__ends_what_is_under_way_and_adds_up(
    place: Place, tmp_path: Path, talk: Talk, gate: Gate, pool: Pool
) -> None:
    path = make_mbox(tmp_path / "mbox", "x.example", people(60))
    slow = demo_organizations()["org_slow"]._replace(organization_id="org_stopped")
    await prepare(place, {"org_stopped": slow}, talk, environ={})
    await until_booked(pool, ["org_stopped"], Waiting(asyncio.Event(), print))
    stop = asyncio.Event()
    sending = asyncio.create_task(send(place, path, slow, stop=stop))
    async with asyncio.timeout(30):
        while (await look(gate, "org_stopped")).used == 0:
            assert not sending.done()
    stop.set()
    ended, lines = await sending
    assert ended is not None
    assert (ended.adds_up, ended.stopped) == (True, True)
    assert int(row(lines)["sent"]) < 60
    assert any("stopped" in line for line in lines)


async def test_stop_before_anything_was_sent__is_no_report(place: Place, tmp_path: Path) -> None:
    path = make_mbox(tmp_path / "mbox", "x.example", people(2))
    stop = asyncio.Event()
    stop.set()
    assert await send(place, path, Demo("org_early", "few", FEW), stop=stop) == (None, [])


@pytest.mark.parametrize("away", ["redis_url", "database_url"])
async def test_server_away__is_a_sentence(place: Place, tmp_path: Path, away: str) -> None:
    scheme = "redis" if away == "redis_url" else "postgresql"
    path = make_mbox(tmp_path / "mbox", "x.example", people(1))
    elsewhere = place._replace(**{away: f"{scheme}://127.0.0.1:1/0"})
    with pytest.raises(Unavailable):
        await send(elsewhere, path, Demo("org_away", "few", FEW))


async def test_account_that_is_nowhere__is_a_sentence(gate: Gate, pool: Pool) -> None:
    with pytest.raises(DemoError, match="org_nowhere is not in Redis"):
        await until_agreed(gate, pool, ["org_nowhere"], Waiting(asyncio.Event(), print))


async def test_operations_that_nobody_applies__are_named(
    connection: Connection, pool: Pool
) -> None:
    """Those of a partition that no reconciler has."""
    await connection.execute(
        "INSERT INTO organization (id) VALUES ('org_alone');"
        "INSERT INTO account (organization_id, partition, terms) VALUES ('org_alone', 63, '{}');"
        "INSERT INTO operation (organization_id, id, kind) VALUES ('org_alone', 'opn_1', 'pack')"
    )
    told: list[str] = []
    waiting = Waiting(asyncio.Event(), told.append, patience_s=0.05)
    with pytest.raises(DemoError, match=r"1 pending\): opn_1 of org_alone$"):
        await until_booked(pool, ["org_alone"], waiting)


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
