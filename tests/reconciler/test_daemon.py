"""The daemon as a process, against real servers: starts, waits, tells, hands over, ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import structlog

from gate.domain.errors import ContractError, OutcomeUnknown, Unavailable
from gate.hot.calls import AnswerLost
from gate.ledger.errors import CommitUnknown
from gate.ledger.pool import connected
from reconciler.metrics import Metrics
from reconciler.supervisor import Supervisor
from tests.hot.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEADLINE_S = 30.0
PARTITIONS = 8


class Daemon:
    """The running process, its log and its pages."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.port = 0

    async def logged(self, event: str, **fields: object) -> dict[str, Any]:
        """The next line of the log with this event and these fields."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            while text := await self.process.stderr.readline():
                line = json.loads(text)
                self.log.append(line)
                if line["event"] == event and fields.items() <= line.items():
                    return line
        raise AssertionError(f"ended without {event!r}: {self.log}")

    async def health(self, *statuses: str) -> dict[str, Any]:
        """/health as soon as its status is one of these."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                code, found = await asyncio.to_thread(self._ask, "/health")
                body: dict[str, Any] = json.loads(found)
                if body["status"] in statuses:
                    assert code == (200 if body["status"] in ("booking", "standby") else 503)
                    return body

    async def metrics(self) -> str:
        return (await asyncio.to_thread(self._ask, "/metrics"))[1].decode()

    def _ask(self, path: str) -> tuple[int, bytes]:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE_S) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    async def ended(self) -> int:
        """Its exit code; what it logged until then is in `log`."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            rest = await self.process.stderr.read()
            self.log += [json.loads(line) for line in rest.splitlines()]
            return await self.process.wait()


@asynccontextmanager
async def daemon(
    redis_url: str,
    database_url: str,
    *command: str,
    wait: bool = True,
    **settings: object,
) -> AsyncIterator[Daemon]:
    """A process that serves its pages, or (`wait` False) is on its way there. It is killed at the
    end if it still runs."""
    named = {"REDIS_URL": redis_url, "PG_URL": database_url, "GATE_RECONCILER_PORT": 0}
    named |= {"GATE_PARTITIONS": PARTITIONS, "GATE_LEASE_TTL_S": 1} | settings
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GATE_")}
    process = await asyncio.create_subprocess_exec(
        *(command or (sys.executable, "-m", "reconciler")),
        env=kept | {name: str(value) for name, value in named.items()},
        stderr=asyncio.subprocess.PIPE,
    )
    started = Daemon(process)
    try:
        if wait:
            started.port = (await started.logged("listening"))["port"]
        yield started
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def query(database_url: str, sql: str) -> Any:
    async with connected(database_url) as connection:
        return await connection.fetchval(sql)


def through(proxy: Proxy, url: str) -> str:
    parts, there = urlsplit(url), urlsplit(proxy.url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@{there.netloc}".lstrip("@")).geturl()


def cut(data: bytes) -> None:
    """As `Proxy.change`: no answer arrives, and the connection is gone."""


async def test_books_until_sigterm_and_hands_over(redis_url: str, database_url: str) -> None:
    gate = (sys.executable, "-m", "gate", "reconcile")
    async with daemon(redis_url, database_url, *gate) as one:
        owned = await one.logged("partitions")
        assert owned["owned"] == list(range(PARTITIONS))
        body = await one.health("booking")
        assert body["partitions"] == list(range(PARTITIONS))
        assert body["owner"] == owned["owner"]
        page = await one.metrics()
        assert f"gate_reconciler_leases_owned {PARTITIONS}.0" in page
        assert "gate_reconciler_redis_clock_skew_seconds " in page

        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0
        assert [line["event"] for line in one.log].count("stopping") == 1
        assert not [line for line in one.log if line["level"] in ("warning", "error")]
    assert await query(database_url, "SELECT count(*) FROM partition_lease") == 0
    assert await query(database_url, "SELECT count(*) FROM reconciler_member") == 0
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'email_send'::regclass"
    assert await query(database_url, days) == 1 + 8


async def test_servers_away__waits_at_the_start_and_tells_later(
    redis_url: str, database_url: str
) -> None:
    async with (
        Proxy(urlsplit(database_url).port or 0) as postgres,
        Proxy(urlsplit(redis_url).port or 0) as redis,
    ):
        postgres.change = redis.change = cut
        urls = through(redis, redis_url), through(postgres, database_url)
        async with daemon(*urls, GATE_AWAY_MAX_S=1.2) as one:
            await one.logged("waiting for PostgreSQL")
            body = await one.health("starting")
            assert "waiting for PostgreSQL" in body["reasons"][0]
            postgres.change = bytes
            await one.logged("waiting for Redis")
            redis.change = bytes
            await one.health("booking")

            postgres.change = redis.change = cut
            body = await one.health("failing")
            while len(body["reasons"]) < 2:
                body = await one.health("failing")
            for reason, server in zip(body["reasons"], ("Redis", "PostgreSQL"), strict=True):
                assert reason.startswith(f"{server} has been away for ")
            postgres.change = redis.change = bytes
            await one.health("booking")

            one.process.send_signal(signal.SIGINT)
            assert await one.ended() == 0
            password = urlsplit(database_url).password
            assert password
            assert password not in json.dumps(one.log)


async def test_sigterm_while_it_waits__ends_in_order(database_url: str) -> None:
    async with daemon("redis://127.0.0.1:1", database_url) as one:
        await one.logged("waiting for Redis")
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0


async def test_killed__another_one_takes_over(redis_url: str, database_url: str) -> None:
    async with (
        daemon(redis_url, database_url, wait=False, GATE_LEASE_TTL_S=0.6) as one,
        daemon(redis_url, database_url, GATE_LEASE_TTL_S=0.6) as other,
    ):
        while len((await other.logged("partitions"))["owned"]) != PARTITIONS // 2:
            pass
        one.process.kill()
        await other.logged("partitions", owned=list(range(PARTITIONS)))
        assert (await other.health("booking"))["status"] == "booking"


async def test_what_only_a_person_can_mend__is_one_line_and_exit_1(
    redis_url: str, database_url: str
) -> None:
    wrong = urlsplit(redis_url)._replace(netloc=f":s3cret@{urlsplit(redis_url).netloc}").geturl()
    async with daemon(wrong, database_url, GATE_LOG_LEVEL="warning", wait=False) as one:
        assert await one.ended() == 1
    (line,) = one.log
    assert (line["event"], line["level"]) == ("cannot start", "error")
    assert "password" in line["reason"]
    assert "s3cret" not in line["reason"]


class Work:
    """A task that fails in these ways and then works until `stop`."""

    def __init__(self, stop: asyncio.Event, *failures: Exception) -> None:
        self.failures = list(failures)
        self.works = asyncio.Event()
        self._stop = stop

    async def run(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.works.set()
        await self._stop.wait()


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def supervisor(stop: asyncio.Event) -> Supervisor:
    return Supervisor(stop, stop.set, structlog.stdlib.get_logger(), Metrics())


async def test_task_that_fails_in_passing__starts_again(
    stop: asyncio.Event, supervisor: Supervisor
) -> None:
    group = ExceptionGroup("two", [AnswerLost("x"), OutcomeUnknown("org_a", None, "x")])
    work = Work(stop, Unavailable("busy", "x"), CommitUnknown("x"), group)
    supervisor.start("work", work.run)
    async with asyncio.timeout(DEADLINE_S):
        await work.works.wait()
    assert not supervisor.failed
    stop.set()
    assert await supervisor.join(DEADLINE_S)


@pytest.mark.parametrize(
    "failure",
    [
        ContractError("x"),
        KeyError("x"),
        ExceptionGroup("both", [Unavailable("busy", "x"), KeyError("x")]),
    ],
)
async def test_bug__ends_the_process(
    stop: asyncio.Event, supervisor: Supervisor, failure: Exception
) -> None:
    supervisor.start("work", Work(stop, failure).run)
    async with asyncio.timeout(DEADLINE_S):
        await stop.wait()
    assert supervisor.failed
    assert await supervisor.join(0)


async def test_task_that_just_returns__ends_the_process(
    stop: asyncio.Event, supervisor: Supervisor
) -> None:
    async def nothing() -> None:
        pass

    supervisor.start("work", nothing)
    async with asyncio.timeout(DEADLINE_S):
        await stop.wait()
    assert supervisor.failed


@pytest.mark.parametrize("cancellable", [True, False])
async def test_task_that_does_not_end__is_cancelled_and_not_waited_for(
    supervisor: Supervisor, stop: asyncio.Event, cancellable: bool
) -> None:
    finish = asyncio.Event()

    async def deaf() -> None:
        try:
            await finish.wait()
        except asyncio.CancelledError:
            if cancellable:
                raise
            await finish.wait()

    supervisor.start("deaf", deaf)
    await asyncio.sleep(0)
    stop.set()
    assert await supervisor.join(0, cancelled_s=0.1) is cancellable
    finish.set()
    await supervisor.join(DEADLINE_S)
