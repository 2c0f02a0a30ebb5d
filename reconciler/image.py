"""The booked image of one account, and what a delta does to it. Pure.

The image follows the live account by sums alone: a leg names the grant that it moved. Whether a
delta is the successor of the image is asked first (`fits`); `book` takes it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from gate.domain.accounts import ComingPeriod, FrozenReason, Status, Terms
from gate.domain.errors import ContractError
from gate.hot.journal import Delta, Leg

DAY_MS = 86_400_000
GrantKey = tuple[str, int]


class Entry(NamedTuple):
    """One row of `credit_ledger`: one entry type and period of one delta."""

    entry_type: str
    delta: int
    balance_after: int
    entry_no: int
    period_no: int
    config_version: int
    split: Mapping[str, int]
    chain: bytes


class Turn(NamedTuple):
    """A period that closed: what its invoice needs."""

    period_no: int
    config_version: int
    starts_at: datetime | None
    ends_at: datetime | None
    used: int
    overage: int
    allowance: int


class Changes(NamedTuple):
    """What an operation sets besides credits; None: as it is. `given`: credits it gives by kind."""

    status: Status | None = None
    frozen_reason: FrozenReason | None = None
    grace_until: datetime | None = None
    ends_at: datetime | None = None
    terms: Terms | None = None
    coming: tuple[ComingPeriod, ...] | None = None
    given: Mapping[str, int] = {}


@dataclass(slots=True)
class Image:
    """One account as it was at (epoch, seq). `grants`: left by kind and day of expiry."""

    organization_id: str
    epoch: int
    seq: int
    posted: int
    held: int
    overage: int
    debt: int
    used: int
    warned: int
    allowance: int
    status: Status
    frozen_reason: FrozenReason | None
    grace_until: datetime | None
    period_no: int
    starts_at: datetime | None
    ends_at: datetime | None
    terms: Terms
    coming: list[ComingPeriod]
    entry_no: int = 0
    chain: bytes = b""
    grants: dict[GrantKey, tuple[int, int]] = field(default_factory=dict)

    def fits(self, delta: Delta) -> bool:
        """Whether `delta` is the very next one: of a new load, or of this one."""
        if delta.kind == "loaded":
            known = delta.epoch > self.epoch
        else:
            known = delta.epoch == self.epoch
        return (
            known
            and delta.seq == self.seq + 1
            and delta.posted == self.posted + sum(leg.amount for leg in moving(delta))
        )

    def book(self, delta: Delta, changes: Changes | None = None) -> tuple[list[Entry], list[Turn]]:
        """Takes in `delta`; `changes` are those of its operation.

        Raises ContractError if it turns a period that the image does not know.
        """
        turns = [self._move(leg) for leg in delta.legs]
        if delta.kind == "applied" and changes is not None:
            self._change(changes, delta)
        if delta.froze:
            self.status, self.frozen_reason = "frozen", "debt"
        entries = self._entries(delta)
        self.epoch, self.seq, self.held = delta.epoch, delta.seq, delta.held
        return entries, [turn for turn in turns if turn is not None]

    def adjust(self, amount: int, delta: Delta) -> Entry:
        """Books what no delta says: the amount that is missing before `delta`."""
        leg = Leg("manual_adjustment", "none", amount, self.period_no, self.terms.config_version, 0)
        return self._entry("manual_adjustment", [leg], delta)

    def _move(self, leg: Leg) -> Turn | None:
        if leg.entry == "turn":
            return self._turn(leg)
        if leg.entry == "warning":
            self.warned += 1
        elif leg.moves_posted:
            if leg.source == "overage":
                self.overage -= leg.amount
            elif leg.source == "debt":
                self.debt -= leg.amount
            else:
                self._move_grant(leg)
            if leg.entry == "email_sent":
                self.used -= leg.amount
            elif leg.entry == "rollover_applied":
                self.allowance += leg.amount
        return None

    def _move_grant(self, leg: Leg) -> None:
        key = (leg.source, leg.expires_at_ms // DAY_MS)
        expires_at_ms, left = self.grants.get(key, (0, 0))
        left += leg.amount
        if left:
            self.grants[key] = (max(expires_at_ms, leg.expires_at_ms), left)
        else:
            self.grants.pop(key, None)

    def _turn(self, leg: Leg) -> Turn:
        if not self.coming:
            raise ContractError(
                f"{self.organization_id}: period {leg.period_no} turned and none was known to come"
            )
        closed = Turn(
            leg.period_no,
            leg.config_version,
            self.starts_at,
            self.ends_at,
            leg.amount,
            self.overage,
            self.allowance,
        )
        period = self.coming.pop(0)
        self.period_no, self.used, self.warned = period.period_no, 0, 0
        self.allowance = period.allowance
        self.starts_at, self.ends_at = self.ends_at, period.ends_at
        self.terms = period.terms or self.terms
        if period.status is not None:
            self.status, self.frozen_reason = period.status, None
        return closed

    def _change(self, changes: Changes, delta: Delta) -> None:
        given = sum(credits for kind, credits in changes.given.items() if kind != "purchased")
        taken = sum(
            leg.amount for leg in moving(delta) if leg.amount < 0 and leg.source in _LAPSING
        )
        self.allowance = max(0, self.allowance + given + taken)
        self.terms = changes.terms or self.terms
        if changes.status is not None:
            self.status, self.frozen_reason = changes.status, changes.frozen_reason
        self.grace_until = changes.grace_until or self.grace_until
        self.ends_at = changes.ends_at or self.ends_at
        if changes.coming is not None:
            self.coming = list(changes.coming)

    def _entries(self, delta: Delta) -> list[Entry]:
        groups: dict[tuple[str, int], list[Leg]] = {}
        for leg in moving(delta):
            groups.setdefault((leg.entry, leg.period_no), []).append(leg)
        if delta.kind in ("committed", "spent") and not groups:  # a settlement for 0 is known too
            version = self.terms.config_version
            nothing = Leg("email_sent", "none", 0, self.period_no, version, 0)
            groups["email_sent", self.period_no] = [nothing]
        return [self._entry(entry, legs, delta) for (entry, _), legs in groups.items()]

    def _entry(self, entry_type: str, legs: list[Leg], delta: Delta) -> Entry:
        amount = sum(leg.amount for leg in legs)
        split: dict[str, int] = {}
        for leg in legs:
            if leg.source != "none":
                split[leg.source] = split.get(leg.source, 0) + leg.amount
        self.posted += amount
        self.entry_no += 1
        self.chain = chain_digest(
            self.chain,
            self.organization_id,
            self.entry_no,
            entry_type,
            amount,
            self.posted,
            delta,
            legs[0].period_no,
            legs[0].config_version,
        )
        return Entry(
            entry_type,
            amount,
            self.posted,
            self.entry_no,
            legs[0].period_no,
            legs[0].config_version,
            split,
            self.chain,
        )


_LAPSING = ("rollover", "base")


def moving(delta: Delta) -> list[Leg]:
    """The legs that add up to the change of posted."""
    return [leg for leg in delta.legs if leg.moves_posted]


def chain_digest(
    before: bytes,
    organization_id: str,
    entry_no: int,
    entry_type: str,
    amount: int,
    balance_after: int,
    delta: Delta,
    period_no: int,
    config_version: int,
) -> bytes:
    """SHA-256 over the chain before and what the entry says; no recipient is in it."""
    said = (
        organization_id,
        entry_no,
        entry_type,
        amount,
        balance_after,
        delta.epoch,
        delta.seq,
        delta.id,
        delta.part,
        period_no,
        config_version,
        delta.at_ms,
    )
    return sha256(before + "\0".join(map(str, said)).encode()).digest()
