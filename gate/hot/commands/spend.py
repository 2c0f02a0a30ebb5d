"""spend: reserve and commit in one call."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import SpendOutcome
from gate.hot import answers
from gate.hot.command import Command


class SpendArguments(NamedTuple):
    spend_id: str
    credits: int
    cost: int = -1
    reference: str = ""
    sends: bytes = b""


spend: Command[SpendOutcome] = Command(
    "spend",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd"),
    SpendArguments,
    {
        "committed": answers.committed,
        "insufficient": answers.insufficient,
        "throttled": answers.throttled,
        "inactive": answers.inactive,
        "conflict": answers.conflict,
        "settled": answers.settled,
        "not_loaded": answers.not_loaded,
    },
)
