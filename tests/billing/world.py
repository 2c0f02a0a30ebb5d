"""One organization in play: billing decides, the oracle of the gate does, a ledger adds up.

What billing plans is applied to `tests/oracle.py`, which is proved equal to the Lua, so that a test
sees what a customer would: what is admitted, what is left, what turned, what is booked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.calendar import Anchor
from gate.domain.invoices import ClosedPeriod, Invoice, Line, UsedCredits, invoice_of
from gate.domain.limits import instant_ms, ms_instant
from gate.domain.money import cents_of
from gate.domain.operations import Operation, OperationContent
from gate.domain.plans import PlanView
from gate.domain.proration import money_share
from gate.domain.subscriptions.periods import base_share, caught_up
from gate.domain.subscriptions.planned import Planned
from gate.domain.subscriptions.scheduling import calendar_operation
from gate.domain.subscriptions.starting import start
from gate.domain.subscriptions.states import BY_NAME, SUBSCRIPTION_STATUSES
from gate.domain.subscriptions.views import AccountView, SubscriptionView
from tests import oracle

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    """An instant by the clocks of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_versions = count(1)


def plan(
    name: str,
    credits: int,
    price: str = "0.00",
    *,
    cycle: Any = "monthly",
    overage: int = 0,
    overage_price: str = "0.000000",
    rollover: int | None = None,
) -> PlanView:
    """A plan in a version of its own."""
    terms = Terms(
        rate_per_second=1_000_000,
        overage_limit=overage,
        max_rollover_credits=rollover,
        config_version=next(_versions),
    )
    return PlanView(
        id="pln_" + name.lower().replace(" ", "_"),
        name=name,
        monthly_credits=credits,
        terms=terms,
        base_price_usd=Decimal(price),
        overage_price_per_email=Decimal(overage_price),
        billing_cycle=cycle,
    )


class World:
    """`at` is now. `lines` are the lines that were recorded and not yet invoiced."""

    def __init__(self, at: datetime) -> None:
        self.gate = oracle.Oracle()
        self.subscription: SubscriptionView | None = None
        self.invoices: list[Invoice] = []
        self.lines: list[Line] = []
        self.plans: dict[int, PlanView] = {}
        self._terms: dict[oracle.Terms, Terms] = {}
        self._began: dict[int, tuple[int, Fraction]] = {}
        self._numbers = count(1)
        self._seen = 0
        self._used: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        self._basis = 0
        self.go(at)

    # Time.

    @property
    def at(self) -> datetime:
        """Now."""
        instant = ms_instant(self.gate.now_us // 1000)
        assert instant is not None
        return instant

    def go(self, to: datetime | str | timedelta) -> None:
        """Lets time pass, and the account with it."""
        if isinstance(to, timedelta):
            to = self.at + to
        to = utc(to) if isinstance(to, str) else to
        while self.gate.account is not None and self.gate.account.ends_at <= instant_ms("to", to):
            if not self.gate.account.coming:
                break
            self.gate.now_us = max(self.gate.now_us, self.gate.account.ends_at * 1000)
            self.settle()
            self._know_more_periods()
        self.gate.now_us = instant_ms("to", to) * 1000
        self.settle()

    def settle(self) -> None:
        """The account notices the time, and what it journaled is booked."""
        if self.gate.account is not None:
            self.gate.touch()
            self._book()

    # What billing does.

    def begin(self, planned: Planned) -> Planned:
        """A new organization."""
        opening = planned.opening
        assert opening is not None
        self.gate.account = oracle.Account(
            period_no=opening.period_no,
            started_at=instant_ms("starts_at", opening.starts_at),
            ends_at=instant_ms("ends_at", opening.ends_at),
            status=opening.status,
            terms=self._known(opening.terms),
            coming=[self._coming(one) for one in opening.coming],
        )
        self.plans[planned.subscription.plan.config_version] = planned.subscription.plan
        self.subscription = planned.subscription
        self._open_period()
        self.take_over(planned)
        return planned

    def do(self, use_case: Callable[..., Planned], *arguments: Any, **more: Any) -> Planned:
        """A use case on the subscription and the account as they are now."""
        assert self.subscription is not None
        more = {"at": self.at, "operation_id": self._id(), **more}
        return self.take_over(use_case(self.subscription, self.view(), *arguments, **more))

    def take_over(self, planned: Planned) -> Planned:
        """Stores the subscription and applies its operations, which must keep to the table."""
        self.lines += planned.preview.recorded
        for one in planned.operations:
            keeps_to_the_table(one)
            self._apply(one)
        awaited = self.subscription is not None and self.subscription.awaits_payment
        self.subscription = planned.subscription
        self.plans[planned.subscription.plan.config_version] = planned.subscription.plan
        self.settle()
        if awaited and not planned.subscription.awaits_payment:
            self._open_period()
        return planned

    def spend(self, credits: int) -> str:
        """A sender at work; the tag of the answer."""
        tag = self.gate.spend(f"hld_{next(self._numbers)}", credits)[0]
        self._book()
        return tag

    # What there is.

    def begin_on(self, one: PlanView, anchor: Anchor | None = None, **more: Any) -> Planned:
        """A new organization that begins on a plan now."""
        return self.begin(
            start(
                one,
                anchor or anchored(self.at.day),
                organization_id="org_a",
                at=self.at,
                operation_id="first_allowance",
                **more,
            )
        )

    def view(self) -> AccountView:
        """The account as billing sees it."""
        a = self.gate.account
        starts_at = ms_instant(a.started_at)
        assert starts_at is not None
        return AccountView(
            organization_id="org_a",
            status=a.status,
            period_no=a.period_no,
            starts_at=starts_at,
            ends_at=ms_instant(a.ends_at),
            terms=self._terms[a.terms],
            base_left=self.left("base"),
            rollover_left=self.left("rollover"),
            debt=a.debt,
            grace_until=ms_instant(a.grace_until) if a.grace_until else None,
        )

    def left(self, kind: str) -> int:
        """Credits of one kind."""
        return sum(grant.left for grant in self.gate.account.grants if grant.source == kind)

    def due_cents(self) -> int:
        """The base price that is due for the running period, in cents."""
        version, share = self._began[self.gate.account.period_no]
        return cents_of(money_share(self.plans[version].base_price_usd, share))

    def admits(self) -> bool:
        """Whether the account's status lets anything through."""
        return self.gate.account.refusal(self.gate.now_ms) is None

    def entries(self, entry: str) -> list[int]:
        """The amounts of all legs of one entry type so far."""
        return [
            leg.amount for delta in self.gate.journal for leg in delta.legs if leg.entry == entry
        ]

    # The gate.

    def _apply(self, one: Operation) -> None:
        content: OperationContent = one.content
        answer = self.gate.apply(
            one.id,
            one.period_no or 0,
            content.status or "",
            grace_until=-1
            if content.grace_until is None
            else instant_ms("grace_until", content.grace_until),
            ends_at=oracle.NEVER
            if content.endless
            else -1
            if content.ends_at is None
            else instant_ms("ends_at", content.ends_at),
            terms=None if content.terms is None else self._known(content.terms),
            coming=None
            if content.coming is None
            else [self._coming(period) for period in content.coming],
            changes=tuple(
                oracle.Change(
                    change.entry,
                    "" if change.source == "any" else change.source,
                    change.credits,
                    instant_ms("expires_at", change.expires_at),
                    change.rest == "debt",
                )
                for change in content.changes
            ),
        )
        assert (answer[0], answer[-1]) == ("applied", 0), answer
        self._book()

    def _known(self, terms: Terms) -> oracle.Terms:
        known = oracle.Terms(
            config_version=terms.config_version,
            overage_limit=terms.overage_limit,
            rate_per_second=terms.rate_per_second,
            max_debt=terms.max_debt,
            max_rollover=-1 if terms.max_rollover_credits is None else terms.max_rollover_credits,
        )
        self._terms[known] = terms
        return known

    def _coming(self, period: ComingPeriod) -> oracle.Coming:
        return oracle.Coming(
            period.period_no,
            instant_ms("ends_at", period.ends_at),
            period.allowance,
            period.status or "",
            None if period.terms is None else self._known(period.terms),
        )

    def _know_more_periods(self) -> None:
        """What the reconciler does: two periods to come are always known."""
        a, subscription = self.gate.account, self.subscription
        if subscription is None or a.status == "cancelled" or len(a.coming) >= 2:
            return
        if not any(period.status == "cancelled" for period in a.coming):
            for one in calendar_operation("cancel_at_end", self._id(), subscription, self.view()):
                self._apply(one)

    def _id(self) -> str:
        return f"opn_{next(self._numbers)}"

    # The ledger.

    def _book(self) -> None:
        """Sums up what was journaled; a turn closes a period, invoices it and opens the next."""
        journal = self.gate.journal[self._seen :]
        self._seen += len(journal)
        for delta in journal:
            for leg in delta.legs:
                if leg.entry == "turn":
                    self._close(leg)
                elif leg.entry == "email_sent" or leg.source == "overage":
                    sums = self._used[leg.period_no, leg.config_version]
                    if leg.entry == "email_sent":
                        sums[0] -= leg.amount
                    if leg.source == "overage" and leg.entry != "period_reset":
                        sums[1] -= leg.amount
        a = self.gate.account
        if self.subscription is not None and a.status in SUBSCRIPTION_STATUSES and journal:
            self._project(a)

    def _close(self, turn: oracle.Leg) -> None:
        version, share = self._began.pop(turn.period_no, (turn.config_version, Fraction(0)))
        used = [
            UsedCredits(period_no=no, config_version=known, credits=credits, overage=overage)
            for (no, known), (credits, overage) in self._used.items()
        ]
        own = [one for one in used if one.period_no == turn.period_no]
        period = ClosedPeriod(
            period_no=turn.period_no,
            config_version=version,
            base_share=share,
            used=turn.amount,
            overage=sum(one.overage for one in own),
        )
        assert period.used == sum(one.credits for one in own)
        self.invoices.append(invoice_of(period, used, self.plans, self.lines))
        self.lines = []
        self._used.clear()

    def _project(self, a: oracle.Account) -> None:
        """What booking does to the subscription's row, and billing after a turn."""
        assert self.subscription is not None
        before = self.subscription
        after = before
        if before.status == "trialing" and a.status in ("active", "cancelled"):
            after = replace(after, status=a.status)
        elif a.status == "cancelled":
            after = replace(after, status="cancelled", awaits_payment=False, paused=None)
        if a.period_no not in self._began:
            after = caught_up(after, self.view())
            self.plans[after.plan.config_version] = after.plan
            self.subscription = after
            self._open_period()
        self.subscription = after

    def _open_period(self) -> None:
        assert self.subscription is not None
        account = self.view()
        version = self.subscription.plan.config_version
        self._began[account.period_no] = version, base_share(self.subscription, account)


def keeps_to_the_table(one: Operation) -> None:
    """An operation sets what its transition may set, and books what it may book."""
    if one.kind not in BY_NAME:
        assert one.kind == "first_allowance"
        return
    transition = BY_NAME[one.kind]  # type: ignore[index]
    content = one.content
    default = OperationContent()
    for name in ("status", "grace_until", "ends_at", "endless", "terms", "coming"):
        if getattr(content, name) != getattr(default, name):
            assert name in transition.fields, (one.kind, name)
    assert {change.entry for change in content.changes} <= transition.entries
    assert content.coming is None or one.period_no is not None


def anchored(day: int = 1, timezone: str = "UTC") -> Anchor:
    """Periods that begin at midnight on a day of the month."""
    return Anchor(day, timezone)
