"""Looks after Redis and PostgreSQL once a second: are they there, and do their clocks agree?"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import Unavailable
from gate.hot.calls import AnswerLost
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement
from reconciler.waiting import pause

if TYPE_CHECKING:
    from gate.hot.transport import Transport
    from gate.ledger.connection import Connection
    from reconciler.log import Log
    from reconciler.metrics import Metrics

SKEW_WARN_S: Final = 1.0
SKEW_ALARM_S: Final = 5.0
_EVERY_S: Final = 1.0
_ANSWER_MAX_S: Final = 5.0


class Contact:
    """When a server was last seen. `error` is why it was not since; empty while it is there."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self.error = ""
        self._seen_at = monotonic()
        self._log = log

    @property
    def away_s(self) -> float:
        """Seconds since it was last seen, or since the start if it never was."""
        return monotonic() - self._seen_at

    def seen(self) -> None:
        """It has answered."""
        if self.error:
            self._log.info(f"{self.name} is there", away_s=round(self.away_s, 1))
        self._seen_at, self.error = monotonic(), ""

    def missed(self, error: Exception) -> None:
        """It has not."""
        if not self.error:
            self._log.warning(f"{self.name} is away", reason=str(error))
        self.error = str(error)


class _Reading(NamedTuple):
    """A clock: how far it is ahead of the local monotonic one, give or take `doubt_s`."""

    ahead_s: float
    doubt_s: float

    @classmethod
    def between(cls, asked_at: float, answered_at: float, now_s: float) -> _Reading:
        return cls(now_s - (asked_at + answered_at) / 2, (answered_at - asked_at) / 2)


class Watch:
    """`skew_s`: what Redis's clock is ahead of PostgreSQL's, beyond doubt; None: not known yet."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.redis = Contact("Redis", log)
        self.postgres = Contact("PostgreSQL", log)
        self.skew_s: float | None = None
        self._metrics = metrics
        self._log = log
        self._redis_clock: _Reading | None = None
        self._postgres_clock: _Reading | None = None
        self._told = 0
        for contact in (self.redis, self.postgres):
            away = metrics.away_seconds.labels(contact.name.lower())
            away.set_function(partial(_away_s, contact))

    async def watch_redis(self, transport: Transport, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises ContractError."""
        while not stop.is_set():
            try:
                asked_at = monotonic()
                seconds, microseconds = await transport.execute("TIME")
            except (Unavailable, AnswerLost) as error:
                self.redis.missed(error)
            else:
                now_s = int(seconds) + int(microseconds) / 1_000_000
                self._redis_clock = reading = _Reading.between(asked_at, monotonic(), now_s)
                self._metrics.redis_ahead_s = reading.ahead_s + monotonic() - time()
                self.redis.seen()
                self._compare()
            await pause(stop, _EVERY_S)

    async def watch_postgres(self, database_url: str, stop: asyncio.Event) -> None:
        """Until `stop` is set, over a connection of its own: a pool whose connections are all busy
        is no reason to call PostgreSQL away. Raises ContractError."""
        while not stop.is_set():
            try:
                async with connected(
                    database_url, application_name="gate-reconciler watch"
                ) as connection:
                    while not stop.is_set():
                        await self._read_postgres(connection)
                        await pause(stop, _EVERY_S)
            except Unavailable as error:
                self.postgres.missed(error)
                await pause(stop, _EVERY_S)

    async def _read_postgres(self, connection: Connection) -> None:
        asked_at = monotonic()
        try:
            async with asyncio.timeout(_ANSWER_MAX_S):
                now_s = await load_statement("read_clock").fetch_one(connection, _now_s)
        except TimeoutError as error:
            late = f"PostgreSQL does not answer within {_ANSWER_MAX_S:g} s"
            raise Unavailable("connection", late) from error
        self._postgres_clock = _Reading.between(asked_at, monotonic(), now_s or 0.0)
        self.postgres.seen()
        self._compare()

    def _compare(self) -> None:
        redis, postgres = self._redis_clock, self._postgres_clock
        if redis is None or postgres is None:
            return
        skew_s = redis.ahead_s - postgres.ahead_s
        certain_s = max(0.0, abs(skew_s) - redis.doubt_s - postgres.doubt_s)
        self.skew_s = certain_s if skew_s > 0 else -certain_s
        self._metrics.redis_clock_skew_seconds.set(skew_s)
        severity = (certain_s >= SKEW_WARN_S) + (certain_s >= SKEW_ALARM_S)
        if severity != self._told:
            tell = (self._log.info, self._log.warning, self._log.error)[severity]
            tell("clock of Redis against PostgreSQL's", ahead_s=round(skew_s, 3))
            self._told = severity


def _away_s(contact: Contact) -> float:
    return contact.away_s


def _now_s(now_s: float) -> float:
    return now_s
