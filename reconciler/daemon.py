"""The daemon: starts, supervises, and stops in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gate.domain.errors import ContractError
from reconciler.health import Health, application, served
from reconciler.metrics import Metrics
from reconciler.startup import Patience, connected_context
from reconciler.supervisor import Supervisor
from reconciler.upkeep import Upkeep
from reconciler.waiting import Stopped
from reconciler.watch import Watch
from reconciler.workers import workers

if TYPE_CHECKING:
    from reconciler.context import Context
    from reconciler.log import Log
    from reconciler.settings import Settings

_HAND_OVER_MAX_S: Final = 5.0
_EXIT_FAILED: Final = 1


class Stuck(Exception):
    """Tasks that cannot be cancelled hold up the end: they wait for a server that is silent."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("tasks did not end")
        self.exit_code = exit_code


async def serve(settings: Settings, log: Log, stop: asyncio.Event, *, migrate_first: bool) -> int:
    """Run until `stop` is set; the exit code. Raises BadArgument for an address of /health that
    cannot be had, and Stuck.

    Health is served from the start to the end, so that a start that waits can be looked at.
    """
    metrics = Metrics()
    watch = Watch(metrics, log)
    health = Health(settings, metrics, watch)
    async with served(application(health, metrics), settings.host, settings.port) as port:
        log.info("listening", host=settings.host, port=port, paths=["/health", "/metrics"])

        def wait_for(why: str) -> None:
            health.waiting_for = why

        try:
            async with connected_context(
                settings,
                metrics=metrics,
                log=log,
                stop=stop,
                patience=Patience(stop, log, wait_for),
                migrate_first=migrate_first,
            ) as context:
                return await _work(context, health, watch)
        except Stopped:
            return 0
        except ContractError as error:
            log.error("cannot start", reason=str(error))
            return _EXIT_FAILED


async def _work(context: Context, health: Health, watch: Watch) -> int:
    """Supervise everything; what works ends before what it works with."""
    settings, stop, log, metrics = context.settings, context.stop, context.log, context.metrics
    end = asyncio.Event()
    support = Supervisor(end, stop.set, log, metrics)
    work = Supervisor(stop, stop.set, log, metrics)

    support.start("watch of Redis", lambda: watch.watch_redis(context.transport, end))
    support.start("watch of PostgreSQL", lambda: watch.watch_postgres(settings.database_url, end))
    support.start("leases", lambda: context.leases.run(end))
    upkeep = Upkeep(context)
    # A partition that is made under a COPY into the default one makes that fail.
    await upkeep.begin()
    work.start("upkeep", upkeep.run)
    for name, run in workers(context):
        work.start(name, run)
    watch.redis.seen()
    watch.postgres.seen()
    health.leases, health.phase = context.leases, "running"
    log.info("started", partitions=context.meta.partitions, owner=context.leases.owner)

    await stop.wait()
    health.phase = "stopping"
    log.info("stopping", grace_s=settings.stop_grace_s)
    ended = await work.join(settings.stop_grace_s)
    end.set()
    ended = await support.join(_HAND_OVER_MAX_S) and ended
    failed = work.failed or support.failed
    code = _EXIT_FAILED if failed else 0
    if not ended:
        raise Stuck(code)
    return code
