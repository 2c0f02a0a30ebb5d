"""A connection to Redis of somebody who only looks: writes nothing, not even `gate:meta`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from gate.domain.errors import Unavailable
from gate.hot.calls import AnswerLost
from gate.hot.keys import META, PARTITIONS_MAX
from gate.hot.meta import read_meta
from gate.hot.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.hot.meta import Meta

_DEADLINE_MS: Final = 5_000


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Transport]:
    """The connection. Raises what `Transport.connect` raises; from within, an answer that is lost
    is Unavailable: nothing was to be changed."""
    transport = await Transport.connect(
        url, (), connections=1, deadline_ms=_DEADLINE_MS, client_name="gate-visit"
    )
    try:
        yield transport
    except AnswerLost as error:
        raise Unavailable("connection", f"Redis: {error}") from error
    finally:
        await transport.aclose()


async def meta_if_there(transport: Transport) -> Meta | None:
    """`gate:meta`; None where no gate has ever been. Raises ContractError for what is there and
    is not of this release."""
    if not await transport.execute("EXISTS", META):
        return None
    return await read_meta(transport, PARTITIONS_MAX)


async def redis_now_ms(transport: Transport) -> int:
    """The clock of Redis, in ms since 1970."""
    seconds, microseconds = await transport.execute("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000
