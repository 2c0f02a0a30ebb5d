"""A version of a plan as billing sees it: what it gives, costs and allows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gate.domain.accounts import Terms
from gate.domain.calendar import CYCLES, Cycle
from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, check_id, check_whole
from gate.domain.money import unit_price, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan as it is in one version, the one that `terms` bear.

    `monthly_credits` (0 to 2^52) are given each month, under annual billing too. `base_price_usd`
    is for a month, or for a year of twelve under annual billing. Raises BadArgument.
    """

    id: str
    name: str
    monthly_credits: int
    terms: Terms
    base_price_usd: Decimal = Decimal("0.00")
    overage_price_per_email: Decimal = Decimal("0.000000")
    billing_cycle: Cycle = "monthly"

    def __post_init__(self) -> None:
        check_id("id", self.id)
        if type(self.name) is not str or not self.name:
            raise BadArgument("name", self.name, "a name")
        check_whole("monthly_credits", self.monthly_credits, 0, CREDITS_MAX)
        if not isinstance(self.terms, Terms):
            raise BadArgument("terms", self.terms, "Terms")
        usd("base_price_usd", self.base_price_usd)
        unit_price("overage_price_per_email", self.overage_price_per_email)
        if self.billing_cycle not in CYCLES:
            raise BadArgument("billing_cycle", self.billing_cycle, f"one of {', '.join(CYCLES)}")

    @property
    def config_version(self) -> int:
        """What accounts, entries and lines name this version by."""
        return self.terms.config_version

    @property
    def is_annual(self) -> bool:
        """Whether its price is for twelve periods."""
        return self.billing_cycle == "annual"

    @property
    def is_free(self) -> bool:
        """Whether it has no base price: then nobody waits for a payment."""
        return self.base_price_usd == 0

    @property
    def price_per_month(self) -> Fraction:
        """What a month costs, exactly: to compare plans by, not to bill."""
        return Fraction(self.base_price_usd) / (12 if self.is_annual else 1)
