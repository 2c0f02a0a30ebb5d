"""audit: counts held and open holds anew, and corrects the account."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

from gate.domain.outcomes import NotLoaded, Outcome
from gate.hot import answers
from gate.hot.command import Command


class AuditArguments(NamedTuple):
    """No arguments."""


class Audited(Outcome, frozen=True):
    """What the holds add up to, and what the account had said."""

    code: ClassVar[str] = "audited"

    held: int
    open_holds: int
    held_before: int
    open_holds_before: int


AuditOutcome: TypeAlias = Audited | NotLoaded


def _audited(organization_id: str, id: str, reply: list[Any]) -> Audited:
    _, held, open_holds, held_before, open_holds_before = reply
    return Audited(organization_id, held, open_holds, held_before, open_holds_before)


audit: Command[AuditOutcome] = Command(
    "audit",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd", "due"),
    AuditArguments,
    {
        "audited": _audited,
        "not_loaded": answers.not_loaded,
    },
)
