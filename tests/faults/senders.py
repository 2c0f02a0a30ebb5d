"""Senders in processes of their own, whose calls meet in Redis at one moment."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

from gate import Gate, HoldRef
from gate.hot.commands import COMMANDS, expire
from gate.hot.script import load_script
from tests.support.watch import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from gate import Outcome
    from gate.stack import RedisServer

Answer = TypeVar("Answer")

#: Long enough for the slowest machine: Redis stands still until all processes have written.
DEADLINE_MS = 60_000


class Meeting:
    """One process's side of it."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent

    def wait(self) -> None:
        """Returns when all processes are here, and Redis is as the next step wants it."""
        self._parent.send(None)
        self._parent.recv()

    async def ask(self, gate: Gate, calls: Sequence[Awaitable[Answer]]) -> list[Answer]:
        """All `calls` at once, written before Redis reads the first of any process."""
        self.wait()
        asked = [asyncio.ensure_future(call) for call in calls]
        await until(lambda: gate.caller.transport.in_flight == len(asked))
        await asyncio.sleep(0)
        self.wait()
        return await asyncio.gather(*asked)


Job = tuple["Callable[..., Awaitable[list[Outcome]]]", Any]


def _work(job: Job, url: str, parent: Connection) -> None:
    target, *arguments = job
    parent.send(asyncio.run(target(Meeting(parent), url, *arguments)))


def meet(server: RedisServer, jobs: Sequence[Job]) -> list[list[Any]]:
    """Runs each job, a function of this module and its arguments, in a process of its own. Redis is
    stopped while they write, so that it finds the calls of all in its sockets and takes turns."""
    spawn = get_context("spawn")
    with ExitStack() as stack:
        children: list[Connection] = []
        for job in jobs:
            here, there = spawn.Pipe()
            process = spawn.Process(target=_work, args=(job, server.url, there))
            process.start()
            there.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            children.append(here)

        def gather() -> list[Any]:
            return [child.recv() for child in children]

        def go_on() -> None:
            for child in children:
                child.send(None)

        gather()  # connected
        os.kill(server.pid, signal.SIGSTOP)
        try:
            go_on()
            gather()  # written
        finally:
            os.kill(server.pid, signal.SIGCONT)
        go_on()
        return gather()


async def reserve_many(meeting: Meeting, url: str, name: str, count: int) -> list[Outcome]:
    """`count` reserves of one credit each."""
    async with Gate.connect(url, deadline_ms=DEADLINE_MS) as gate:
        calls = [gate.reserve("org_a", hold_id=f"{name}_{number}") for number in range(count)]
        return await meeting.ask(gate, calls)


async def commit_all(
    meeting: Meeting, url: str, lua: Path, holds: Sequence[HoldRef]
) -> list[Outcome]:
    use_clock(lua)
    async with Gate.connect(url, deadline_ms=DEADLINE_MS) as gate:
        return await meeting.ask(gate, [gate.commit(hold) for hold in holds])


async def release_all(
    meeting: Meeting, url: str, lua: Path, holds: Sequence[HoldRef]
) -> list[Outcome]:
    use_clock(lua)
    async with Gate.connect(url, deadline_ms=DEADLINE_MS) as gate:
        return await meeting.ask(gate, [gate.release(hold) for hold in holds])


async def expire_all(
    meeting: Meeting, url: str, lua: Path, calls: int, limit: int
) -> list[Outcome]:
    use_clock(lua)
    async with Gate.connect(url, deadline_ms=DEADLINE_MS) as gate:
        call = gate.caller.call
        return await meeting.ask(gate, [call(expire, "org_a", "", (limit,)) for _ in range(calls)])


def use_clock(lua: Path) -> None:
    """From now on the gates of this process run the scripts in `lua`."""
    for command in COMMANDS:
        command.__dict__["script"] = load_script(command.name, lua)
