"""The booked image of one account: its row in PostgreSQL with its grants, in memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from gate.domain.accounts import GRANTS_MAX, ComingPeriod, FrozenReason, Status, Terms
from gate.hot.journal import MOVES_NOTHING, Leg

DAY_MS = 86_400_000

RepairState: TypeAlias = Literal["ok", "reloading", "stopped"]
#: Kind and day of expiry: grants that are equal in both are one.
GrantKey: TypeAlias = tuple[str, int]


@dataclass(slots=True)
class Image:
    """One account as it was at (epoch, seq).

    `grants`: credits left and instant of expiry (ms since 1970, 2^48 - 1: none of its own).
    `moved` and `reshaped` say what of it is to be written: grants by key, and whether anything but
    numbers has changed. `look_up_until_ms` and `sends_until_ms` are 0 where nothing is to be done.
    """

    organization_id: str
    partition: int
    subscription_id: str | None
    epoch: int
    seq: int
    posted: int
    held: int
    overage: int
    debt: int
    used: int
    warned_percent: int
    allowance: int
    status: Status
    frozen_reason: FrozenReason | None
    grace_until: datetime | None
    period_no: int
    starts_at: datetime | None
    ends_at: datetime | None
    terms: Terms
    coming: tuple[ComingPeriod, ...]
    entry_no: int
    chain: bytes
    look_up_until_ms: int
    sends_until_ms: int
    repair_state: RepairState
    repair_reason: str | None
    grants: dict[GrantKey, tuple[int, int]]
    last_delta_ms: int = 0
    loaded_ms: int = 0
    changed: bool = False
    reshaped: bool = False
    moved: set[GrantKey] = field(default_factory=set)

    def copy(self) -> Image:
        """The same, to be changed."""
        other: Image = object.__new__(Image)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.grants = dict(self.grants)
        other.moved = set(self.moved)
        return other

    @property
    def is_in_step(self) -> bool:
        """Whether the live account's posted follows this one's, so that the amount of a gap can be
        told: it is booked delta by delta, or was until the gap or the fork that it is repaired of.
        """
        return self.repair_state == "ok" or self.repair_reason in ("gap", "fork")

    def mark(self, reason: str) -> None:
        """It is to be reloaded."""
        if self.repair_state == "ok":
            self.repair_state = "reloading"
            self.repair_reason = reason
        elif reason not in ("gap", "fork"):
            self.repair_reason = reason
        self.changed = True

    def leg(self, entry: str, source: str, amount: int, expires_at_ms: int = 0) -> Leg:
        """A movement under the present period and terms."""
        version = self.terms.config_version
        return Leg(entry, source, amount, self.period_no, version, expires_at_ms)

    def move(self, leg: Leg) -> None:
        """Do what a leg of a change of posted says, whatever comes of it."""
        source, amount = leg.source, leg.amount
        if source == "overage":
            self.overage -= amount
        elif source == "debt":
            self.debt -= amount
        elif source != "none":
            key = (source, leg.expires_at_ms // DAY_MS)
            left, expires_at_ms = self.grants.get(key, (0, 0))
            self.grants[key] = (left + amount, max(expires_at_ms, leg.expires_at_ms))
            self.moved.add(key)
        if leg.entry == "email_sent":
            self.used -= amount
        self.posted += amount

    def is_possible(self) -> bool:
        """Whether no counter and no grant is below 0."""
        return (
            self.overage >= 0
            and self.debt >= 0
            and all(left >= 0 for left, _ in self.grants.values())
        )

    def is_odd(self) -> bool:
        """Whether its grants are none that an account can have."""
        left = [left for left, _ in self.grants.values() if left]
        return len(left) > GRANTS_MAX or any(one < 0 for one in left)

    def left(self, kinds: Iterable[str]) -> int:
        """Credits left in all grants of some kinds."""
        return sum(left for (kind, _), (left, _) in self.grants.items() if kind in kinds)


def moved_by(legs: Iterable[Leg]) -> int:
    """The change of posted that legs add up to."""
    total = 0
    for leg in legs:
        if leg.entry not in MOVES_NOTHING:
            total += leg.amount
    return total
