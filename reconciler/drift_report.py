"""What differs is told: in PostgreSQL, where it is marked for repair, in metrics and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.ledger.statement import load_statement
from gate.ledger.transaction import transaction
from reconciler.comparison import difference
from reconciler.reading import lock_cursors, read_images

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.ledger.connection import Connection
    from reconciler.comparison import Difference
    from reconciler.context import Context
    from reconciler.live_page import LivePage


async def report(
    context: Context,
    partition: int,
    page: LivePage,
    found: Mapping[str, Difference],
    settled: Mapping[str, datetime],
    *,
    mark: bool,
) -> dict[str, Difference]:
    """Notes what differs, and gives back what still does: while the cursor is locked nobody books,
    and rows and grants that were read before and after a booking are seen for what they are."""
    async with transaction(context.pool) as connection:
        await lock_cursors(connection, [partition])
        images = await read_images(connection, [*found])
        confirmed = {}
        for name, image in images.items():
            before = page.images[name]
            if image.repair_state != "ok" or (image.epoch, image.seq) != (before.epoch, before.seq):
                continue
            differs = difference(image, page.live[name])
            if differs is not None:
                confirmed[name] = differs
        await _write(connection, page, confirmed, mark=mark)
        if settled:
            await load_statement("resolve_reports").execute(
                connection, [*settled], max(settled.values())
            )
    for name, one in confirmed.items():
        context.metrics.misfits.labels(one.kind).inc()
        context.log.warning(
            one.kind,
            organization_id=name,
            live=one.live,
            booked=one.booked,
            credits=one.credits,
            action="reload" if mark else "none",
        )
    for name, bad in page.unreadable.items():
        context.log.error("unreadable", organization_id=name, reason=bad.reason)
    return confirmed


async def _write(
    connection: Connection, page: LivePage, confirmed: Mapping[str, Difference], *, mark: bool
) -> None:
    action = "reload" if mark else "none"
    if mark:
        names = [*confirmed, *page.unreadable]
        await load_statement("mark_misfits").execute(connection, names)
    rows: list[tuple[object, ...]] = []
    for name, one in confirmed.items():
        at = one.booked["epoch"], one.booked["seq"]
        rows.append((name, one.kind, *at, one.live, one.booked, one.credits, action))
    for name, bad in page.unreadable.items():
        image = page.images[name]
        live = {"reason": bad.reason, "packed": bad.packed.hex()}
        booked = {"epoch": image.epoch, "seq": image.seq, "posted": image.posted}
        rows.append((name, "unreadable", image.epoch, image.seq, live, booked, None, action))
    await connection.executemany(load_statement("add_report").sql, rows)
