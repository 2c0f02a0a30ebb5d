"""The demo: loads organizations, sends their mail, proves that everything adds up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from gate.client.gate import Gate
from gate.client.hold import ask_again
from gate.demo.books import Books, close_books, last_entry_id, read_account, read_journals
from gate.demo.organizations import demo_organizations, stranger
from gate.demo.progress import showing, summary
from gate.demo.report import print_report
from gate.demo.sender import Sender
from gate.demo.sink import Sink
from gate.demo.smtp import Mailer
from gate.demo.tally import Figures, Tally
from gate.domain.errors import GateError
from gate.domain.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gate.demo.mbox import Letter, Mbox
    from gate.demo.organizations import Demo
    from gate.hot.commands.peek import Account

#: Organizations that are loaded, or send, at once.
_AT_ONCE = 64


class Ended(NamedTuple):
    """How a run ended; `stopped`: `stop` was set. `busiest`: who had most letters, to look at."""

    adds_up: bool
    stopped: bool
    busiest: str


async def run_demo(
    redis_url: str,
    mbox: Mbox,
    *,
    partitions: int,
    stop: asyncio.Event,
    out: Console,
    err: Console,
    run_id: str | None = None,
) -> Ended:
    """Runs the demo once: progress on `err`, the table on `out`. `partitions` is for a Redis that
    has no accounts yet. `stop` ends it early and in order. Raises GateError."""
    letters = _read(mbox, err)
    demos = demo_organizations(datetime.now(UTC))
    demos |= {one: stranger(one) for one in letters if one not in demos}
    run_id = run_id or new_id("run")
    figures = Figures()
    figures.tallies = {one: Tally(letters=len(letters.get(one, ()))) for one in demos}
    try:
        async with Gate.connect(redis_url, partitions=partitions, client_name="demo") as gate:
            before = await _load(gate, demos)
            journals = {one: gate.caller.keys_of(one).journal for one in demos}
            since = {key: await last_entry_id(gate, key) for key in set(journals.values())}
            start = monotonic()
            async with Sink() as sink, Mailer(sink.address) as mailer, showing(figures, err):
                await _send(gate, mailer, mbox, figures, letters, run_id, stop)
            seconds = monotonic() - start
            books = await _close(gate, figures, before, since, run_id)
    except BaseExceptionGroup as group:
        raise _first(group) from group
    mistakes = [mistake for closed in books.values() for mistake in closed.mistakes]
    if sink.accepted != figures.total("sent"):
        mistakes.append(f"the sink took {sink.accepted:,}, {figures.total('sent'):,} were sent")
    out.print(summary(figures, seconds).strip(), soft_wrap=True)
    shown = {one: closed for one, closed in books.items() if one in letters} or books
    print_report(out, figures.tallies, shown, {o: d.shows for o, d in demos.items()}, mistakes)
    busiest = max(figures.tallies, key=lambda one: figures.tallies[one].letters)
    return Ended(not mistakes, stop.is_set(), busiest)


def _read(mbox: Mbox, err: Console) -> dict[str, list[Letter]]:
    """The letters of the mbox by organization; a large one takes a while, and says so."""
    found: dict[str, list[Letter]] = {}
    told = monotonic()
    for letter in mbox.letters():
        found.setdefault(letter.organization_id, []).append(letter)
        if monotonic() - told > 1:
            told = monotonic()
            err.print(f"reading {mbox.path}: message {letter.position + 1:,} of {len(mbox):,}")
    count = sum(map(len, found.values()))
    err.print(f"{mbox.path}: {len(mbox):,} messages, {count:,} letters", soft_wrap=True)
    return found


async def _load(gate: Gate, demos: dict[str, Demo]) -> dict[str, Account]:
    """Puts the organizations into Redis that are not there, and reads where all stand."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def load(organization_id: str, demo: Demo) -> Account:
        async with slots:
            await ask_again(lambda: gate.load(demo.state))
            return await read_account(gate, organization_id)

    async with asyncio.TaskGroup() as group:
        tasks = {one: group.create_task(load(one, demo)) for one, demo in demos.items()}
    return {one: task.result() for one, task in tasks.items()}


async def _send(
    gate: Gate,
    mailer: Mailer,
    mbox: Mbox,
    figures: Figures,
    letters: dict[str, list[Letter]],
    run_id: str,
    stop: asyncio.Event,
) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def send(organization_id: str, own: Sequence[Letter]) -> None:
        sender = Sender(
            gate,
            mailer,
            mbox,
            figures,
            organization_id=organization_id,
            run_id=run_id,
            stop=stop,
        )
        async with slots:
            await sender.send(own)

    async with asyncio.TaskGroup() as group:
        for organization_id, own in letters.items():
            group.create_task(send(organization_id, own))


async def _close(
    gate: Gate,
    figures: Figures,
    before: dict[str, Account],
    since: dict[bytes, str],
    run_id: str,
) -> dict[str, Books]:
    after = {one: await read_account(gate, one) for one in before}
    deltas = await read_journals(gate, since)
    return {
        one: close_books(before[one], after[one], deltas.get(one, ()), tally, run_id)
        for one, tally in figures.tallies.items()
    }


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the run; those that it caused beside it say no more."""
    errors, _ = group.split(GateError)
    error: BaseException = errors or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
