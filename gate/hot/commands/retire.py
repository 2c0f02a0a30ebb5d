"""retire: takes an account out of Redis, with a delta that says so."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

from gate.domain.outcomes import NotLoaded, Outcome
from gate.hot import answers
from gate.hot.command import Command


class RetireArguments(NamedTuple):
    epoch: int


class Retired(Outcome, frozen=True):
    """The account is gone from Redis, `seq` being its last delta."""

    code: ClassVar[str] = "retired"

    posted: int
    seq: int


class Newer(Outcome, frozen=True):
    """The account is of a newer load, `epoch`, and stays."""

    code: ClassVar[str] = "newer"

    epoch: int


RetireOutcome: TypeAlias = Retired | Newer | NotLoaded


def _retired(organization_id: str, id: str, reply: list[Any]) -> Retired:
    _, posted, seq = reply
    return Retired(organization_id, posted, seq)


def _newer(organization_id: str, id: str, reply: list[Any]) -> Newer:
    _, epoch = reply
    return Newer(organization_id, epoch)


retire: Command[RetireOutcome] = Command(
    "retire",
    ("account", "journal"),
    RetireArguments,
    {
        "retired": _retired,
        "newer": _newer,
        "not_loaded": answers.not_loaded,
    },
)
