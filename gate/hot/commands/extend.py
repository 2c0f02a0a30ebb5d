"""extend: gives an open hold more credits or more time."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import ExtendOutcome
from gate.hot import answers
from gate.hot.command import Command


class ExtendArguments(NamedTuple):
    hold_id: str
    to_credits: int
    ttl_ms: int


extend: Command[ExtendOutcome] = Command(
    "extend",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd"),
    ExtendArguments,
    {
        "extended": answers.extended,
        "insufficient": answers.insufficient,
        "throttled": answers.throttled,
        "inactive": answers.inactive,
        "settled": answers.settled,
        "not_found": answers.not_found,
        "not_loaded": answers.not_loaded,
    },
)
