"""record: journals sends that cost nothing."""

from __future__ import annotations

from typing import NamedTuple

from gate.domain.outcomes import RecordOutcome
from gate.hot import answers
from gate.hot.command import Command


class RecordArguments(NamedTuple):
    sends: bytes


record: Command[RecordOutcome] = Command(
    "record",
    ("account", "journal"),
    RecordArguments,
    {
        "recorded": answers.recorded,
        "not_loaded": answers.not_loaded,
    },
)
