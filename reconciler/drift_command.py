"""`gate drift`: what differs, the history of one organization, repair, and the end of a stop."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, NamedTuple

from gate.domain.errors import BadArgument, GateError
from gate.domain.ids import new_id
from gate.domain.operations import OperationContent
from gate.hot.calls import AnswerLost
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler import drift
from reconciler.drift_page import print_json, print_many, print_one
from reconciler.drift_view import list_open, look
from reconciler.reading import lock_cursors
from reconciler.replay import replay

if TYPE_CHECKING:
    import argparse

    from gate.domain.accounts import Status
    from gate.ledger.connection import Connection
    from reconciler.context import Context


class _Place(NamedTuple):
    epoch: int
    seq: int


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
        at = await load_statement("resume_account").fetch_one(connection, _Place, organization_id)
        if at is None:
            raise BadArgument("--resume", organization_id, "an organization that is stopped")
        found = await load_statement("read_status").fetch_one(connection, _status, organization_id)
        status = found or "active"
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
        await load_statement("report_resume").execute(connection, organization_id, *at)
        detail = {"status": status, "epoch": at.epoch, "seq": at.seq}
        await load_statement("add_audit").execute(
            connection, actor, "drift.resume", organization_id, operation_id, detail
        )


async def _replay(context: Context, *, as_json: bool) -> int:
    replayed = await replay(context)
    if as_json:
        print_json([one._asdict() for one in replayed])
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
    reports = await list_open(context)
    if as_json:
        print_json({"sweep": swept and swept._asdict(), "open": [one._asdict() for one in reports]})
    else:
        print_many(swept, reports)
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
        print_json(view._asdict() | {"history": [one._asdict() for one in view.history]})
    else:
        print_one(view)
    return int(view.differs)


async def _partition(connection: Connection, organization_id: str) -> int:
    statement = load_statement("find_partition")
    partition = await statement.fetch_one(connection, _number, organization_id)
    if partition is None:
        raise BadArgument("ORG", organization_id, "an organization that has an account")
    return partition


def _number(partition: int) -> int:
    return partition


def _status(status: Status) -> Status:
    return status
