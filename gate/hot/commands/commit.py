"""commit: settles a hold as spent, whole or in parts."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import CommitOutcome
from gate.hot import answers
from gate.hot.command import Command


class CommitArguments(NamedTuple):
    hold_id: str
    credits: int
    hold_credits: int
    final: int = 1
    part: int = 0
    reference: str = ""
    sends: bytes = b""


commit: Command[CommitOutcome] = Command(
    "commit",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd"),
    CommitArguments,
    {
        "committed": answers.committed,
        "settled": answers.settled,
        "conflict": answers.conflict,
        "not_loaded": answers.not_loaded,
    },
)
