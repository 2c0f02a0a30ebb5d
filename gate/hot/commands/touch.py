"""touch: brings an idle account up to now."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

from gate.domain.outcomes import NotLoaded, Outcome
from gate.hot import answers
from gate.hot.command import Command


class TouchArguments(NamedTuple):
    """No arguments."""


class Touched(Outcome, frozen=True):
    """The account is as of now. `changed`: time had moved something."""

    code: ClassVar[str] = "touched"

    posted: int
    seq: int
    changed: bool


TouchOutcome: TypeAlias = Touched | NotLoaded


def _touched(organization_id: str, id: str, reply: list[Any]) -> Touched:
    _, posted, seq, changed = reply
    return Touched(organization_id, posted, seq, changed == 1)


touch: Command[TouchOutcome] = Command(
    "touch",
    ("account", "journal"),
    TouchArguments,
    {
        "touched": _touched,
        "not_loaded": answers.not_loaded,
    },
)
