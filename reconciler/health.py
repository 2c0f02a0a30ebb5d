"""Is this process well? What it is judged by, and the HTTP server that tells it.

GET /health   200 while it books, or stands by because others own all partitions; else 503. JSON.
GET /metrics  for Prometheus.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gate.domain.errors import BadArgument
from reconciler.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from reconciler.leases import Leases
    from reconciler.metrics import Metrics
    from reconciler.settings import Settings
    from reconciler.watch import Watch

_CLOSE_MAX_S: Final = 2
_BACKLOG: Final = 128

Phase = Literal["starting", "running", "stopping"]
Status = Literal["starting", "booking", "standby", "failing", "stopping"]


class Health:
    """The judgement. `phase` and `waiting_for` are set by the daemon as it gets on; `leases` as
    soon as there are any."""

    def __init__(self, settings: Settings, metrics: Metrics, watch: Watch) -> None:
        self.phase: Phase = "starting"
        #: What the start is held up by, in words.
        self.waiting_for = ""
        self.leases: Leases | None = None
        self._settings = settings
        self._metrics = metrics
        self._watch = watch

    @property
    def status(self) -> Status:
        """In a word; `booking` and `standby` are well."""
        if self.phase != "running":
            return self.phase
        if self.reasons():
            return "failing"
        return "booking" if self.leases is not None and self.leases.owned else "standby"

    def reasons(self) -> list[str]:
        """What is not as it should be, in words."""
        if self.phase == "starting":
            return [self.waiting_for] if self.waiting_for else []
        reasons = []
        for contact in (self._watch.redis, self._watch.postgres):
            if contact.away_s > self._settings.away_max_s:
                why = f": {contact.error}" if contact.error else ""
                reasons.append(f"{contact.name} has been away for {contact.away_s:.0f} s{why}")
        lag_s = self._metrics.lag_s_max
        if lag_s > self._settings.lag_max_s:
            reasons.append(
                f"booking is {lag_s:.0f} s behind, more than {self._settings.lag_max_s:g} s"
            )
        return reasons

    def describe(self) -> dict[str, Any]:
        """The body of /health."""
        watch, leases = self._watch, self.leases
        return {
            "status": self.status,
            "reasons": self.reasons(),
            "owner": leases.owner if leases else None,
            "partitions": sorted(leases.owned) if leases else [],
            "partitions_total": leases.partitions if leases else None,
            "lag_s_max": round(self._metrics.lag_s_max, 3),
            "redis_away_s": round(watch.redis.away_s, 1),
            "postgres_away_s": round(watch.postgres.away_s, 1),
            "redis_clock_skew_s": None if watch.skew_s is None else round(watch.skew_s, 3),
        }


def application(health: Health, metrics: Metrics) -> Starlette:
    """The two pages."""

    async def show_health(request: Request) -> Response:
        body = health.describe()
        well = body["status"] in ("booking", "standby")
        return JSONResponse(body, 200 if well else 503, {"Cache-Control": "no-store"})

    async def show_metrics(request: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/health", show_health), Route("/metrics", show_metrics)])


@asynccontextmanager
async def served(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Serves `app` in the running loop, and gives the port, which the system chooses for port 0.

    Raises BadArgument if it cannot be bound.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_MAX_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="health")
    try:
        chosen: int = listener.getsockname()[1]
        yield chosen
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Signals are the daemon's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        why = f"a free port of this machine ({error.strerror or error})"
        raise BadArgument(
            "GATE_RECONCILER_HOST, GATE_RECONCILER_PORT", f"{host}:{port}", why
        ) from error
