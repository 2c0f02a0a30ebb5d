"""The credit gate: admits senders to metered credits in one atomic call to Redis."""

from __future__ import annotations

from gate.client.gate import Gate, HoldRef
from gate.client.hold import Hold
from gate.client.loader import Loader
from gate.domain.accounts import AccountState, ComingPeriod, Grant, Terms
from gate.domain.errors import (
    BadArgument,
    ContractError,
    Denied,
    GateError,
    OutcomeUnknown,
    Unavailable,
)
from gate.domain.ids import new_id
from gate.domain.outcomes import (
    Committed,
    Conflict,
    Denial,
    Extended,
    Inactive,
    Insufficient,
    Loaded,
    NotFound,
    NotLoaded,
    Outcome,
    Paced,
    Present,
    Recorded,
    Released,
    Reserved,
    Settled,
    Throttled,
)
from gate.domain.sends import Send
from gate.hot.commands.peek import Account

__all__ = [
    "Account",
    "AccountState",
    "BadArgument",
    "ComingPeriod",
    "Committed",
    "Conflict",
    "ContractError",
    "Denial",
    "Denied",
    "Extended",
    "Gate",
    "GateError",
    "Grant",
    "Hold",
    "HoldRef",
    "Inactive",
    "Insufficient",
    "Loaded",
    "Loader",
    "NotFound",
    "NotLoaded",
    "Outcome",
    "OutcomeUnknown",
    "Paced",
    "Present",
    "Recorded",
    "Released",
    "Reserved",
    "Send",
    "Settled",
    "Terms",
    "Throttled",
    "Unavailable",
    "new_id",
]
