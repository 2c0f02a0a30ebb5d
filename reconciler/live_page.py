"""Some accounts of a partition as they are found in both stores, PostgreSQL first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.keys import organization_keys, tag_of
from gate.hot.live_account import unpack_account
from gate.ledger.transaction import borrowed
from reconciler.reading import read_images

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.hot.keys import OrganizationKeys
    from gate.hot.live_account import LiveAccount
    from reconciler.context import Context
    from reconciler.image import Image

#: So many accounts are decoded before others have their turn: about 5 ms.
AT_ONCE: Final = 50


class LivePage(NamedTuple):
    """Accounts as they were found, by organization."""

    images: Mapping[str, Image]
    live: Mapping[str, LiveAccount]
    unreadable: Mapping[str, Unreadable]


class Unreadable(NamedTuple):
    """A live account that cannot be decoded, and why."""

    packed: bytes
    reason: str


async def read_page(context: Context, partition: int, organization_ids: Sequence[str]) -> LivePage:
    """Without accounts under repair, which nothing can be told of, and those that are absent."""
    async with borrowed(context.pool) as connection:
        images = await read_images(connection, list(organization_ids))
    images = {name: one for name, one in images.items() if one.repair_state == "ok"}
    keys = keys_of(context, partition, images)
    values: list[bytes | None] = []
    if keys:
        values = await context.transport.execute("MGET", *(one.account for one in keys.values()))
    live: dict[str, LiveAccount] = {}
    unreadable: dict[str, Unreadable] = {}
    for number, (name, packed) in enumerate(zip(keys, values, strict=True)):
        if packed is not None:
            try:
                live[name] = unpack_account(packed)
            except ContractError as error:
                unreadable[name] = Unreadable(packed, str(error))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return LivePage(images, live, unreadable)


def keys_of(
    context: Context, partition: int, organization_ids: Iterable[str]
) -> dict[str, OrganizationKeys]:
    """The keys of each organization, in their order."""
    tag = tag_of(partition, context.meta.partitions)
    return {name: organization_keys(name, tag) for name in organization_ids}
