"""How far the clocks of Redis, PostgreSQL and this machine are apart."""

from __future__ import annotations

from itertools import combinations
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.ledger.pool import connected
from gate.ledger.statement import load_statement
from gate.telemetry.check import Check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from gate.hot.transport import Transport
    from gate.telemetry.check import State

WARN_S: Final = 1.0
FAIL_S: Final = 5.0
_TRIES: Final = 3


class Clock(NamedTuple):
    """A server's clock: seconds ahead of this machine's, give or take `doubt_s`."""

    name: str
    ahead_s: float
    doubt_s: float


HERE: Final = Clock("this machine", 0.0, 0.0)


async def read_redis_clock(transport: Transport) -> Clock:
    """Raises what calls raise."""

    async def now_s() -> float:
        seconds, microseconds = await transport.execute("TIME")
        return int(seconds) + int(microseconds) / 1_000_000

    return await _read("Redis", now_s)


async def read_postgres_clock(url: str) -> Clock:
    """Raises Unavailable, ContractError."""
    async with connected(url, application_name="gate doctor") as connection:

        async def now_s() -> float:
            return await load_statement("read_clock").fetch_one(connection, float_of) or 0.0

        return await _read("PostgreSQL", now_s)


def float_of(now_s: float) -> float:
    """The one column of `read_clock`."""
    return now_s


def clock_checks(clocks: Iterable[Clock]) -> list[Check]:
    """Each pair of clocks: only what is certain counts, beyond the time that asking took."""
    checks = []
    for one, other in combinations((*clocks, HERE), 2):
        apart_s = one.ahead_s - other.ahead_s
        certain_s = max(0.0, abs(apart_s) - one.doubt_s - other.doubt_s)
        state: State = "ok" if certain_s <= WARN_S else "warn" if certain_s <= FAIL_S else "fail"
        how = "ahead of" if apart_s > 0 else "behind"
        said = f"{one.name} is {abs(apart_s):.3f} s {how} {other.name}"
        to_do = "" if state == "ok" else f"let NTP set the clocks of {one.name} and {other.name}"
        checks.append(Check("clocks", f"{one.name}, {other.name}", state, said, to_do))
    return checks


async def _read(name: str, now_s: Callable[[], Awaitable[float]]) -> Clock:
    """The reading that took the least time."""
    readings = []
    for _ in range(_TRIES):
        asked_at, began = monotonic(), time()
        there_s = await now_s()
        took_s = monotonic() - asked_at
        readings.append(Clock(name, there_s - (began + took_s / 2), took_s / 2))
    return min(readings, key=lambda one: one.doubt_s)
