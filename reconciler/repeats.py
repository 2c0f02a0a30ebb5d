"""What is in the ledger already, and how a repeat that was booked is given back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.hot.journal_stream import digest
from reconciler.batch import operation_fact, settlement_fact
from reconciler.facts import REVERSAL
from reconciler.legs import SETTLING, own_legs

if TYPE_CHECKING:
    from gate.hot.journal import Delta
    from gate.hot.journal_stream import StreamEntry
    from reconciler.batch import Fact, Known


class Repeats:
    """What the ledger knew before the batch, and what the batch has added to it."""

    def __init__(self, known: Known) -> None:
        self._known = known

    @staticmethod
    def fact_of(delta: Delta) -> Fact | None:
        """What happened by a delta that may happen once; None: nothing of that sort."""
        if delta.kind in SETTLING:
            return settlement_fact(delta.id, delta.part)
        return operation_fact(delta.id) if delta.kind == "applied" else None

    def note(self, delta: Delta, fact: Fact) -> None:
        """A fact is in the ledger from now on, and what it reverses stands once less."""
        organization_id, known = delta.organization_id, self._known
        if delta.id.startswith(REVERSAL) and delta.kind == "applied":
            known.reverses[organization_id, fact] = delta.reference
        step, at = 1, fact
        while at:
            if at != fact and (organization_id, at) not in known.standing:
                break
            known.standing[organization_id, at] += step
            at, step = known.reverses.get((organization_id, at), ""), -step

    def reverses_nothing(self, delta: Delta) -> bool:
        """Whether a reversal would take away a fact that stands but once (or bring one back that
        stands already): what it was meant for is not in the ledger."""
        if delta.kind != "applied" or not delta.id.startswith(REVERSAL):
            return False
        organization_id, known = delta.organization_id, self._known
        fact, takes = delta.reference, True
        while before := known.reverses.get((organization_id, fact)):
            fact, takes = before, not takes
        stands = known.standing.get((organization_id, fact), 0)
        return stands < 2 if takes else stands > 0

    def is_known(self, delta: Delta, fact: Fact) -> bool:
        """Whether a fact is in the ledger."""
        return (delta.organization_id, fact) in self._known.standing

    def is_new(self, delta: Delta, fact: Fact) -> bool:
        """Whether a fact is to be booked while its account is repaired."""
        return not self.is_known(delta, fact) and not self.reverses_nothing(delta)


def reversal_of(delta: Delta, fact: Fact, entry: StreamEntry) -> Operation | None:
    """The operation that gives a repeat back (or takes it), named after the very entry; None where
    it moved nothing."""
    amount = sum(leg.amount for leg in own_legs(delta))
    if amount == 0:
        return None
    change = CreditChange(
        entry="refund",
        source="purchased" if amount < 0 else "any",
        credits=-amount,
        rest="debt",
    )
    return Operation(
        organization_id=delta.organization_id,
        id=f"{REVERSAL}{delta.epoch}_{delta.seq}_{digest(entry).hex()[:16]}",
        kind="reversal",
        content=OperationContent(changes=(change,)),
        reference=fact,
        reason=f"{fact} was booked before",
    )
