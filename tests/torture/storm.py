"""One seeded storm: everything works, everything breaks, then it is quiet, and all must be well."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from tests.torture.checks import Diaries, Verdict, judge
from tests.torture.faults import CALM, WILD, Storm, edit_account, happen
from tests.torture.organizations import add_organizations, make_plans
from tests.torture.quiet import converge
from tests.torture.stand import PARTITIONS, Stand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.torture.child import Process

ORGANIZATIONS: Final = 8
SENDERS: Final = 3
RECONCILERS: Final = 2
TASKS: Final = 10
CONVERGES_WITHIN_S: Final = 60.0
_BETWEEN_FAULTS_S: Final = 0.6
_CALM_BEFORE_S: Final = 1.0
_LAST_EDITS: Final = 4


@dataclass
class Report:
    """How it went."""

    seed: int
    calm: bool
    storm_s: float = 0.0
    converged_s: float = 0.0
    forks: int = 0
    faults: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    failure: str = ""

    @property
    def wrongs(self) -> list[str]:
        """What is not as promised; empty if all is well."""
        found = [self.failure] if self.failure else []
        return found + (self.verdict.wrongs if self.verdict else [])

    def summary(self) -> str:
        """One line."""
        counts: dict[str, Any] = dict(self.verdict.counts) if self.verdict else {}
        by_fault = Counter(one.fault for one in self.verdict.lost) if self.verdict else Counter()
        lost = ", ".join(f"{n} by {fault}" for fault, n in sorted(by_fault.items()))
        return (
            f"seed {self.seed}{' calm' if self.calm else ''}: "
            f"{counts.get('acknowledged', 0):,} acknowledged, {counts.get('booked', 0):,} booked, "
            f"{counts.get('denied', 0):,} denied, {counts.get('late', 0)} late, "
            f"{counts.get('repeated', 0)} repeated, {counts.get('reversed', 0)} reversed, "
            f"{counts.get('lost', 0)} lost{f' ({lost})' if lost else ''}, "
            f"{counts.get('gaps', 0)} gaps, {counts.get('reports', 0)} other reports "
            f"({counts.get('unresolved', 0)} open), {counts.get('reloads', 0)} reloads, "
            f"{self.forks} forks, {len(self.faults)} faults in {self.storm_s:.0f} s, "
            f"at rest after {self.converged_s:.1f} s: "
            + (f"{len(self.wrongs)} WRONG" if self.wrongs else "all well")
        )


async def run_storm(
    seed: int,
    seconds: float,
    directory: Path,
    *,
    calm: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """One storm of so many seconds, in an empty `directory`, which is left as it is then."""
    report = Report(seed, calm)
    chance = random.Random(f"storm {seed}")
    plans = make_plans(seed, ORGANIZATIONS)
    names = [plan.organization_id for plan in plans]
    async with Stand(directory, appendfsync="always" if calm else "everysec") as stand:
        async with stand.database() as connection:
            await add_organizations(connection, plans, PARTITIONS)
        for _ in range(RECONCILERS):
            stand.start_reconciler()
        senders = [_start_sender(stand, seed, number, names) for number in range(SENDERS)]
        platform = _start_platform(stand, seed)
        storm = Storm(stand, chance, senders, names, everysec=not calm)
        await _blow(storm, seconds, report, say, calm=calm)
        try:
            await _end(senders, platform)
            if not calm:
                await _edit_at_rest(storm, report)
            report.converged_s = await converge(stand, names, CONVERGES_WITHIN_S)
        except AssertionError as error:
            report.failure = str(error)
        report.forks = _count_forks(stand.reconcilers)
        diaries = Diaries.read(directory.glob("sender_*.diary"))
        report.verdict = await judge(stand, plans, diaries, storm.losses, calm=calm)
        report.verdict.wrongs.extend(_bad_ends(stand))
        (directory / "losses.txt").write_text(
            "\n".join(map(str, [*storm.losses, *report.verdict.lost]))
        )
    return report


async def _blow(
    storm: Storm,
    seconds: float,
    report: Report,
    say: Callable[[str], None],
    *,
    calm: bool,
) -> None:
    """Faults at random moments, several at a time; returns when the last one is over."""
    started = monotonic()

    def note(what: str) -> None:
        line = f"{monotonic() - started:6.2f} {what}"
        report.faults.append(line)
        say(line)

    await _everybody_works(storm)
    started = monotonic()
    await asyncio.sleep(_CALM_BEFORE_S)
    async with asyncio.TaskGroup() as faults:
        while monotonic() - started < seconds:
            fault = storm.chance.choice(CALM if calm else WILD)
            faults.create_task(happen(storm, fault, note))
            await asyncio.sleep(storm.chance.expovariate(1 / _BETWEEN_FAULTS_S))
    report.storm_s = monotonic() - started


async def _edit_at_rest(storm: Storm, report: Report) -> None:
    """Edits that no traffic brings to light."""
    for _ in range(_LAST_EDITS):
        await happen(storm, edit_account, lambda what: report.faults.append(f"at rest {what}"))


async def _everybody_works(storm: Storm) -> None:
    """Processes take a while to start on a busy machine."""
    paths = [process.log_path.with_suffix(".diary") for process in storm.senders]
    deadline = monotonic() + CONVERGES_WITHIN_S
    for path in paths:
        while not (path.exists() and b'"ack"' in path.read_bytes()):
            assert monotonic() < deadline, f"{path.stem} is told nothing"
            await asyncio.sleep(0.05)


def _start_sender(stand: Stand, seed: int, number: int, names: list[str]) -> Process:
    name = f"sender_{number}"
    diary = stand.directory / f"{name}.diary"
    module = ["tests.torture.sender", name, str(diary), str(seed), str(TASKS), *names]
    return stand.start_process(name, module, _environ(stand))


def _start_platform(stand: Stand, seed: int) -> Process:
    module = ["tests.torture.purchases", str(seed), str(ORGANIZATIONS)]
    return stand.start_process("platform", module, _environ(stand))


def _environ(stand: Stand) -> dict[str, str]:
    return {
        "REDIS_URL": stand.redis_url,
        "PG_URL": stand.database_url,
        "GATE_PARTITIONS": str(PARTITIONS),
    }


async def _end(senders: list[Process], platform: Process) -> None:
    """Nothing new is begun, and everything that was is done."""
    processes = [*senders, platform]
    for process in processes:
        process.ask_to_end()
    deadline = monotonic() + CONVERGES_WITHIN_S
    while running := [process.name for process in processes if process.is_running]:
        assert monotonic() < deadline, f"{running} do not come to an end"
        await asyncio.sleep(0.05)


def _bad_ends(stand: Stand) -> list[str]:
    """Processes that are not as they should be at the end."""
    wrongs = [
        f"{one.name} has ended by itself: {one.exit_code}, see {one.log_path}"
        for one in stand.reconcilers
        if not one.is_running
    ]
    wrongs += [
        f"{one.name} exited with {one.exit_code}, see {one.log_path}"
        for one in stand.processes
        if one.exit_code not in (None, 0)
    ]
    for one in stand.reconcilers:
        with one.log_path.open() as log:
            wrongs += [
                f"{one.name}: {line.strip()[:500]}" for line in log if "failed for good" in line
            ]
    return wrongs


def _count_forks(reconcilers: list[Process]) -> int:
    return sum(one.log_path.read_text().count('"event": "fork"') for one in reconcilers)
