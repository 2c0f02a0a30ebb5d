"""How the answers that several verbs share are read: tag to outcome.

A reply is a flat array, its tag first; flags are 0 or 1, and a wait of -1 is none.
"""

from __future__ import annotations

from typing import Any

from gate.domain.outcomes import (
    Committed,
    Conflict,
    Extended,
    Inactive,
    Insufficient,
    Loaded,
    NotFound,
    NotLoaded,
    Paced,
    Present,
    Recorded,
    Released,
    Reserved,
    Settled,
    Throttled,
)

Reply = list[Any]


def _wait(ms: int) -> int | None:
    return None if ms < 0 else ms


def reserved(organization_id: str, id: str, reply: Reply) -> Reserved:
    _, credits, expires_at_ms, available, max_attachment_size_mb, replayed = reply
    return Reserved(
        organization_id,
        id,
        credits,
        expires_at_ms,
        available,
        max_attachment_size_mb,
        replayed == 1,
    )


def extended(organization_id: str, id: str, reply: Reply) -> Extended:
    _, credits, expires_at_ms, available = reply
    return Extended(organization_id, id, credits, expires_at_ms, available)


def committed(organization_id: str, id: str, reply: Reply) -> Committed:
    _, spent, returned, posted, seq, late, replayed = reply
    return Committed(organization_id, id, spent, returned, posted, seq, late == 1, replayed == 1)


def released(organization_id: str, id: str, reply: Reply) -> Released:
    _, returned, how, replayed = reply
    return Released(organization_id, id, returned, how.decode(), replayed == 1)


def recorded(organization_id: str, id: str, reply: Reply) -> Recorded:
    _, seq = reply
    return Recorded(organization_id, seq)


def paced(organization_id: str, id: str, reply: Reply) -> Paced:
    _, available = reply
    return Paced(organization_id, available)


def loaded(organization_id: str, id: str, reply: Reply) -> Loaded:
    _, posted, seq = reply
    return Loaded(organization_id, posted, seq)


def present(organization_id: str, id: str, reply: Reply) -> Present:
    _, epoch, seq = reply
    return Present(organization_id, epoch, seq)


def insufficient(organization_id: str, id: str, reply: Reply) -> Insufficient:
    _, available, required, retry_after_ms = reply
    return Insufficient(organization_id, available, required, _wait(retry_after_ms))


def throttled(organization_id: str, id: str, reply: Reply) -> Throttled:
    _, limit, retry_after_ms, required, available = reply
    return Throttled(organization_id, limit.decode(), _wait(retry_after_ms), required, available)


def inactive(organization_id: str, id: str, reply: Reply) -> Inactive:
    _, status, reason = reply
    return Inactive(organization_id, status.decode(), reason.decode())


def conflict(organization_id: str, id: str, reply: Reply) -> Conflict:
    _, field, expected = reply
    return Conflict(organization_id, id, field.decode(), expected)


def settled(organization_id: str, id: str, reply: Reply) -> Settled:
    _, how, spent = reply
    return Settled(organization_id, id, how.decode(), spent)


def not_found(organization_id: str, id: str, reply: Reply) -> NotFound:
    return NotFound(organization_id, id, reply[1:] == [1])


def not_loaded(organization_id: str, id: str, reply: Reply) -> NotLoaded:
    return NotLoaded(organization_id)
