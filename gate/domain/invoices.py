"""What an invoice says of a closed period: lines, and totals that are their sums.

Derived from sums of ledger entries and from prices alone, so that the same lines come out whenever
it is done again. What else costs money (a proration, a pack, a credit note) is a line that was
recorded with its operation, and is taken over as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, get_args

from gate.domain.accounts import UINT32_MAX
from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.domain.money import cents_of, priced, total
from gate.domain.plans import PlanView
from gate.domain.proration import money_share

LineKind = Literal["base", "proration", "overage", "late", "pack", "credit_note", "adjustment"]
LINE_KINDS: Final[tuple[LineKind, ...]] = get_args(LineKind)
#: What comes out of prices and the ledger; lines of other kinds are recorded with operations.
DERIVED: Final[tuple[LineKind, ...]] = ("base", "overage", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `amount` in USD, negative if it is given back, in whole cents; where a line has a
    `unit_price`, it is `credits` × that, rounded. `period_no`: the period that it is for. Raises
    BadArgument."""

    kind: LineKind
    description: str
    amount: Decimal
    credits: int = 0
    unit_price: Decimal | None = None
    period_no: int | None = None
    config_version: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in LINE_KINDS:
            raise BadArgument("kind", self.kind, f"one of {', '.join(LINE_KINDS)}")
        check_whole("credits", self.credits, 0, CREDITS_MAX)
        cents_of(self.amount)
        if self.unit_price is not None and priced(self.credits, self.unit_price) != self.amount:
            raise BadArgument("amount", self.amount, "credits × unit_price, rounded to cents")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPeriod:
    """A period that turned. `config_version`: the version that it began with, whose base price is
    due; `base_share`: how much of it is, 0 in a trial and in all months of a year but the first,
    less than 1 where a first period was short. `allowance`, `used`, `overage`: the account's
    counters at the turn, in credits. Raises BadArgument."""

    period_no: int
    config_version: int
    base_share: Fraction = Fraction(1)
    allowance: int = 0
    used: int = 0
    overage: int = 0

    def __post_init__(self) -> None:
        check_whole("period_no", self.period_no, 1, UINT32_MAX)
        check_whole("config_version", self.config_version, 1, UINT32_MAX)
        for name in ("allowance", "used", "overage"):
            check_whole(name, getattr(self, name), 0, CREDITS_MAX)
        if not isinstance(self.base_share, Fraction) or not 0 <= self.base_share <= 1:
            raise BadArgument("base_share", self.base_share, "a Fraction from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedCredits:
    """What settlements of one period under one configuration version add up to: `credits` in all,
    and `overage` of these past the grants. Of ledger entries: −Σ delta of email_sent, and
    −Σ split.overage of all entries but period_reset. Raises BadArgument."""

    period_no: int
    config_version: int
    credits: int
    overage: int = 0

    def __post_init__(self) -> None:
        check_whole("period_no", self.period_no, 1, UINT32_MAX)
        check_whole("config_version", self.config_version, 1, UINT32_MAX)
        for name in ("credits", "overage"):
            check_whole(name, getattr(self, name), 0, CREDITS_MAX)


@dataclass(frozen=True, slots=True)
class Invoice:
    """The lines of one period, in order; numbers are their places, from 1. Every amount is a sum of
    lines. A negative total is owed to the customer."""

    period: ClosedPeriod
    lines: tuple[Line, ...]

    @property
    def base_amount(self) -> Decimal:
        """The base price that was due."""
        return self._sum("base")

    @property
    def overage_amount(self) -> Decimal:
        """Credits past the grants, late ones too."""
        return self._sum("overage", "late")

    @property
    def total_amount(self) -> Decimal:
        """All lines."""
        return self._sum(*LINE_KINDS)

    def _sum(self, *kinds: LineKind) -> Decimal:
        return total(line.amount for line in self.lines if line.kind in kinds)


def invoice_of(
    period: ClosedPeriod,
    used: Iterable[UsedCredits],
    plans: Mapping[int, PlanView],
    recorded: Sequence[Line] = (),
) -> Invoice:
    """The invoice of a closed period.

    `used`: sums over the entries behind the turn before and up to this one, whatever period they
    bear: what bears an earlier one is a late line. `plans`: by configuration version, all that are
    named. `recorded`: the lines of operations since the invoice before. Raises BadArgument: a
    version without a plan, a sum of a later period, a recorded line of a kind that is derived.
    """
    for line in recorded:
        if line.kind in DERIVED:
            raise BadArgument("recorded", line.kind, "lines that no ledger entry tells")
    sums = sorted(_merged(used), key=lambda one: (one.period_no, one.config_version))
    if sums and sums[-1].period_no > period.period_no:
        raise BadArgument("used", sums[-1].period_no, f"periods up to {period.period_no}")
    lines = [_base_line(period, plans)] if period.base_share else []
    lines += [line for line in recorded if line.kind == "proration"]
    for one in sums:
        if one.period_no == period.period_no and one.overage:
            plan = _plan(plans, one.config_version)
            lines.append(_priced_line("overage", f"{plan.name}, overage", one, plan))
    for one in sums:
        if one.period_no < period.period_no:
            lines += _late_lines(one, plans)
    lines += [line for line in recorded if line.kind != "proration"]
    return Invoice(period, tuple(lines))


def disagreements(period: ClosedPeriod, used: Iterable[UsedCredits]) -> list[str]:
    """Where the account's counters at the turn are not what its entries add up to, in words."""
    own = [one for one in used if one.period_no == period.period_no]
    found = []
    for name, counted, summed in (
        ("used", period.used, sum(one.credits for one in own)),
        ("overage", period.overage, sum(one.overage for one in own)),
    ):
        if counted != summed:
            found.append(f"{name}: {counted:,} at the turn, {summed:,} in the ledger")
    return found


def _merged(used: Iterable[UsedCredits]) -> Iterable[UsedCredits]:
    """One for each period and version: rounding two halves by themselves may cost a cent."""
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for one in used:
        key = one.period_no, one.config_version
        credits, overage = sums.get(key, (0, 0))
        sums[key] = credits + one.credits, overage + one.overage
    for (period_no, version), (credits, overage) in sums.items():
        yield UsedCredits(
            period_no=period_no, config_version=version, credits=credits, overage=overage
        )


def _base_line(period: ClosedPeriod, plans: Mapping[int, PlanView]) -> Line:
    plan = _plan(plans, period.config_version)
    return Line(
        kind="base",
        description=plan.name,
        amount=money_share(plan.base_price_usd, period.base_share),
        credits=period.allowance,
        period_no=period.period_no,
        config_version=period.config_version,
    )


def _late_lines(one: UsedCredits, plans: Mapping[int, PlanView]) -> list[Line]:
    """What is past the grants has its price; the rest was paid with credits."""
    lines = []
    if one.overage:
        plan = _plan(plans, one.config_version)
        lines.append(_priced_line("late", f"late, period {one.period_no}", one, plan))
    if one.credits > one.overage:
        lines.append(
            Line(
                kind="late",
                description=f"late, period {one.period_no}, from credits",
                amount=Decimal("0.00"),
                credits=one.credits - one.overage,
                period_no=one.period_no,
                config_version=one.config_version,
            )
        )
    return lines


def _priced_line(kind: LineKind, description: str, one: UsedCredits, plan: PlanView) -> Line:
    return Line(
        kind=kind,
        description=description,
        amount=priced(one.overage, plan.overage_price_per_email),
        credits=one.overage,
        unit_price=plan.overage_price_per_email,
        period_no=one.period_no,
        config_version=one.config_version,
    )


def _plan(plans: Mapping[int, PlanView], config_version: int) -> PlanView:
    plan = plans.get(config_version)
    if plan is None:
        raise BadArgument("plans", config_version, "every configuration version that is named")
    return plan
