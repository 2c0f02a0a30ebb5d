"""`gate:meta`: how this Redis is laid out. Written by whoever comes first, checked at a start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gate.domain.errors import ContractError
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


def _whole(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


async def read_meta(transport: Transport, partitions: int) -> Meta:
    """Reads `gate:meta`; a Redis that has none is given `partitions` and this layout.

    Raises ContractError if what stands there is not of this release, and what a call raises.
    """
    found = await transport.execute("HGETALL", META)
    if not found:
        await transport.execute("HSETNX", META, "partitions", partitions)
        await transport.execute("HSETNX", META, "layout", LAYOUT)
        found = await transport.execute("HGETALL", META)
    fields = dict(zip(found[::2], found[1::2], strict=True))
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
    listed = await transport.execute("HGETALL", EXCEPTIONS)
    exceptions = {
        organization_id.decode(): int(partition)
        for organization_id, partition in zip(listed[::2], listed[1::2], strict=True)
    }
    wrong = [one for one, partition in exceptions.items() if not 0 <= partition < count]
    if wrong:
        raise ContractError(f"{EXCEPTIONS} names a partition that there is not, for {wrong[0]}")
    return Meta(count, exceptions)
