"""An operation as `apply` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.domain.limits import NEVER_MS, instant_ms
from gate.hot.commands.apply import ApplyArguments, Change
from gate.hot.journal import ENTRY_CODES, SOURCES
from gate.hot.layout import pack_coming, pack_terms, reason_code, status_code

if TYPE_CHECKING:
    from gate.domain.operations import CreditChange, Operation

_AS_IT_IS = -1


def apply_arguments(operation: Operation) -> ApplyArguments:
    """What `apply` is called with for `operation`. Raises BadArgument."""
    content = operation.content
    ends_at = instant_ms("ends_at", content.ends_at)
    return ApplyArguments(
        operation_id=operation.id,
        period_no=operation.period_no or 0,
        status=status_code(content.status),
        status_reason=reason_code(content.frozen_reason),
        grace_until=(
            _AS_IT_IS
            if content.grace_until is None
            else instant_ms("grace_until", content.grace_until)
        ),
        ends_at=ends_at if content.endless or ends_at != NEVER_MS else _AS_IT_IS,
        terms=b"" if content.terms is None else pack_terms(content.terms),
        coming=b"" if content.coming is None else pack_coming(content.coming),
        reference=operation.reference or "",
        reason=operation.reason or "",
        changes=tuple(map(_change, content.changes)),
    )


def _change(change: CreditChange) -> Change:
    return Change(
        entry=ENTRY_CODES[change.entry],
        source=0 if change.source == "any" else SOURCES.index(change.source),
        credits=change.credits,
        expires_at_ms=(
            0 if change.expires_at is None else instant_ms("expires_at", change.expires_at)
        ),
        rest=int(change.rest == "debt"),
    )
