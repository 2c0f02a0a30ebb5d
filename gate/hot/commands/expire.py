"""expire: settles overdue holds of one organization for nothing."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

from gate.domain.outcomes import NotLoaded, Outcome
from gate.hot import answers
from gate.hot.command import Command


class ExpireArguments(NamedTuple):
    limit: int


class Expired(Outcome, frozen=True):
    """So many holds of so many credits expired; `more`: more are overdue."""

    code: ClassVar[str] = "expired"

    holds: int
    credits: int
    more: bool


ExpireOutcome: TypeAlias = Expired | NotLoaded


def _expired(organization_id: str, id: str, reply: list[Any]) -> Expired:
    _, holds, credits, more = reply
    return Expired(organization_id, holds, credits, more == 1)


expire: Command[ExpireOutcome] = Command(
    "expire",
    ("account", "journal", "holds", "details", "settled_even", "settled_odd", "due"),
    ExpireArguments,
    {
        "expired": _expired,
        "not_loaded": answers.not_loaded,
    },
)
