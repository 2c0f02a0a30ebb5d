"""`gate drift`: what differs, the history of one organization, repair, and the end of a stop."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from gate.domain.errors import BadArgument, ContractError, GateError
from gate.domain.ids import new_id
from gate.domain.operations import OperationContent
from gate.hot.calls import AnswerLost
from gate.hot.keys import organization_keys, tag_of
from gate.hot.live_account import unpack_account
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler import drift
from reconciler.comparison import booked_side, difference, differing, live_side
from reconciler.reading import lock_cursors, read_images
from reconciler.replay import replay

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table

    from gate.domain.accounts import Status
    from gate.hot.live_account import LiveAccount
    from gate.ledger.connection import Connection
    from reconciler.comparison import Difference, Side
    from reconciler.context import Context
    from reconciler.image import Image

_SHOWN_MAX: Final = 200
#: For files and pipes, which have no width of their own.
_WIDTH_PIPED: Final = 160
#: Said by every side of a report, whether or not it differs.
_PLACE: Final = ("epoch", "seq", "posted")
#: Shown, though they may differ between two deltas.
_NOT_COMPARED: Final = ("held", "warned_percent", "allowance")

# Accounts under repair are told even if what they were found by is not reported, as with a fork.
_LIST_OPEN: Final = """
SELECT r.organization_id, r.kind, r.found_at, r.epoch, r.seq, r.live, r.booked, r.credits, r.action,
       r.resolved_at, coalesce(a.repair_state, 'ok') AS repair_state
FROM drift_report r LEFT JOIN account a USING (organization_id)
WHERE r.resolved_at IS NULL
UNION ALL
SELECT a.organization_id, a.repair_reason, a.repair_since, a.epoch, a.seq, NULL, NULL, NULL, NULL,
       NULL, a.repair_state
FROM account a
WHERE a.repair_state <> 'ok' AND NOT EXISTS (
    SELECT FROM drift_report r
    WHERE r.organization_id = a.organization_id AND r.resolved_at IS NULL)
ORDER BY found_at DESC NULLS LAST, organization_id
LIMIT $1
"""
_HISTORY: Final = """
SELECT r.organization_id, r.kind, r.found_at, r.epoch, r.seq, r.live, r.booked, r.credits, r.action,
       r.resolved_at, coalesce(a.repair_state, 'ok') AS repair_state
FROM drift_report r LEFT JOIN account a USING (organization_id)
WHERE r.organization_id = $1
ORDER BY r.found_at DESC, r.id DESC
LIMIT $2
"""
_PARTITION: Final = "SELECT partition FROM account WHERE organization_id = $1"
_RESUME: Final = """
UPDATE account SET repair_state = 'reloading', repair_reason = 'person', repair_since = now()
WHERE organization_id = $1 AND repair_state = 'stopped'
RETURNING epoch, seq
"""
_STATUS: Final = """
SELECT status::text FROM subscription WHERE organization_id = $1
ORDER BY status = 'cancelled', created_at DESC, id DESC LIMIT 1
"""
_TELL: Final = """
INSERT INTO drift_report (organization_id, kind, epoch, seq, action)
VALUES ($1, 'person', $2, $3, 'resume')
"""
_LOG: Final = """
INSERT INTO audit_log (actor, action, organization_id, target, detail) VALUES ($1, $2, $3, $4, $5)
"""


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


async def run(context: Context, args: argparse.Namespace) -> int:
    """Do what `args` say; the exit code: 0 nothing differs, 1 something does. Raises GateError."""
    try:
        if args.resume is not None:
            await resume(context, args.resume)
            sys.stdout.write(f"{args.resume} is to be reloaded, and its freeze is lifted\n")
            return 0
        if args.replay:
            return await _replay(context, as_json=args.json)
        repair = args.repair and not args.dry_run
        if args.organization is not None:
            return await _one(context, args.organization, repair=repair, as_json=args.json)
        return await _many(context, compare=args.all or repair, repair=repair, as_json=args.json)
    except AnswerLost as error:
        raise GateError(f"Redis: {error}; ask again") from error


async def resume(context: Context, organization_id: str) -> None:
    """A person has looked: an account that was stopped is reloaded, and an operation gives it back
    the status of its subscription. Raises BadArgument if it is not stopped."""
    async with transaction(context.pool) as connection:
        partition = await _partition(connection, organization_id)
        await lock_cursors(connection, [partition])
        at = await connection.fetchrow(_RESUME, organization_id)
        if at is None:
            raise BadArgument("--resume", organization_id, "an organization that is stopped")
        status: Status = await connection.fetchval(_STATUS, organization_id) or "active"
        operation_id, actor = new_id("opn"), getpass.getuser()
        await load_statement("add_operation").execute(
            connection,
            organization_id,
            operation_id,
            "resume",
            None,
            OperationContent(status=status),
            None,
            "a person has looked",
            actor,
        )
        await connection.execute(_TELL, organization_id, at["epoch"], at["seq"])
        detail = {"status": status, "epoch": at["epoch"], "seq": at["seq"]}
        await connection.execute(_LOG, actor, "drift.resume", organization_id, operation_id, detail)


async def _replay(context: Context, *, as_json: bool) -> int:
    replayed = await replay(context)
    if as_json:
        _print_json([one._asdict() for one in replayed])
    else:
        for one in replayed:
            said = f"stays: {one.why}" if one.why else f"booked for {one.organization_id}"
            sys.stdout.write(f"quarantine {one.id} {said}\n")
        booked = sum(not one.why for one in replayed)
        sys.stdout.write(f"{booked} of {len(replayed)} entries were booked\n")
    return int(any(one.why for one in replayed))


async def _many(context: Context, *, compare: bool, repair: bool, as_json: bool) -> int:
    swept = None
    if compare:
        swept = drift.Sweep()
        for part in range(context.meta.partitions):
            of_part = await drift.compare_partition(context, part, mark=repair, audit=repair)
            swept = drift.total((swept, of_part))
    async with borrowed(context.pool) as connection:
        rows = await connection.fetch(_LIST_OPEN, _SHOWN_MAX)
    reports = [Report(**row) for row in rows]
    if as_json:
        _print_json(
            {"sweep": swept and swept._asdict(), "open": [one._asdict() for one in reports]}
        )
    else:
        _print_many(swept, reports)
    return 1 if reports or (swept and (swept.differing or swept.unreadable)) else 0


async def _one(context: Context, organization_id: str, *, repair: bool, as_json: bool) -> int:
    async with borrowed(context.pool) as connection:
        partition = await _partition(connection, organization_id)
    if repair:
        await drift.compare_accounts(
            context, partition, [organization_id], mark=True, audit=True, reported={}
        )
    view = await look(context, organization_id, partition)
    if as_json:
        _print_json(view._asdict() | {"history": [one._asdict() for one in view.history]})
    else:
        _print_one(view)
    return int(view.differs)


async def look(context: Context, organization_id: str, partition: int) -> View:
    """An organization in both stores, PostgreSQL first, and what was found of it before."""
    async with borrowed(context.pool) as connection:
        image = (await read_images(connection, [organization_id])).get(organization_id)
        rows = await connection.fetch(_HISTORY, organization_id, _SHOWN_MAX)
    history = [Report(**row) for row in rows]
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


async def _partition(connection: Connection, organization_id: str) -> int:
    partition: int | None = await connection.fetchval(_PARTITION, organization_id)
    if partition is None:
        raise BadArgument("ORG", organization_id, "an organization that has an account")
    return partition


# -- for a person


def _print_many(swept: drift.Sweep | None, reports: Sequence[Report]) -> None:
    console = _console()
    if swept is not None:
        console.print(
            f"{swept.accounts:,} live accounts compared in {swept.seconds:.1f} s:"
            f" {swept.differing:,} differ, {swept.unreadable:,} cannot be read"
        )
    if not reports:
        console.print("No open reports, and no account is under repair.")
        return
    rows = _table("organization", "kind", "found", "credits>", "live", "booked", "action", "state")
    for one in reports:
        rows.add_row(
            one.organization_id,
            one.kind or "",
            _instant(one.found_at),
            "" if one.credits is None else f"{one.credits:+,}",
            _told(one.live),
            _told(one.booked),
            one.action or "",
            one.repair_state,
        )
    console.print(rows)
    if len(reports) == _SHOWN_MAX:
        console.print(f"The newest {_SHOWN_MAX}; there may be more.")


def _print_one(view: View) -> None:
    console = _console()
    console.print(f"{view.organization_id}: {view.verdict}")
    rows = _table("", "field", "live>", "booked>")
    for name in dict.fromkeys((*view.booked, *view.live)):
        mark = "≠" if name in view.differing else ""
        rows.add_row(mark, name, _value(view.live, name), _value(view.booked, name))
    console.print(rows)
    if not view.history:
        console.print("Nothing was ever found to differ.")
        return
    rows = _table("found", "kind", "epoch/seq", "credits>", "live", "booked", "action", "resolved")
    for one in view.history:
        rows.add_row(
            _instant(one.found_at),
            one.kind or "",
            f"{one.epoch}/{one.seq}",
            "" if one.credits is None else f"{one.credits:+,}",
            _told(one.live),
            _told(one.booked),
            one.action or "",
            _instant(one.resolved_at),
        )
    console.print(rows)


def _console() -> Console:
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise GateError("rich is missing: pip install 'creditgate[cli]', or add --json") from error
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    return console


def _table(*columns: str) -> Table:
    """Columns named with > are set to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.endswith(">") else "left"
        table.add_column(column.rstrip(">"), justify=justify, overflow="fold")
    return table


def _told(side: Mapping[str, Any] | None) -> str:
    """A side in one cell: where it stands, and what differs."""
    if not side:
        return ""
    if "reason" in side:
        return str(side["reason"])
    told = [f"{side.get('epoch')}/{side.get('seq')}", f"posted {_text(side.get('posted'))}"]
    told += [f"{name} {_text(value)}" for name, value in side.items() if name not in _PLACE]
    return ", ".join(told)


def _value(side: Mapping[str, object], name: str) -> str:
    if not side:
        return ""
    return _text(side.get(name, 0))


def _text(value: object) -> str:
    return f"{value:,}" if type(value) is int else "none" if value is None else str(value)


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


# -- for a program


def _print_json(value: object) -> None:
    packed = msgspec.json.format(msgspec.json.encode(value))
    sys.stdout.write(f"{packed.decode()}\n")
