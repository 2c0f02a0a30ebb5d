"""What a Redis says of itself: INFO, CONFIG, the memory that journals take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.keys import journal_key, tag_of
from gate.hot.visit import meta_if_there

if TYPE_CHECKING:
    from gate.hot.meta import Meta
    from gate.hot.transport import Transport

_CONFIG: Final = ("appendfsync", "aof-load-truncated", "min-replicas-to-write")


class ServerFacts(NamedTuple):
    """`info`: all fields of INFO, `config`: some settings; None: this user may not ask for them.
    `meta`: None where no gate has ever been; `meta_fault`: why it cannot be used, or empty.
    `journal_bytes` None: no gate, or not to be asked for. `foreign_keys`: the database holds keys
    and no `gate:meta`."""

    info: dict[str, str] | None
    config: dict[str, str] | None
    meta: Meta | None
    meta_fault: str
    journal_bytes: int | None
    foreign_keys: int


async def read_server_facts(transport: Transport) -> ServerFacts:
    """Raises Unavailable, AnswerLost."""
    meta, fault = None, ""
    try:
        meta = await meta_if_there(transport)
    except ContractError as error:
        fault = str(error)
    info = await _read_info(transport)
    return ServerFacts(
        info,
        await _read_config(transport),
        meta,
        fault,
        None if meta is None else await _read_journal_bytes(transport, meta),
        await transport.execute("DBSIZE") if meta is None else 0,
    )


async def _read_info(transport: Transport) -> dict[str, str] | None:
    try:
        text: bytes = await transport.execute("INFO")
    except ContractError:
        return None
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


async def _read_config(transport: Transport) -> dict[str, str] | None:
    """Managed services rename or forbid CONFIG."""
    try:
        flat: list[bytes] = await transport.execute("CONFIG", "GET", *_CONFIG)
    except ContractError:
        return None
    words = [word.decode(errors="replace") for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


async def _read_journal_bytes(transport: Transport, meta: Meta) -> int | None:
    keys = [journal_key(tag_of(partition, meta.partitions)) for partition in range(meta.partitions)]
    try:
        sizes = await asyncio.gather(*(transport.execute("MEMORY", "USAGE", key) for key in keys))
    except ContractError:
        return None
    return sum(size or 0 for size in sizes)
