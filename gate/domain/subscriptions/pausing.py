"""A pause stops the period: its credits stay, it does not end, nothing is due for it.

Resumed, it goes on where it stood: its end moves by the days that it was paused for. These are
counted over all pauses of a period together, half a day or more as one, so that a short pause moves
nothing, and many short ones no more than one long one. The time of day stays; later periods begin
on the new day of the month. For proration the period keeps the length that it had. Purchased
credits that expire on a day do so all the same, and holds that are open can be settled.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gate.domain.calendar import Anchor, period_boundary
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.operations import OperationContent
from gate.domain.subscriptions.periods import (
    caught_up,
    coming_of,
    judged_at,
    on_day_of,
    paid_span,
    running_span,
)
from gate.domain.subscriptions.planned import (
    Planned,
    Preview,
    credits_in_words,
    operation,
    status_for,
    when_in_words,
)
from gate.domain.subscriptions.states import next_status
from gate.domain.subscriptions.views import (
    AccountView,
    Paused,
    Rested,
    SubscriptionView,
    WholePeriod,
)

_SECOND = timedelta(seconds=1)
_DAY_S = 86_400
_HALF_A_DAY_S = 43_200
#: More than any clock on Earth differs from UTC.
_OFFSET_MAX = timedelta(hours=26)


def pause(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """Nothing is admitted any more until `resume`; what is scheduled waits. Raises Refused: it is
    not active. BadArgument."""
    subscription = caught_up(subscription, account)
    status = next_status("pause", subscription.status)
    assert status is not None
    now, period = judged_at(account, at), running_span(subscription, account)
    year = subscription.year
    if year is not None:
        year = year._replace(seconds=paid_span(subscription, account).seconds)
    after = replace(
        subscription,
        status=status,
        paused=Paused(now, period.ends_at),
        whole=WholePeriod(account.period_no, period.seconds),
        year=year,
    )
    content = OperationContent(status=status_for(account, "paused"), endless=True, coming=())
    left = credits_in_words(account.base_left)
    return Planned(
        operations=operation("pause", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(
                "Paused from now on: nothing is sent, nothing is due.",
                f"The plan's {left} and the rest of the period are kept until it is resumed.",
            )
        ),
    )


def resume(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """The period goes on, and so does what was scheduled. Raises Refused: it is not paused.
    BadArgument: before the pause."""
    status = next_status("resume", subscription.status)
    paused, now = subscription.paused, instant("at", at)
    assert status is not None
    assert paused is not None  # as its status says
    if now < paused.at:
        raise BadArgument("at", at, "after the pause began")
    ends_at, rested = _resumed(subscription, paused, account.period_no, now)
    anchor = subscription.anchor
    if ends_at != paused.ends_at:
        anchor = on_day_of(anchor, ends_at)
    after = replace(subscription, status=status, anchor=anchor, paused=None, rested=rested)
    content = OperationContent(
        status=status_for(account, "active"),
        ends_at=ends_at,
        coming=coming_of(after, period_no=account.period_no, ends_at=ends_at, terms=account.terms),
    )
    return Planned(
        operations=operation("resume", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(f"Resumed from now on; the period ends on {when_in_words(ends_at, after)}.",)
        ),
    )


def _resumed(
    subscription: SubscriptionView, paused: Paused, period_no: int, now: datetime
) -> tuple[datetime, Rested]:
    """The end of a period if it goes on now, and how long it was paused for by then."""
    before = subscription.rested
    if before is None or before.period_no != period_no:
        before = Rested(period_no, 0, 0)
    seconds = before.seconds + (now - paused.at) // _SECOND
    days = max(before.days, (seconds + _HALF_A_DAY_S) // _DAY_S)
    while True:
        ends_at = _days_later(subscription.anchor, paused.ends_at, days - before.days)
        if ends_at > now:
            return ends_at, Rested(period_no, seconds, days)
        days += 1  # rounded down, it would be over


def _days_later(anchor: Anchor, ends_at: datetime, days: int) -> datetime:
    """The same time of day, by the clocks there."""
    if days == 0:
        return ends_at
    shown = ends_at.astimezone(ZoneInfo(anchor.timezone)).replace(tzinfo=None)
    wall = shown + timedelta(days=days)
    that_day = replace(anchor, day=wall.day, time=wall.time())
    return period_boundary(that_day, wall.replace(tzinfo=UTC) - _OFFSET_MAX, 1)
