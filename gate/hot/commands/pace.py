"""pace: takes rate tokens only."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import PaceOutcome
from gate.hot import answers
from gate.hot.command import Command


class PaceArguments(NamedTuple):
    cost: int


pace: Command[PaceOutcome] = Command(
    "pace",
    ("account", "journal"),
    PaceArguments,
    {
        "paced": answers.paced,
        "throttled": answers.throttled,
        "not_loaded": answers.not_loaded,
    },
)
