"""The digest that chains an organization's ledger entries.

Each entry's digest covers the one before it and all that the entry says but the instant of booking,
so that an edited, missing or reordered row is found. No recipient's address is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

#: Where credits come from, in the order in which a digest lists them.
SOURCES: Final = ("rollover", "base", "purchased", "overage", "debt")
START: Final = b""


def chain_digest(
    before: bytes,
    id: str,
    organization_id: str,
    entry_no: int,
    entry_type: str,
    delta: int,
    balance_after: int,
    epoch: int,
    seq: int,
    delta_kind: str,
    settlement_id: str | None,
    part: int | None,
    operation_id: str | None,
    subscription_id: str | None,
    period_no: int | None,
    config_version: int | None,
    created_at_ms: int,
    reference_id: str | None,
    reason: str | None,
    split: Mapping[str, int],
    late: bool,
    repeated: bool,
) -> bytes:
    """SHA-256 of an entry, 32 bytes; `before` is the digest of the entry before it, START for the
    first. An empty text and None are the same."""
    rollover, base, purchased, overage, debt = map(split.get, SOURCES)
    said = (
        f"{id}\0{organization_id}\0{entry_no}\0{entry_type}\0{delta}\0{balance_after}\0{epoch}\0{seq}\0"
        f"{delta_kind}\0{settlement_id or ''}\0{part or 0}\0{operation_id or ''}\0"
        f"{subscription_id or ''}\0{period_no or 0}\0{config_version or 0}\0{created_at_ms}\0"
        f"{reference_id or ''}\0{reason or ''}\0{rollover or 0}\0{base or 0}\0{purchased or 0}\0"
        f"{overage or 0}\0{debt or 0}\0{late:d}{repeated:d}"
    )
    return sha256(before + said.encode()).digest()
