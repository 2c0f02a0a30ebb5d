"""Daily partitions: makes those to come, drops the sends that are too old to be kept.

Booking does not depend on it: what has no partition of its own goes into the default one. So what
fails here for good is told, and tried again an hour later.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from gate.domain.errors import ContractError, GateError
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.waiting import pause

if TYPE_CHECKING:
    from reconciler.context import Context

_EVERY_S: Final = 3_600.0
_FORGET_EVERY_S: Final = 24 * 3_600.0
#: Today and the seven days after it.
_DAYS: Final = 8


class Upkeep:
    """The work of one process; any number of processes may do it at the same time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._forgot_at: float | None = None

    async def run(self) -> None:
        """Every hour until the stop event. Raises Unavailable."""
        stop = self._context.stop
        while not stop.is_set():
            try:
                await self.make_partitions()
                if self._forgot_at is None or monotonic() - self._forgot_at >= _FORGET_EVERY_S:
                    await self.forget()
                    self._forgot_at = monotonic()
            except ContractError as error:
                self._context.log.error("upkeep failed", reason=str(error))
            await pause(stop, _EVERY_S)

    async def begin(self) -> None:
        """Partitions for today, before anything is booked; if PostgreSQL is away just then, later
        does too."""
        try:
            await self.make_partitions()
        except GateError as error:
            self._context.log.warning("upkeep failed", reason=str(error))

    async def make_partitions(self) -> None:
        """Raises Unavailable, ContractError."""
        async with borrowed(self._context.pool) as connection:
            made = await load_statement("make_day_partitions").fetch_one(connection, _made, _DAYS)
        if made:
            self._context.log.info("made partitions", made=made, days=_DAYS)

    async def forget(self) -> None:
        """Drops old sends, unless another process is at it. Raises Unavailable, ContractError."""
        context = self._context
        if context.settings.dry_run:
            return
        async with transaction(context.pool) as connection:
            if not await load_statement("try_forget_lock").fetch_one(connection, _locked):
                return
            dropped = await load_statement("forget_old_sends").fetch(
                connection, _name, context.settings.sends_retention_days
            )
        if dropped:
            context.log.info("forgot sends", partitions=dropped)


def _made(made: int) -> int:
    return made


def _locked(locked: bool) -> bool:
    return locked


def _name(name: str) -> str:
    return name
