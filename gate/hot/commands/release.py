"""release: settles a hold for nothing."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import ReleaseOutcome
from gate.hot import answers
from gate.hot.command import Command


class ReleaseArguments(NamedTuple):
    hold_id: str
    reason: str = ""
    sends: bytes = b""


release: Command[ReleaseOutcome] = Command(
    "release",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd"),
    ReleaseArguments,
    {
        "released": answers.released,
        "not_found": answers.not_found,
        "settled": answers.settled,
        "not_loaded": answers.not_loaded,
    },
)
