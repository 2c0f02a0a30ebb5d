"""The rules of one account, the same on both sides: burning, giving, turning over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

PERIOD = 90
PERIODS = 6
ALLOWANCE = 60

#: What happened, by the name under which it may happen once: ("settle", id), ("operation", id),
#: ("turn", period number).
Fact = tuple[str, object]


class Leg(NamedTuple):
    """A fact and what it moved; base + purchased + debt is the change of posted."""

    fact: Fact
    credits: int
    to: str
    base: int
    purchased: int
    debt: int
    period: int

    @property
    def amount(self) -> int:
        """The change of posted."""
        return self.base + self.purchased + self.debt

    @property
    def names_period(self) -> bool:
        """Base credits are meant for one period."""
        return self.to == "base"


class Delta(NamedTuple):
    """One entry of the journal."""

    id: int
    kind: str
    epoch: int
    seq: int
    posted: int
    legs: tuple[Leg, ...]
    unknown: bool
    late: bool
    at: int
    reverses: Fact | None


@dataclass
class Account:
    """One organization: the live record, and the row that PostgreSQL keeps of it."""

    epoch: int = 1
    seq: int = 0
    period: int = 0
    base: int = ALLOWANCE
    purchased: int = 0
    debt: int = 0
    held: int = 0
    legs: list[Leg] = field(default_factory=list)

    @property
    def posted(self) -> int:
        """What the ledger calls balance_after."""
        return self.base + self.purchased - self.debt

    @property
    def numbers(self) -> tuple[int, ...]:
        """What must be equal on both sides at equal (epoch, seq)."""
        return self.period, self.base, self.purchased, self.debt

    def copy(self) -> Account:
        """The same, to be changed."""
        return replace(self, legs=list(self.legs))

    def move(self, leg: Leg) -> None:
        """Do what a leg says, whatever comes of it."""
        self.base += leg.base
        self.purchased += leg.purchased
        self.debt -= leg.debt
        self.legs.append(leg)
        if leg.fact[0] == "turn":
            self.period = leg.period

    def settle(self, fact: Fact, credits: int) -> Leg:
        """Take credits: base, then purchased, the rest is debt."""
        base = min(credits, self.base)
        purchased = min(credits - base, self.purchased)
        debt = credits - base - purchased
        leg = Leg(fact, credits, "", -base, -purchased, -debt, self.period)
        self.move(leg)
        return leg

    def give(self, fact: Fact, credits: int, to: str) -> Leg:
        """An operation: credits come in, debt first; below 0 they are taken back."""
        if credits < 0:
            leg = self.settle(fact, -credits)._replace(credits=credits, to=to)
            self.legs[-1] = leg
            return leg
        debt = min(credits, self.debt)
        rest = credits - debt
        base, purchased = (rest, 0) if to == "base" else (0, rest)
        leg = Leg(fact, credits, to, base, purchased, debt, self.period)
        self.move(leg)
        return leg

    def turn(self) -> Leg:
        """The period ends: base lapses, the next allowance begins and pays debt first."""
        debt = min(ALLOWANCE, self.debt)
        period = self.period + 1
        leg = Leg(("turn", period), 0, "", ALLOWANCE - debt - self.base, 0, debt, period)
        self.move(leg)
        return leg

    def advance(self, now: int) -> None:
        """Bring the account up to now."""
        while self.period < PERIODS - 1 and now >= (self.period + 1) * PERIOD:
            self.turn()

    def do(self, leg: Leg) -> Leg:
        """Let the fact of a leg happen to this account by its own grants."""
        kind = leg.fact[0]
        if kind == "turn":
            return self.turn()
        if kind == "settle":
            return self.settle(leg.fact, leg.credits)
        return self.give(leg.fact, leg.credits, leg.to)
