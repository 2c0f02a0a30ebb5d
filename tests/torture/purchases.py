"""The platform: `python -m tests.torture.purchases SEED COUNT`, until SIGTERM.

Buys, takes back, changes plans and keeps periods coming: a row in PostgreSQL first, then often at
once to the account, as whoever records an operation may do. The reconciler does the rest.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gate import Gate
from gate.domain.accounts import ComingPeriod
from gate.domain.errors import BadArgument, OutcomeUnknown, Unavailable
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.hot.commands import apply
from gate.hot.commands.apply import Applied
from gate.hot.operation import apply_arguments
from gate.ledger.errors import CommitUnknown
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement
from tests.torture.organizations import AHEAD, make_plans

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.ledger.connection import Connection
    from tests.torture.organizations import Plan

_PAUSE_S: Final = 0.06
_ACCOUNT: Final = (
    "SELECT period_no, ends_at, coming, status FROM account WHERE organization_id = $1"
)
_SENT_BEFORE: Final = """
SELECT id, kind, content, period_no FROM operation
WHERE organization_id = $1 AND actor = 'torture' ORDER BY random() LIMIT 1
"""


class Platform:
    """The work of the process."""

    def __init__(self, seed: int, count: int) -> None:
        self._plans = make_plans(seed, count)
        self._chance = random.Random(f"platform {seed}")
        self._numbers = 0
        self._stop = asyncio.Event()
        self._gate: Gate
        self._version = 1

    async def run(self, redis_url: str, database_url: str, partitions: int) -> None:
        """Until SIGTERM."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        while not self._stop.is_set():
            with suppress(Unavailable):
                async with Gate.connect(redis_url, database_url="", partitions=partitions) as gate:
                    self._gate = gate
                    while not self._stop.is_set():
                        with suppress(Unavailable, CommitUnknown):
                            async with connected(database_url) as connection:
                                await self._work(connection)
                        await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(_PAUSE_S)

    async def _work(self, connection: Connection) -> None:
        makers = (
            *(self._buy,) * 4,
            *(self._take_back,) * 2,
            *(self._change_plan,) * 2,
            self._change_status,
            self._say_again,
        )
        while not self._stop.is_set():
            for plan in self._plans:
                await self._keep_coming(connection, plan)
                await self._keep_alive(connection, plan)
                if self._chance.random() < 0.4:
                    await self._chance.choice(makers)(connection, plan)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), self._chance.random() * _PAUSE_S)

    # -- what it does

    async def _keep_alive(self, connection: Connection, plan: Plan) -> None:
        """Whoever admits nothing makes a dull storm."""
        row = await self._row(connection, plan)
        if row["status"] not in ("active", "trialing") and self._chance.random() < 0.5:
            content = OperationContent(status="active")
            await self._do(connection, plan, "status", content, None)

    async def _keep_coming(self, connection: Connection, plan: Plan) -> None:
        row = await self._row(connection, plan)
        known = msgspec.convert(row["coming"], tuple[ComingPeriod, ...])
        on_its_way = await connection.fetchval(
            "SELECT count(*) FROM operation WHERE organization_id = $1 AND kind = 'periods'"
            " AND status IN ('pending', 'applied')",
            plan.organization_id,
        )
        if len(known) >= AHEAD or on_its_way or row["ends_at"] is None:
            return
        last_no = known[-1].period_no if known else row["period_no"]
        ends_at = (known[-1].ends_at if known else None) or row["ends_at"]
        more = plan.periods(last_no, ends_at, AHEAD + 2 - len(known))
        content = OperationContent(coming=known + more)
        await self._do(connection, plan, "periods", content, row["period_no"])

    async def _buy(self, connection: Connection, plan: Plan) -> None:
        seconds = self._chance.choice((None, None, 2, 4))
        expires_at = None
        if seconds is not None:
            expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        change = CreditChange(
            entry="credit_purchased",
            source="purchased",
            credits=self._chance.randrange(50, 2_000),
            expires_at=expires_at,
        )
        await self._do(connection, plan, "purchase", OperationContent(changes=(change,)), None)

    async def _take_back(self, connection: Connection, plan: Plan) -> None:
        change = CreditChange(
            entry=self._chance.choice(("refund", "manual_adjustment")),
            source=self._chance.choice(("any", "purchased", "base")),
            credits=-self._chance.randrange(1, 200),
            rest=self._chance.choice(("debt", "drop")),
        )
        await self._do(connection, plan, "takeback", OperationContent(changes=(change,)), None)

    async def _change_plan(self, connection: Connection, plan: Plan) -> None:
        row = await self._row(connection, plan)
        self._version += 1
        terms = replace(
            plan.terms,
            overage_limit=self._chance.choice((0, 100, 5_000)),
            max_rollover_credits=self._chance.choice((None, 0, 200, 5_000)),
            config_version=self._version,
        )
        change = CreditChange(
            entry="plan_change",
            source="base",
            credits=self._chance.choice((-1, 1)) * self._chance.randrange(1, 300),
        )
        content = OperationContent(changes=(change,), terms=terms)
        await self._do(connection, plan, "plan", content, row["period_no"])

    async def _change_status(self, connection: Connection, plan: Plan) -> None:
        grace = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        status = self._chance.choice(("paused", "past_due", "trialing"))
        content = OperationContent(status=status, grace_until=grace)
        await self._do(connection, plan, "status", content, None)

    async def _say_again(self, connection: Connection, plan: Plan) -> None:
        """An operation that was booked, perhaps, is brought to the account once more."""
        row = await connection.fetchrow(_SENT_BEFORE, plan.organization_id)
        if row is not None:
            operation = Operation(
                organization_id=plan.organization_id,
                id=row["id"],
                kind=row["kind"],
                content=msgspec.convert(row["content"], OperationContent),
                period_no=row["period_no"],
            )
            await self._apply(operation)

    # -- how

    async def _row(self, connection: Connection, plan: Plan) -> Any:
        return await connection.fetchrow(_ACCOUNT, plan.organization_id)

    async def _do(
        self,
        connection: Connection,
        plan: Plan,
        kind: str,
        content: OperationContent,
        period_no: int | None,
    ) -> None:
        self._numbers += 1
        operation = Operation(
            organization_id=plan.organization_id,
            id=f"op_{os.getpid()}_{self._numbers}",
            kind=kind,
            content=content,
            period_no=period_no,
        )
        await load_statement("add_operation").execute(
            connection,
            operation.organization_id,
            operation.id,
            operation.kind,
            operation.period_no,
            operation.content,
            None,
            None,
            "torture",
        )
        if self._chance.random() < 0.6 and await self._apply(operation):
            await load_statement("note_applied").execute(
                connection, [operation.organization_id], [operation.id]
            )

    async def _apply(self, operation: Operation) -> bool:
        """Once, without waiting for a better answer."""
        arguments = apply_arguments(operation).flat()
        with suppress(Unavailable, OutcomeUnknown, BadArgument):
            answer = await self._gate.caller.call(
                apply, operation.organization_id, operation.id, arguments
            )
            return isinstance(answer, Applied)
        return False


def main(seed: str, count: str) -> None:
    """Run it."""
    environ = os.environ
    run: Callable[..., Any] = Platform(int(seed), int(count)).run
    asyncio.run(run(environ["REDIS_URL"], environ["PG_URL"], int(environ["GATE_PARTITIONS"])))


if __name__ == "__main__":
    main(*sys.argv[1:])
