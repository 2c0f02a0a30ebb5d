"""load: puts an account into Redis where it is absent."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import LoadOutcome
from gate.hot import answers
from gate.hot.command import Command


class LoadArguments(NamedTuple):
    packed: bytes


load: Command[LoadOutcome] = Command(
    "load",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd", "due"),
    LoadArguments,
    {
        "loaded": answers.loaded,
        "present": answers.present,
    },
)
