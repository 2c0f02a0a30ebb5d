"""PostgreSQL as the model sees it: each method is one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from tests.model.account import Account
from tests.model.redis import HOLD_TTL, REMEMBERED

if TYPE_CHECKING:
    from tests.model.account import Delta, Fact, Leg
    from tests.model.rules import Rules

MARGIN = 60


class Operation(NamedTuple):
    """A change of entitlement; state is pending, final or replaced."""

    id: str
    credits: int
    to: str = "purchased"
    period: int | None = None
    reverses: Fact | None = None
    state: str = "pending"
    replaced_by: str = ""


class Entry(NamedTuple):
    """A line of the ledger; `after` is the row's period, base, purchased, debt."""

    leg: Leg
    balance_after: int
    after: tuple[int, ...]
    reverses: Fact | None


@dataclass
class Postgres:
    """Ledger, account row, operations and cursor."""

    rules: Rules
    cursor: Delta | None = None
    row: Account = field(default_factory=Account)
    misfit: bool = False
    allotted: int = 1
    look_up_until: int = 0
    ledger: list[Entry] = field(default_factory=list)
    #: (epoch, seq) of what was booked as the successor of what stood before it.
    chain: list[tuple[int, int]] = field(default_factory=list)
    #: How often a fact stands in the ledger: its entries less their reversals.
    standing: Counter[Fact] = field(default_factory=Counter)
    reversals: dict[Fact, Fact | None] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    booked_at: list[tuple[int, Delta]] = field(default_factory=list)
    reloads: int = 0

    def copy(self) -> Postgres:
        """What a failover or a restore would bring back."""
        return replace(
            self,
            row=self.row.copy(),
            ledger=list(self.ledger),
            chain=list(self.chain),
            standing=self.standing.copy(),
            reversals=dict(self.reversals),
            operations=dict(self.operations),
            booked_at=list(self.booked_at),
        )

    # Booking

    def book(
        self, cursor: Delta | None, deltas: list[Delta], now: int, *, move: bool = True
    ) -> bool:
        """Entries, row and cursor in one transaction, if the cursor is where they were read."""
        if self.cursor != cursor and self.rules.compare_cursor:
            return False
        for delta in deltas:
            self._book_one(delta)
        if move:
            self.move_cursor(deltas[-1], now)
        return True

    def move_cursor(self, delta: Delta, now: int) -> None:
        """The journal is booked up to this entry."""
        self.cursor = delta
        self.booked_at.append((now, delta))

    def trims_to(self, now: int) -> Delta | None:
        """The last entry that was booked long enough ago."""
        margin = MARGIN if self.rules.margin else 0
        while len(self.booked_at) > 1 and self.booked_at[1][0] <= now - margin:
            del self.booked_at[0]
        return (
            self.booked_at[0][1]
            if self.booked_at and self.booked_at[0][0] <= now - margin
            else None
        )

    def _book_one(self, delta: Delta) -> None:
        row, healthy = self.row, self._fits(delta)
        row.legs.clear()
        if delta.kind == "loaded" and healthy:
            self.misfit = False
            self.look_up_until = delta.at + REMEMBERED + HOLD_TTL
        elif not healthy:
            self.mark_misfit()
        row.epoch = delta.epoch if healthy else max(row.epoch, delta.epoch)
        row.seq = delta.seq if healthy else max(row.seq, delta.seq)
        self.chain += [(row.epoch, row.seq)] if healthy else []
        for leg in delta.legs:
            if healthy:
                self._book_leg(delta, leg)
            else:
                self._replay(delta, leg)

    def _fits(self, delta: Delta) -> bool:
        """Whether a delta is the successor of what is booked."""
        row, rules = self.row, self.rules
        if delta.kind == "loaded":
            follows = delta.epoch > row.epoch or not rules.epoch_above_all
            same = delta.seq == row.seq + 1 and delta.posted == row.posted
            return (follows and same) or not rules.check_loads
        if self.misfit or (delta.epoch, delta.seq) != (row.epoch, row.seq + 1):
            return False
        after = row.copy()
        for leg in delta.legs:
            if leg.fact[0] == "turn" and leg != after.copy().turn() and rules.check_grants:
                return False
            after.move(leg)
            if min(after.numbers) < 0 and rules.check_grants:
                return False
        return delta.posted == after.posted or not rules.check_posted

    def _enter(self, leg: Leg, reverses: Fact | None) -> None:
        row = self.row
        reverses = reverses if leg.fact[0] == "operation" else None
        self.ledger.append(Entry(leg, row.posted, row.numbers, reverses))
        self.reversals[leg.fact] = reverses
        fact, step = leg.fact, 1
        while fact:
            self.standing[fact] += step
            fact, step = self.reversals.get(fact), -step
        if leg.fact[0] == "operation":
            self._set_state(leg.fact[1], "final")

    def _set_state(self, operation_id: object, state: str) -> None:
        known = self.operations.get(operation_id)
        if known and known.state != "replaced":
            self.operations[operation_id] = known._replace(state=state)

    def _book_leg(self, delta: Delta, leg: Leg) -> None:
        repeat = leg.fact in self.standing and self._is_looked_up(delta, leg)
        wrong = self._reverses_nothing(delta, leg)
        self.row.move(leg)
        self._enter(leg, delta.reverses)
        if (repeat and self.rules.reverse_repeats) or wrong:
            undo = f"rev_{delta.epoch}_{delta.seq}"
            if self.rules.reversals_name_digest:
                undo += f"_{crc32(repr(delta).encode()):08x}"
            self.create(Operation(undo, -leg.amount, reverses=leg.fact))

    def _reverses_nothing(self, delta: Delta, leg: Leg) -> bool:
        """A reversal after which its fact would not stand in the ledger once or more (or, of a
        reversal that is itself reversed, more than once): what it was meant for is not there."""
        fact, step = delta.reverses if leg.fact[0] == "operation" else None, -1
        if not fact or not self.rules.check_reversals:
            return False
        while self.reversals.get(fact):
            fact, step = self.reversals[fact], -step
        return self.standing[fact] < 2 if step < 0 else self.standing[fact] > 0

    def _is_looked_up(self, delta: Delta, leg: Leg) -> bool:
        rules, kind = self.rules, leg.fact[0]
        if kind == "settle":
            soon = delta.at <= self.look_up_until and rules.look_up_after_load
            late = delta.late and rules.look_up_late
            return soon or late or (delta.unknown and rules.look_up_unknown)
        return kind == "operation" and rules.look_up_operations

    def _replay(self, delta: Delta, leg: Leg) -> None:
        """During a reload only facts count, and only those that are not in the ledger."""
        row, rules, (kind, name) = self.row, self.rules, leg.fact
        if kind == "turn":
            if rules.period_numbers and leg.period <= row.period:
                return
        else:
            repeat = leg.fact in self.standing and rules.look_up_repeats
            if repeat or self._reverses_nothing(delta, leg):
                return
        if rules.period_numbers and leg.names_period and leg.period != row.period:
            # The delta itself says so: PostgreSQL may have lost the operation's row.
            self.replace_stale(name)
            return
        if rules.replay_facts:
            leg = row.do(leg)
        else:
            row.move(leg)
        self._enter(leg, delta.reverses)

    # Repair and loading

    def mark_misfit(self) -> None:
        """The account is to be reloaded."""
        self.reloads += not self.misfit
        self.misfit = True

    def fork(self, cursor: Delta) -> bool:
        """The journal's past is another one: read it from its first entry, reload the account."""
        if self.cursor != cursor:
            return False
        self.cursor = None
        self.mark_misfit()
        return True

    def differs(self, row: Account) -> bool:
        """Drift was proved against this state of the row."""
        if self.misfit or (row.epoch, row.seq) != (self.row.epoch, self.row.seq):
            return False
        self.mark_misfit()
        return True

    def has_reached(self, end: int) -> bool:
        """Whether the journal is booked up to an id."""
        return end == 0 or (self.cursor is not None and self.cursor.id >= end)

    def read_for_load(self, end: int) -> Account | None:
        """Allot an epoch and read the account, once the cursor has reached the journal's end."""
        if not self.has_reached(end) and self.rules.wait_for_cursor:
            return None
        account = self.row.copy()
        if self.rules.epoch_above_all:
            self.allotted = max(self.allotted, account.epoch) + 1
            account.epoch = self.allotted
        return account

    # Operations

    def create(self, operation: Operation) -> None:
        """Written once, in the transaction of what caused it."""
        state = "final" if ("operation", operation.id) in self.standing else "pending"
        self.operations.setdefault(operation.id, operation._replace(state=state))

    def finish(self, operation_id: str) -> None:
        """Without resending, applied is final."""
        self._set_state(operation_id, "final")

    def replace_stale(self, operation_id: str) -> None:
        """Compute an operation anew for the period that is now."""
        stale = self.operations.get(operation_id)
        if stale and stale.state == "pending":
            anew = stale._replace(id=stale.id + "'", period=self.row.period)
            self.operations[stale.id] = stale._replace(state="replaced", replaced_by=anew.id)
            self.create(anew)

    def pending(self) -> list[Operation]:
        """What is not booked, in its order."""
        return [known for known in self.operations.values() if known.state == "pending"]
