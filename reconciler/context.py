"""What every part of the reconciler works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from gate.hot.caller import Caller
    from gate.hot.meta import Meta
    from gate.hot.transport import Transport
    from gate.ledger.connection import Pool
    from reconciler.leases import Leases
    from reconciler.log import Log
    from reconciler.metrics import Metrics
    from reconciler.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """Open connections, and what belongs to the process. `stop` is set when it is to end: whoever
    works finishes the batch at hand and returns. `leases.owned` is empty in one-off commands."""

    settings: Settings
    pool: Pool
    transport: Transport
    caller: Caller
    meta: Meta
    leases: Leases
    metrics: Metrics
    log: Log
    stop: asyncio.Event
