"""Connections to PostgreSQL from a URL: time limits, name, values of type jsonb."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from gate.domain.errors import ContractError
from gate.ledger.errors import connect_errors, ledger_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gate.ledger.connection import Connection, Pool

SERVER_VERSION_MIN: Final = 15
_CONNECT_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 5.0
_SILENCE_S: Final = 5.0
#: COPY speaks binary only, where a jsonb is a version and its text.
_JSONB_VERSION: Final = b"\x01"

_json = msgspec.json.Encoder()


async def open_pool(
    url: str,
    *,
    application_name: str = "gate",
    size: int = 10,
    statement_timeout_ms: int = 30_000,
    settings: Mapping[str, str] | None = None,
) -> Pool:
    """A pool of up to `size` connections, the first of which is made at once. `settings` are of the
    server's own, for each connection.

    A `jsonb` is given as anything that msgspec encodes, and comes back as dict, list or scalar.
    Raises Unavailable, ContractError.
    """
    with connect_errors():
        pool: Pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            init=_prepare,
            timeout=_CONNECT_TIMEOUT_S,
            # For a server that has gone silent, which keeps no time limit of its own.
            command_timeout=statement_timeout_ms / 1000 + _SILENCE_S,
            server_settings=_settings(application_name, statement_timeout_ms)
            | dict(settings or {}),
        )
    return pool


@asynccontextmanager
async def connected(
    url: str, *, application_name: str = "gate", statement_timeout_ms: int = 30_000
) -> AsyncIterator[Connection]:
    """One connection outside of any pool. Raises Unavailable, ContractError, from within too."""
    with connect_errors():
        connection: Connection = await asyncpg.connect(
            url,
            timeout=_CONNECT_TIMEOUT_S,
            server_settings=_settings(application_name, statement_timeout_ms),
        )
    with ledger_errors():
        try:
            await _prepare(connection)
            yield connection
        finally:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await connection.close()


def _settings(application_name: str, statement_timeout_ms: int) -> dict[str, str]:
    return {
        "application_name": application_name,
        "statement_timeout": str(statement_timeout_ms),
        # Days are days of UTC, wherever the server stands.
        "timezone": "UTC",
    }


async def _prepare(connection: Any) -> None:
    version = connection.get_server_version()
    if version[0] < SERVER_VERSION_MIN:
        raise ContractError(
            f"PostgreSQL {version[0]} is too old: {SERVER_VERSION_MIN} or newer is needed"
        )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + _json.encode(value),
        decoder=lambda packed: msgspec.json.decode(packed[1:]),
    )
