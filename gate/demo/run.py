"""The demo: records organizations, sends their mail, proves that everything adds up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.client.gate import Gate
from gate.demo.books import Books, close_books, read_ledger, verify_chains
from gate.demo.organizations import demo_organizations, stranger
from gate.demo.progress import showing, summary
from gate.demo.report import print_report
from gate.demo.seed import seed
from gate.demo.sender import Sender
from gate.demo.sink import Sink
from gate.demo.smtp import Mailer
from gate.demo.standing import Waiting, until_agreed, until_booked
from gate.demo.stopping import unless_stopped
from gate.demo.tally import Figures, Tally
from gate.domain.errors import GateError
from gate.domain.ids import new_id
from gate.ledger.pool import open_pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from gate.demo.mbox import Letter, Mbox
    from gate.demo.organizations import Demo
    from gate.demo.seed import Place
    from gate.demo.standing import Standing
    from gate.ledger.connection import Pool

#: Organizations that send at once.
_AT_ONCE: Final = 64
#: Organizations whose chain of entries is verified, those with most letters.
_CHAINS_MAX: Final = 20
_POOL_SIZE: Final = 2


class Ended(NamedTuple):
    """How a run ended; `stopped`: `stop` was set. To look at: `busiest`, who had most letters, and
    `letter`, the id of one that was sent, empty if none was."""

    adds_up: bool
    stopped: bool
    busiest: str
    letter: str


class Mail(NamedTuple):
    """An mbox that was read: its letters by organization, and what is known of these."""

    mbox: Mbox
    letters: Mapping[str, Sequence[Letter]]
    demos: Mapping[str, Demo]


class Talk(NamedTuple):
    """Where the table goes, and where what happens meanwhile."""

    out: Console
    err: Console

    def tell(self, line: str) -> None:
        """A line of what happens."""
        self.err.print(line, soft_wrap=True)


def read_mail(mbox: Mbox, talk: Talk) -> Mail:
    """Sorts the letters; a large mbox takes a while, and says so. The demo's organizations are
    there without letters too."""
    letters: dict[str, list[Letter]] = {}
    told = monotonic()
    for letter in mbox.letters():
        letters.setdefault(letter.organization_id, []).append(letter)
        if monotonic() - told > 1:
            told = monotonic()
            talk.tell(f"reading {mbox.path}: message {letter.position + 1:,} of {len(mbox):,}")
    count = sum(map(len, letters.values()))
    talk.tell(f"{mbox.path}: {len(mbox):,} messages, {count:,} letters")
    demos = demo_organizations()
    return Mail(mbox, letters, demos | {one: stranger(one) for one in letters if one not in demos})


async def prepare(
    place: Place,
    demos: Mapping[str, Demo],
    talk: Talk,
    *,
    environ: Mapping[str, str],
    now: datetime | None = None,
) -> None:
    """Makes the tables and records plans and organizations, where they are missing.

    A reconciler gives them their credits. Raises GateError.
    """
    await seed(
        place, demos.values(), environ=environ, now=now or datetime.now(UTC), report=talk.tell
    )


async def run_demo(
    place: Place, mail: Mail, talk: Talk, stop: asyncio.Event, *, run_id: str | None = None
) -> Ended | None:
    """Runs the demo once beside a reconciler: progress and the table go to `talk`. `stop` ends it
    early and in order; None: before anything was sent. Raises GateError."""
    run = _Run(place, mail, talk, stop, run_id or new_id("run"))
    try:
        return await run.run()
    except BaseExceptionGroup as group:
        raise _first(group) from group


class _Run:
    """One run."""

    def __init__(
        self, place: Place, mail: Mail, talk: Talk, stop: asyncio.Event, run_id: str
    ) -> None:
        self._place = place
        self._mail = mail
        self._talk = talk
        self._stop = stop
        self._run_id = run_id
        self._figures = Figures()
        self._figures.tallies = {
            one: Tally(letters=len(mail.letters.get(one, ()))) for one in mail.demos
        }

    async def run(self) -> Ended | None:
        place, figures = self._place, self._figures
        pool = await open_pool(place.database_url, application_name="gate demo", size=_POOL_SIZE)
        try:
            async with (
                Gate.connect(
                    place.redis_url,
                    database_url=place.database_url,
                    partitions=place.partitions,
                    client_name="demo",
                ) as gate,
                asyncio.TaskGroup() as group,
            ):
                # The sink takes a moment to start, and so does giving credits.
                asking = group.create_task(unless_stopped(self._stop, self._before(gate, pool)))
                async with Sink() as sink, Mailer(sink.address) as mailer:
                    before = await asking
                    if before is None:
                        return None
                    start = monotonic()
                    async with showing(figures, self._talk.err):
                        await self._send(gate, mailer)
                    seconds = monotonic() - start
                books = await self._close(gate, pool, before)
        finally:
            await pool.close()
        mistakes = [mistake for closed in books.values() for mistake in closed.mistakes]
        if sink.accepted != figures.total("sent"):
            mistakes.append(f"the sink took {sink.accepted:,}, {figures.total('sent'):,} were sent")
        self._talk.out.print(summary(figures, seconds).strip(), soft_wrap=True)
        self._report(books, mistakes)
        busiest = self._busiest()[0]
        return Ended(not mistakes, self._stop.is_set(), busiest, figures.tallies[busiest].last_sent)

    async def _before(self, gate: Gate, pool: Pool) -> dict[str, Standing]:
        """Where all organizations stand once they have been given what they are to have."""
        await until_booked(pool, self._mail.demos, self._waiting())
        return await until_agreed(gate, pool, self._mail.demos, self._waiting())

    async def _send(self, gate: Gate, mailer: Mailer) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def send(organization_id: str, own: Sequence[Letter]) -> None:
            sender = Sender(
                gate,
                mailer,
                self._mail.mbox,
                self._figures,
                organization_id=organization_id,
                run_id=self._run_id,
                stop=self._stop,
            )
            async with slots:
                await sender.send(own)

        async with asyncio.TaskGroup() as group:
            for organization_id, own in self._mail.letters.items():
                group.create_task(send(organization_id, own))

    async def _close(
        self, gate: Gate, pool: Pool, before: Mapping[str, Standing]
    ) -> dict[str, Books]:
        after = await until_agreed(gate, pool, before, self._waiting())
        ledger = await read_ledger(pool, before, after, self._run_id)
        chains = await verify_chains(self._place.database_url, self._busiest()[:_CHAINS_MAX])
        return {
            one: close_books(
                before[one],
                after[one],
                ledger[one]._replace(faults=chains.get(one, ())),
                tally,
            )
            for one, tally in self._figures.tallies.items()
        }

    def _report(self, books: Mapping[str, Books], mistakes: Sequence[str]) -> None:
        shown = {one: closed for one, closed in books.items() if one in self._mail.letters}
        print_report(
            self._talk.out,
            self._figures.tallies,
            shown or books,
            {one: demo.shows for one, demo in self._mail.demos.items()},
            mistakes,
        )

    def _busiest(self) -> list[str]:
        """Organizations, those with most letters first."""
        return sorted(self._mail.demos, key=lambda one: -self._figures.tallies[one].letters)

    def _waiting(self) -> Waiting:
        return Waiting(self._stop, self._talk.tell)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended the run; those that it caused beside it say no more."""
    errors, _ = group.split(GateError)
    error: BaseException = errors or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
