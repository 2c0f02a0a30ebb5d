"""Operations that give or take credits and leave the plan alone: what they book, and their line.

| what | entry | credits |
|---|---|---|
| top-up, pack | credit_purchased | + to purchased; a pack expires |
| adjustment | manual_adjustment | + to purchased, − from any |
| credits given back (a bounce) | refund | + to purchased |
| money given back (a dispute, too) | refund | − from purchased; what is spent already is debt |
| void of one of these | refund for a purchase, else as it was | the opposite of what was booked |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.invoices import Line
from gate.domain.limits import CREDITS_MAX, check_id, check_text, check_whole
from gate.domain.money import negated, usd
from gate.domain.operations import ChangeSource, CreditChange, EntryType, Operation
from gate.domain.operations import OperationContent as Content

KINDS = ("purchase", "adjustment", "credits_back", "money_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks for what: the organization, the operation's id (the caller's idempotency key), why,
    and what caused it outside. Raises BadArgument."""

    organization_id: str
    operation_id: str
    reason: str
    reference: str | None = None

    def __post_init__(self) -> None:
        check_id("organization_id", self.organization_id)
        check_id("operation_id", self.operation_id)
        if not check_text("reason", self.reason).strip():
            raise BadArgument("reason", self.reason, "why it is done")
        check_text("reference", self.reference)


def purchase(
    request: Request,
    credits: int,
    price_usd: Decimal = Decimal("0.00"),
    *,
    at: datetime,
    expires_at: datetime | None = None,
) -> tuple[Operation, Line]:
    """A top-up of `credits` (1 to 2^52) that never expire, or a pack that does, and the line that
    charges it. Raises BadArgument: it would have expired."""
    check_whole("credits", credits, 1, CREDITS_MAX)
    if expires_at is not None and instant("expires_at", expires_at) <= instant("at", at):
        raise BadArgument("expires_at", expires_at, "later than now")
    change = CreditChange(
        entry="credit_purchased", source="purchased", credits=credits, expires_at=expires_at
    )
    kind = "top-up" if expires_at is None else "pack"
    line = Line(
        kind="pack",
        description=f"{kind}, {credits:,} credits",
        amount=usd("price_usd", price_usd),
        credits=credits,
    )
    return _operation(request, "purchase", change), line


def adjustment(
    request: Request, credits: int, *, rest: Literal["debt", "drop"] = "drop"
) -> Operation:
    """An operator's correction, more or less than 0. `rest`: of what is not there to be taken.
    Raises BadArgument."""
    source: ChangeSource = "purchased" if credits > 0 else "any"
    return _operation(request, "adjustment", _change("manual_adjustment", source, credits, rest))


def credits_back(request: Request, credits: int) -> Operation:
    """Credits for work that came to nothing: 1 to 2^52, which do not expire. Raises BadArgument."""
    check_whole("credits", credits, 1, CREDITS_MAX)
    return _operation(request, "credits_back", _change("refund", "purchased", credits))


def money_back(request: Request, credits: int, amount_usd: Decimal) -> tuple[Operation, Line]:
    """Money is given back, and the credits (1 to 2^52) that it had bought go; those that are spent
    become debt. Raises BadArgument."""
    check_whole("credits", credits, 1, CREDITS_MAX)
    line = Line(
        kind="credit_note",
        description=f"refund of {credits:,} credits",
        amount=negated(usd("amount_usd", amount_usd)),
        credits=credits,
    )
    change = _change("refund", "purchased", -credits, "debt")
    return _operation(request, "money_back", change), line


def void(request: Request, voided: Operation, booked: int) -> Operation:
    """Undoes one of these operations, of which the ledger has `booked` so many credits (+ or −).

    What it gave is taken from purchased credits, and what is spent of it becomes debt; what it
    took comes back as purchased ones. Raises BadArgument: it is another kind of operation, one of
    another organization, or nothing of it was booked.
    """
    if voided.organization_id != request.organization_id:
        raise BadArgument("voided", voided.id, "an operation of this organization")
    if voided.kind not in KINDS or len(voided.content.changes) != 1:
        raise BadArgument("voided", voided.kind, f"an operation of kind {', '.join(KINDS)}")
    done = voided.content.changes[0]
    check_whole("booked", booked, -CREDITS_MAX, CREDITS_MAX)
    if booked == 0 or (booked > 0) != (done.credits > 0) or abs(booked) > abs(done.credits):
        raise BadArgument("booked", booked, "what the ledger has of it, not 0")
    entry: EntryType = "refund" if done.entry == "credit_purchased" else done.entry
    change = _change(entry, "purchased", -booked, "debt")
    return _operation(request, "void", change, reference=voided.id)


def _change(
    entry: EntryType,
    source: ChangeSource,
    credits: int,
    rest: Literal["debt", "drop"] = "drop",
) -> CreditChange:
    return CreditChange(entry=entry, source=source, credits=credits, rest=rest)


def _operation(
    request: Request, kind: str, change: CreditChange, reference: str | None = None
) -> Operation:
    return Operation(
        organization_id=request.organization_id,
        id=request.operation_id,
        kind=kind,
        content=Content(changes=(change,)),
        reference=reference or request.reference,
        reason=request.reason,
    )
