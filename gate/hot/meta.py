"""`gate:meta`: how this Redis is laid out. Written by whoever comes first, checked at a start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gate.domain.errors import BadArgument, ContractError
from gate.domain.limits import check_id
from gate.hot.keys import EXCEPTIONS, META, PARTITIONS_MAX, partition_of, tag_of
from gate.hot.layout import LAYOUT

if TYPE_CHECKING:
    from gate.hot.transport import Transport


class Meta(NamedTuple):
    """The number of partitions, and the organizations that were given one by hand."""

    partitions: int
    exceptions: dict[str, int]

    def tag(self, organization_id: str) -> str:
        """The hash tag under which an organization lives."""
        partition = self.exceptions.get(organization_id)
        if partition is None:
            partition = partition_of(organization_id, self.partitions)
        return tag_of(partition, self.partitions)


#: One step, so that nobody sees a half of it.
_FIRST_START = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'partitions', ARGV[1], 'layout', ARGV[2])
end
"""


async def read_meta(transport: Transport, partitions: int) -> Meta:
    """Reads `gate:meta`; a Redis that has none is given `partitions` and this layout.

    Raises ContractError if what stands there is not of this release, and what a call raises.
    """
    fields = await _read_hash(transport, META)
    if not fields:
        await transport.execute("EVAL", _FIRST_START, 1, META, partitions, LAYOUT)
        fields = await _read_hash(transport, META)
    layout, count = _whole(fields.get(b"layout")), _whole(fields.get(b"partitions"))
    if layout != LAYOUT:
        raise ContractError(
            f"{META} says account layout {layout}, this release reads and writes {LAYOUT}: "
            "use the release that wrote it, or another Redis database"
        )
    if count is None or not 1 <= count <= PARTITIONS_MAX or count & (count - 1):
        raise ContractError(
            f"{META} says {count} partitions, which is no power of two up to {PARTITIONS_MAX}: "
            "somebody edited it; put the number back that the journals were written with"
        )
    return Meta(count, _exceptions(await _read_hash(transport, EXCEPTIONS), count))


async def _read_hash(transport: Transport, key: str) -> dict[bytes, bytes]:
    try:
        flat = await transport.execute("HGETALL", key)
    except ContractError as error:
        raise ContractError(
            f"{key} is not what the gate keeps there: use another Redis database ({error})"
        ) from error
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _whole(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


def _exceptions(listed: dict[bytes, bytes], count: int) -> dict[str, int]:
    exceptions = {}
    for name, value in listed.items():
        organization_id, partition = name.decode(errors="replace"), _whole(value)
        try:
            check_id("organization_id", organization_id)
        except BadArgument as error:
            raise ContractError(f"{EXCEPTIONS}: {error}") from error
        if partition is None or partition >= count:
            raise ContractError(
                f"{EXCEPTIONS} gives {organization_id} partition {value.decode(errors='replace')}: "
                f"there are 0 to {count - 1}; put back the one that its keys are in"
            )
        exceptions[organization_id] = partition
    return exceptions
