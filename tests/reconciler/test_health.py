"""/health and /metrics over HTTP: what they say in each state."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import structlog

from gate.domain.errors import BadArgument, Unavailable
from reconciler.batch import Batch, Report
from reconciler.health import Health, application, served
from reconciler.leases import Leases
from reconciler.metrics import Metrics
from reconciler.settings import Settings
from reconciler.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOG = structlog.stdlib.get_logger()
SETTINGS = Settings(database_url="postgresql://nobody@unused.example/gate")


class Page(NamedTuple):
    """An answer."""

    status: int
    body: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.body)
        return answer


class Parts:
    """What a server is made of, without a daemon around it."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.metrics = Metrics()
        self.watch = Watch(self.metrics, LOG)
        self.health = Health(settings, self.metrics, self.watch)
        self.port = 0

    async def get(self, path: str) -> Page:
        def ask() -> Page:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                    return Page(answer.status, answer.read().decode())
            except HTTPError as error:
                with error:
                    return Page(error.code, error.read().decode())

        return await asyncio.to_thread(ask)

    def own(self, *partitions: int) -> None:
        leases = Leases(SETTINGS.database_url, 8, log=LOG, on_change=self.metrics.own)
        leases._set(frozenset(partitions), leases._clock() + 60)
        self.health.leases = leases


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    made = Parts()
    made.health.phase = "running"
    made.own(0, 3)
    app = application(made.health, made.metrics)
    async with served(app, "127.0.0.1", 0) as made.port:
        yield made


async def test_health__follows_the_process_from_start_to_stop(parts: Parts) -> None:
    parts.health.phase = "starting"
    parts.health.waiting_for = "waiting for Redis: connection refused"
    starting = await parts.get("/health")
    assert starting.status == 503
    assert starting.json["status"] == "starting"
    assert starting.json["reasons"] == ["waiting for Redis: connection refused"]

    parts.health.phase = "running"
    booking = await parts.get("/health")
    assert booking.status == 200
    assert (booking.json["status"], booking.json["reasons"]) == ("booking", [])
    assert (booking.json["partitions"], booking.json["partitions_total"]) == ([0, 3], 8)

    parts.own()
    standby = await parts.get("/health")
    assert (standby.status, standby.json["status"]) == (200, "standby")

    parts.health.phase = "stopping"
    stopping = await parts.get("/health")
    assert (stopping.status, stopping.json["status"]) == (503, "stopping")


async def test_server_away__is_told_with_its_reason(parts: Parts) -> None:
    parts.watch.postgres.missed(Unavailable("connection", "PostgreSQL: no route"))
    assert (await parts.get("/health")).status == 200, "not for long"
    parts.health._settings = replace(SETTINGS, away_max_s=0)
    parts.watch.redis.seen()
    failing = await parts.get("/health")
    assert (failing.status, failing.json["status"]) == (503, "failing")
    assert "PostgreSQL has been away for 0 s: PostgreSQL: no route" in failing.json["reasons"][-1]


async def test_lag__is_judged_and_told_by_partition(parts: Parts) -> None:
    parts.metrics.reached(3, time() - 90)
    failing = await parts.get("/health")
    assert failing.status == 503
    assert failing.json["reasons"] == ["booking is 90 s behind, more than 60 s"]
    page = (await parts.get("/metrics")).body
    assert 'gate_reconciler_lag_seconds{partition="3"} 90.' in page
    assert 'gate_reconciler_lag_seconds{partition="0"} 0.' in page

    parts.metrics.caught_up()
    assert (await parts.get("/health")).status == 200
    parts.metrics.reached(3, time() - 90)
    parts.own(0, 5)
    assert (await parts.get("/health")).status == 200, "others see to that one"
    page = (await parts.get("/metrics")).body
    assert 'partition="3"' not in page
    assert "gate_reconciler_leases_owned 2.0" in page


def test_lag__counts_by_the_clock_of_redis() -> None:
    metrics = Metrics()
    metrics.own(frozenset((0,)))
    metrics.redis_ahead_s = -500.0
    metrics.reached(0, time() - 501)
    assert 1 <= metrics.lag_s_max < 5


async def test_metrics__count_what_was_booked(parts: Parts) -> None:
    batch = Batch(deltas=7)
    for kind in ("gap", "diverged", "gap"):
        batch.reports.append(Report("org_a", kind, 1, 1, {}, {}, None, "reload"))
    parts.metrics.booked(batch, 0.3)
    page = await parts.get("/metrics")
    assert page.status == 200
    for line in (
        "gate_reconciler_deltas_booked_total 7.0",
        "gate_reconciler_batches_total 1.0",
        'gate_reconciler_booking_seconds_bucket{le="0.2"} 0.0',
        'gate_reconciler_booking_seconds_bucket{le="0.5"} 1.0',
        "gate_reconciler_gaps_total 2.0",
        'gate_reconciler_misfits_total{reason="diverged"} 1.0',
        'gate_reconciler_accounts{state="stopped"} 0.0',
        'gate_reconciler_away_seconds{server="redis"} ',
    ):
        assert f"\n{line}" in page.body
    assert "_created" not in page.body
    assert (await parts.get("/")).status == 404


async def test_taken_port__is_told_by_the_names_of_its_settings(parts: Parts) -> None:
    with pytest.raises(BadArgument, match=r"GATE_RECONCILER_PORT .*Address already in use"):
        async with served(application(parts.health, parts.metrics), "127.0.0.1", parts.port):
            pass
