"""What is known of accounts that differ: open reports, and one organization from both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.keys import organization_keys, tag_of
from gate.hot.live_account import unpack_account
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.comparison import booked_side, difference, differing, live_side
from reconciler.reading import read_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.hot.live_account import LiveAccount
    from reconciler.comparison import Difference, Side
    from reconciler.context import Context
    from reconciler.image import Image

SHOWN_MAX: Final = 200
#: Shown, though they may differ between two deltas.
_NOT_COMPARED: Final = ("held", "warned_percent", "allowance")


class Report(NamedTuple):
    """A row of `drift_report`, or an account under repair of which there is none."""

    organization_id: str
    kind: str | None
    found_at: datetime | None
    epoch: int | None
    seq: int | None
    live: dict[str, Any] | None
    booked: dict[str, Any] | None
    credits: int | None
    action: str | None
    resolved_at: datetime | None
    repair_state: str


class View(NamedTuple):
    """An organization: `verdict` says in a sentence how its two sides stand to each other, `live`
    is empty where there is none."""

    organization_id: str
    verdict: str
    differs: bool
    differing: Sequence[str]
    live: Side
    booked: Side
    history: Sequence[Report]


async def list_open(context: Context) -> list[Report]:
    """What is not resolved or under repair, the newest first, SHOWN_MAX at most."""
    async with borrowed(context.pool) as connection:
        return await load_statement("list_open_reports").fetch(connection, Report, SHOWN_MAX)


async def look(context: Context, organization_id: str, partition: int) -> View:
    """An organization in both stores, PostgreSQL first, and what was found of it before."""
    async with borrowed(context.pool) as connection:
        image = (await read_images(connection, [organization_id])).get(organization_id)
        history = await load_statement("list_reports").fetch(
            connection, Report, organization_id, SHOWN_MAX
        )
    if image is None:
        why = "its row in PostgreSQL cannot be read"
        return View(organization_id, why, True, (), {}, {}, history)
    booked = booked_side(image) | {name: getattr(image, name) for name in _NOT_COMPARED}
    key = organization_keys(organization_id, tag_of(partition, context.meta.partitions)).account
    packed = await context.transport.execute("GET", key)
    try:
        live = None if packed is None else unpack_account(packed)
    except ContractError as error:
        return View(organization_id, str(error), True, (), {}, booked, history)
    ours: Side = {}
    if live is not None:
        ours = live_side(live) | {name: getattr(live, name) for name in _NOT_COMPARED}
    found = None if live is None else difference(image, live)
    return View(
        organization_id,
        _verdict(image, live, found),
        found is not None or image.repair_state != "ok",
        differing(live_side(live), booked_side(image)) if live is not None else (),
        ours,
        booked,
        history,
    )


def _verdict(image: Image, live: LiveAccount | None, found: Difference | None) -> str:
    repair = ""
    if image.repair_state != "ok":
        repair = f"; {image.repair_state} ({image.repair_reason})"
    if live is None:
        return f"not in Redis{repair}"
    if found is not None:
        how = "differs at the same delta" if found.kind == "drift" else "is older than the ledger"
        return f"the live account {how}{repair}"
    if (live.epoch, live.seq) == (image.epoch, image.seq):
        return f"both sides agree{repair}"
    return f"the live account is ahead, which is not booked yet{repair}"
