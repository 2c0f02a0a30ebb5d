"""Redis as the model sees it: each method is one script, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.model.account import Account, Delta

if TYPE_CHECKING:
    from tests.model.account import Fact
    from tests.model.postgres import Operation
    from tests.model.rules import Rules

REMEMBERED = 70
HOLD_TTL = 30


@dataclass
class Redis:
    """The keys of one organization and its journal."""

    rules: Rules
    now: int = 0
    account: Account | None = None
    journal: list[Delta] = field(default_factory=list)
    last_id: int = 0
    holds: dict[str, tuple[int, int]] = field(default_factory=dict)
    settled: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)

    def copy(self) -> Redis:
        """What a snapshot, an old append-only file or a replica that lags would bring back."""
        return Redis(
            self.rules,
            self.now,
            self.account and self.account.copy(),
            list(self.journal),
            self.last_id,
            dict(self.holds),
            dict(self.settled),
            set(self.marks),
        )

    def _open(self) -> Account | None:
        account = self.account
        if account:
            account.legs = []
            account.advance(self.now)
        return account

    def _append(
        self,
        kind: str,
        *,
        unknown: bool = False,
        late: bool = False,
        reverses: Fact | None = None,
    ) -> None:
        account = self.account
        account.seq += 1
        self.last_id = max(self.now, self.last_id + 1)
        delta = Delta(
            self.last_id,
            kind,
            account.epoch,
            account.seq,
            account.posted,
            tuple(account.legs),
            unknown,
            late,
            self.now,
            reverses,
        )
        account.legs = []
        self.journal.append(delta)

    def _advanced(self, answer: str) -> str:
        if self.account.legs:
            self._append("advanced")
        return answer

    def _settled(self, hold: str) -> str:
        how, _, at = self.settled.get(hold, ("", 0, 0))
        if how and at < self.now - REMEMBERED:
            del self.settled[hold]
            return ""
        return how

    def _sweep(self) -> int:
        overdue = [hold for hold, (_, expires) in self.holds.items() if expires <= self.now]
        for hold in overdue:
            self.account.held -= self.holds.pop(hold)[0]
            self.settled[hold] = ("expired", 0, self.now)
        return len(overdue)

    def _lacks(self, account: Account, credits: int) -> bool:
        def lacks() -> bool:
            return account.debt > 0 or account.base + account.purchased - account.held < credits

        return lacks() and not (self._sweep() and not lacks())

    def reserve(self, hold: str, credits: int) -> str:
        """-> reserved, denied, settled(how), not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        how = self._settled(hold)
        if how:
            return self._advanced(how)
        if hold in self.holds:
            return self._advanced("reserved" if self.holds[hold][1] > self.now else "expired")
        if self._lacks(account, credits):
            return self._advanced("denied")
        self.holds[hold] = (credits, self.now + HOLD_TTL)
        account.held += credits
        return self._advanced("reserved")

    def commit(self, hold: str, credits: int) -> str:
        """-> committed, released, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        how = self._settled(hold)
        if how in ("committed", "released"):
            return self._advanced(how)
        unknown = not how and hold not in self.holds
        held, expires = self.holds.pop(hold, (0, self.now + 1))
        late = how == "expired" or expires <= self.now
        account.held -= held
        account.settle(("settle", hold), credits)
        self.settled[hold] = ("committed", credits, self.now)
        self._append("committed", unknown=unknown, late=late)
        return "committed"

    def release(self, hold: str, _: int) -> str:
        """-> released, committed, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        how = self._settled(hold)
        if not how:
            account.held -= self.holds.pop(hold, (0, 0))[0]
            self.settled[hold] = ("released", 0, self.now)
        return self._advanced(how or "released")

    def spend(self, spend: str, credits: int) -> str:
        """-> committed, denied, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        if self._settled(spend):
            return self._advanced("committed")
        if self._lacks(account, credits):
            return self._advanced("denied")
        account.settle(("settle", spend), credits)
        self.settled[spend] = ("committed", credits, self.now)
        self._append("spent")
        return "committed"

    def apply(self, operation: Operation) -> str:
        """-> applied, stale, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        if operation.id in self.marks and self.rules.marks:
            return self._advanced("applied")
        named = operation.period is not None and self.rules.period_numbers
        if named and operation.period != account.period:
            return self._advanced("stale")
        account.give(("operation", operation.id), operation.credits, operation.to)
        self._append("applied", reverses=operation.reverses)
        self.marks.add(operation.id)
        return "applied"

    def forget(self, operations: list[str]) -> None:
        """Drop the marks of what is booked."""
        self.marks.difference_update(operations)

    def load(self, account: Account) -> str:
        """-> loaded, present"""
        if self.account and self.rules.load_if_absent:
            return "present"
        self.account = account
        account.legs = []
        account.held = sum(credits for credits, _ in self.holds.values())
        self._append("loaded")
        return "loaded"

    def retire(self, epoch: int) -> str:
        """-> retired, newer, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        if account.epoch > epoch and self.rules.retire_names_epoch:
            return self._advanced("newer")
        self._append("retired")
        self.account = None
        return "retired"

    def sweep(self) -> str:
        """expire, touch and audit in one -> touched, not_loaded"""
        account = self._open()
        if not account:
            return "not_loaded"
        self._sweep()
        if self.rules.audit:
            account.held = sum(credits for credits, _ in self.holds.values())
        return self._advanced("touched")

    def peek(self) -> Account | None:
        """The account as it stands."""
        return self.account and self.account.copy()

    def read(self, cursor: Delta | None, count: int) -> tuple[bool, list[Delta]]:
        """What stands behind the cursor, and whether the cursor's own entry is there as booked."""
        if cursor is None:
            return True, self.journal[:count]
        found = [delta for delta in self.journal if delta.id >= cursor.id]
        anchored = bool(found) and found[0] == cursor
        if found and found[0].id == cursor.id:
            del found[0]
        return anchored or not self.rules.anchor, found[:count]

    def trim(self, anchor: Delta) -> None:
        """Drop what stands before an entry, if it is there."""
        if anchor in self.journal or not self.rules.trim_names_anchor:
            self.journal = [delta for delta in self.journal if delta.id >= anchor.id]
