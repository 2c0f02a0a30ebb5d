"""The organizations of a partition that senders without PostgreSQL found absent: whoever owns the
partition loads them."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from gate.domain.errors import BadArgument
from gate.domain.limits import check_id
from gate.hot.keys import wanted_key
from gate.hot.script import Script

if TYPE_CHECKING:
    import asyncio

    from gate.hot.transport import Transport

WANTED_MAX: Final = 10_000

#: Made-up names must not fill the memory; without the flag allow-oom, at maxmemory none is taken.
_SOURCE: Final = b"""#!lua
if redis.call('SCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('SADD', KEYS[1], ARGV[1])
end
"""
_WANT: Final = Script("want", _SOURCE, sha1(_SOURCE, usedforsecurity=False).hexdigest().encode())


def want(transport: Transport, tag: str, organization_id: str) -> asyncio.Future[Any]:
    """Ask for an organization to be loaded, unless WANTED_MAX are asked for in its partition.

    The future need not be awaited; it fails as that of `Transport.call` does.
    """
    return transport.call(_WANT, (wanted_key(tag), organization_id, WANTED_MAX), 1)


async def take_wanted(transport: Transport, tag: str, count: int) -> list[str]:
    """Take out up to `count` of a partition's organizations that were asked for, in no order; what
    is no id of an organization is dropped. Raises what `Transport.execute` raises."""
    found: list[bytes] = await transport.execute("SPOP", wanted_key(tag), count)
    names = (name.decode(errors="replace") for name in found)
    return [name for name in names if _is_id(name)]


def _is_id(name: str) -> bool:
    try:
        check_id("organization_id", name)
    except BadArgument:
        return False
    return True
