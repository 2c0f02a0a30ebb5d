"""reserve: sets credits aside under an id of the caller's, for a time."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import ReserveOutcome
from gate.hot import answers
from gate.hot.command import Command


class ReserveArguments(NamedTuple):
    hold_id: str
    credits: int
    ttl_ms: int
    min_credits: int = 0
    cost: int = -1
    reference: str = ""
    sends: bytes = b""


reserve: Command[ReserveOutcome] = Command(
    "reserve",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd", "due"),
    ReserveArguments,
    {
        "reserved": answers.reserved,
        "insufficient": answers.insufficient,
        "throttled": answers.throttled,
        "inactive": answers.inactive,
        "conflict": answers.conflict,
        "settled": answers.settled,
        "not_loaded": answers.not_loaded,
    },
)
