"""Failures. A denial is a value (see `outcomes`); what stands here is raised.

GateError
* Unavailable      the call did not run: nothing changed, asking again is safe
* OutcomeUnknown   sent, no answer: may or may not have run; ask again with the same id
* ContractError    Redis, scripts and library disagree, or a reply makes no sense: never retried
* BadArgument      the caller's mistake, found before anything was sent; also a ValueError
* Denied           a denial that was asked for as an exception
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.domain.outcomes import Denial


class GateError(Exception):
    """The base of everything that the library raises on purpose."""

    code: str = "gate.error"


class Unavailable(GateError):
    """The call did not run and nothing changed; asking again later is safe.

    `reason` is a stable word: `connection` (no connection), `closed` (the gate was closed),
    `busy` (too many calls in flight, or a long script runs), `backlog` (Redis is at
    `maxmemory`: new work is refused, settlement goes on), `loading`, `read_only`, `clusterdown`.
    """

    code = "gate.unavailable"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{detail} ({reason}); nothing was changed, ask again later")
        self.reason = reason
        self.detail = detail


class OutcomeUnknown(GateError):
    """The call was sent and no answer came; it may have run. Ask again with the same id.

    `id` is the hold, spend or operation id, None for a verb that has none: `pace` and `record` take
    and journal once more when they are asked again.
    """

    code = "gate.outcome_unknown"

    def __init__(self, organization_id: str, id: str | None, detail: str) -> None:
        what = (
            "nothing tells whether it did" if id is None else f"ask again with the same id ({id})"
        )
        super().__init__(f"{detail}; it may have run: {what}")
        self.organization_id = organization_id
        self.id = id


class ContractError(GateError):
    """Redis, its scripts or its data are not what this library was made for. Never retried."""

    code = "gate.contract"


class BadArgument(GateError, ValueError):
    """An argument outside its range. `field` names it, `allowed` says what would do."""

    code = "gate.bad_argument"

    def __init__(self, field: str, value: object, allowed: str) -> None:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{field} = {shown} is not allowed: {allowed}")
        self.field = field
        self.allowed = allowed


class Denied(GateError):
    """A denial, raised by `raise_if_denied()` and by `gate.hold`. `outcome` is the denial."""

    code = "gate.denied"

    def __init__(self, outcome: Denial) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome
