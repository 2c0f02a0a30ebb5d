"""From settings to a context: migrated, connected, and patient while a server is away."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from gate.domain.errors import ContractError, Unavailable
from gate.hot.caller import Caller
from gate.hot.calls import AnswerLost
from gate.hot.commands import COMMANDS
from gate.hot.meta import read_meta
from gate.hot.transport import Transport
from gate.ledger.migrate import migrate
from gate.ledger.pool import open_pool
from reconciler.context import Context
from reconciler.leases import Leases
from reconciler.waiting import Backoff, unless_stopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from gate.hot.meta import Meta
    from gate.ledger.connection import Pool
    from reconciler.log import Log
    from reconciler.metrics import Metrics
    from reconciler.settings import Settings

T = TypeVar("T")
Attempt: TypeAlias = "Callable[[], Coroutine[Any, Any, T]]"

CLIENT_NAME: Final = "gate-reconciler"
#: Look-ups of thousands of ids are dear by estimate and cheap in truth: no compiler for them.
_POOL_SETTINGS: Final = {"jit": "off"}
_DEADLINE_MS: Final = 10_000
_CLOSE_MAX_S: Final = 3.0
#: How often a server that is still away is told of.
_TELL_EVERY_S: Final = 30.0


class Patience:
    """Tries until it goes well. `waiting_for` is told why it does not, and "" when it did."""

    def __init__(
        self, stop: asyncio.Event, log: Log, waiting_for: Callable[[str], None] = lambda why: None
    ) -> None:
        self._stop = stop
        self._log = log
        self._waiting_for = waiting_for

    async def until_there(self, server: str, attempt: Attempt[T]) -> T:
        """What `attempt` returns. Raises ContractError, and Stopped when the process is to stop."""
        backoff = Backoff()
        since = monotonic()
        told_at = since - _TELL_EVERY_S
        while True:
            try:
                result = await unless_stopped(self._stop, attempt())
            except (Unavailable, AnswerLost) as error:
                self._waiting_for(f"waiting for {server}: {error}")
                if monotonic() - told_at >= _TELL_EVERY_S:
                    waited_s = round(monotonic() - since, 1)
                    self._log.warning(f"waiting for {server}", reason=str(error), waited_s=waited_s)
                    told_at = monotonic()
                await backoff.pause(self._stop)
            else:
                self._waiting_for("")
                return result


class Once:
    """In place of Patience for a person who waits: what is away is told at once."""

    async def until_there(self, server: str, attempt: Attempt[T]) -> T:
        """What `attempt` returns, or raises; AnswerLost as Unavailable."""
        try:
            return await attempt()
        except AnswerLost as error:
            raise Unavailable("connection", f"{server}: {error}") from error


async def migrated(settings: Settings, log: Log) -> None:
    """Brings the tables up to date. Raises Unavailable, and ContractError, which says how to do
    without where this login may not do it."""
    try:
        for one in await migrate(
            settings.database_url, report=lambda line: log.info("migration", message=line)
        ):
            log.info("migrated", migration=one.name)
    except ContractError as error:
        if "42501" not in str(error):  # insufficient_privilege
            raise
        raise ContractError(
            f"{error}: run `gate migrate` as the owner of the tables, and this with --no-migrate"
        ) from error


@asynccontextmanager
async def connected_context(
    settings: Settings,
    *,
    metrics: Metrics,
    log: Log,
    stop: asyncio.Event,
    patience: Patience | Once,
    migrate_first: bool,
) -> AsyncIterator[Context]:
    """A context with open connections, which are closed at the end. Raises Unavailable,
    ContractError."""
    if migrate_first:
        await patience.until_there("PostgreSQL", lambda: migrated(settings, log))
    pool = await patience.until_there(
        "PostgreSQL",
        lambda: open_pool(
            settings.database_url, application_name=CLIENT_NAME, settings=_POOL_SETTINGS
        ),
    )
    try:
        transport, meta = await patience.until_there("Redis", lambda: _open_redis(settings))
        try:
            leases = Leases(
                settings.database_url,
                meta.partitions,
                log=log,
                ttl_s=settings.lease_ttl_s,
                on_change=metrics.own,
            )
            caller = Caller(transport, meta)
            yield Context(settings, pool, transport, caller, meta, leases, metrics, log, stop)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_MAX_S):
                    await transport.aclose()
    finally:
        await _close(pool)


async def _open_redis(settings: Settings) -> tuple[Transport, Meta]:
    transport = await Transport.connect(
        settings.redis_url,
        [command.script for command in COMMANDS],
        deadline_ms=_DEADLINE_MS,
        client_name=CLIENT_NAME,
    )
    try:
        return transport, await read_meta(transport, settings.partitions)
    except BaseException:
        await transport.aclose()
        raise


async def _close(pool: Pool) -> None:
    """In order if that goes quickly; what is not committed PostgreSQL undoes in any case."""
    try:
        async with asyncio.timeout(_CLOSE_MAX_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
