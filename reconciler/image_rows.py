"""Writes images: accounts, their grants, and what subscriptions show of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from gate.ledger.statement import load_statement
from reconciler.columns import bounded, columns, expiry_of, instant_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.ledger.connection import Connection
    from reconciler.image import Image

_SMALLINT_MAX: Final = 2**15 - 1
#: Frozen is a state of the account alone.
_SUBSCRIPTION_STATUSES: Final = ("active", "past_due", "cancelled", "trialing", "paused")


async def write_images(connection: Connection, images: Sequence[Image]) -> None:
    """Writes accounts that have changed. Their flags stay as they are, and so do grants of which
    nothing is left, though PostgreSQL forgets those. Raises Unavailable, ContractError."""
    # The order in which others lock several.
    images = sorted(images, key=attrgetter("organization_id"))
    reshaped = [image for image in images if image.reshaped]
    await _move_accounts(connection, images)
    if reshaped:
        await _reshape_accounts(connection, reshaped)
    await _write_grants(connection, images)
    subscribed = [image for image in images if image.subscription_id is not None]
    if subscribed:
        await _move_subscriptions(connection, subscribed)
    reshaped = [image for image in subscribed if image.reshaped]
    if reshaped:
        await _reshape_subscriptions(connection, reshaped)


async def _move_accounts(connection: Connection, images: Sequence[Image]) -> None:
    in_repair = [image for image in images if image.repair_state != "ok"]
    await load_statement("move_accounts").execute(
        connection,
        [image.organization_id for image in images],
        [image.chain for image in images],
        _numbers(images),
        [instant_of(image.look_up_until_ms) for image in images],
        [instant_of(image.sends_until_ms) for image in images],
        [image.organization_id for image in in_repair],
        [image.repair_state for image in in_repair],
        [image.repair_reason for image in in_repair],
    )


def _numbers(images: Sequence[Image]) -> list[list[int]]:
    rows = zip(
        [image.epoch for image in images],
        [image.seq for image in images],
        bounded([image.posted for image in images]),
        [image.held for image in images],
        bounded([image.overage for image in images]),
        bounded([image.debt for image in images]),
        bounded([image.used for image in images]),
        bounded([image.warned_percent for image in images], _SMALLINT_MAX),
        [image.entry_no for image in images],
        [image.last_delta_ms for image in images],
        strict=True,
    )
    # A tuple would be taken for a composite value.
    return list(map(list, rows))


async def _reshape_accounts(connection: Connection, images: Sequence[Image]) -> None:
    await load_statement("reshape_accounts").execute(
        connection,
        [image.organization_id for image in images],
        [image.status for image in images],
        [image.frozen_reason for image in images],
        [image.grace_until for image in images],
        [image.period_no for image in images],
        [image.starts_at for image in images],
        [image.ends_at for image in images],
        [image.terms for image in images],
        [image.coming for image in images],
        bounded([image.allowance for image in images]),
        [instant_of(image.loaded_ms) for image in images],
    )


async def _write_grants(connection: Connection, images: Sequence[Image]) -> None:
    kept: list[tuple[str, str, datetime | None]] = []
    left: list[int] = []
    gone: list[tuple[str, str, datetime | None]] = []
    for image in images:
        for key in image.moved:
            credits, expires_at_ms = image.grants[key]
            row = (image.organization_id, key[0], expiry_of(expires_at_ms))
            # Less than nothing stays: it shows that something is wrong.
            if credits:
                kept.append(row)
                left.append(credits)
            else:
                gone.append(row)
    if kept:
        await load_statement("put_grants").execute(connection, *columns(kept), bounded(left))
    if gone:
        await load_statement("drop_grants").execute(connection, *columns(gone))


async def _move_subscriptions(connection: Connection, images: Sequence[Image]) -> None:
    left = [_left(image) for image in images]
    await load_statement("move_subscriptions").execute(
        connection,
        [image.subscription_id for image in images],
        bounded([image.used for image in images]),
        bounded([base for base, _ in left]),
        bounded([rollover for _, rollover in left]),
        bounded([image.overage for image in images]),
    )


async def _reshape_subscriptions(connection: Connection, images: Sequence[Image]) -> None:
    await load_statement("reshape_subscriptions").execute(
        connection,
        [image.subscription_id for image in images],
        [image.status if image.status in _SUBSCRIPTION_STATUSES else None for image in images],
        [image.period_no for image in images],
        [image.starts_at for image in images],
        [image.ends_at for image in images],
    )


def _left(image: Image) -> tuple[int, int]:
    """Credits left of base and rollover grants."""
    base = rollover = 0
    for (kind, _), (left, _) in image.grants.items():
        if kind == "base":
            base += left
        elif kind == "rollover":
            rollover += left
    return base, rollover
