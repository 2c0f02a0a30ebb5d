"""Plays random verbs on Redis and books what they journaled, without PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gate.domain import accounts as domain
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.hot.journal_stream import StreamEntry, delta_of
from reconciler.batch import Known, KnownOperation, Read
from reconciler.booking import Booking
from reconciler.image import DAY_MS, Image
from tests.oracle import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.oracle import Account, Change, Coming, Terms
    from tests.property.play import Call
    from tests.support.lua import Verbs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(ms: int) -> datetime | None:
    """As PostgreSQL keeps it."""
    return None if ms in (NEVER, 0) else _EPOCH + timedelta(milliseconds=ms)


def terms_of(terms: Terms) -> domain.Terms:
    """The oracle's terms as the domain's."""
    return domain.Terms(
        rate_per_second=terms.rate_per_second,
        burst=terms.burst,
        rate_per_minute=terms.rate_per_minute or None,
        rate_per_hour=terms.rate_per_hour or None,
        strict_burst=terms.strict_burst,
        overage_limit=terms.overage_limit,
        max_open_holds=terms.max_open_holds or None,
        max_attachment_size_mb=terms.max_attachment_size_mb,
        max_debt=terms.max_debt,
        max_rollover_credits=None if terms.max_rollover < 0 else terms.max_rollover,
        warn_at=terms.warn_percents,
        config_version=terms.config_version,
    )


def coming_of(periods: Iterable[Coming]) -> tuple[domain.ComingPeriod, ...]:
    """The oracle's periods to come as the domain's."""
    return tuple(
        domain.ComingPeriod(
            period_no=period.period_no,
            ends_at=instant(period.ends_at),
            allowance=period.allowance,
            status=period.status or None,
            terms=terms_of(period.terms) if period.terms else None,
        )
        for period in periods
    )


def image_of(account: Account, organization_id: str = "org_a") -> Image:
    """The row of an account that is about to be loaded for the first time."""
    left = sum(grant.left for grant in account.grants)
    return Image(
        organization_id=organization_id,
        partition=0,
        subscription_id="sub_a",
        epoch=account.epoch - 1,
        seq=account.seq,
        posted=left - account.overage - account.debt,
        held=0,
        overage=account.overage,
        debt=account.debt,
        used=account.used,
        warned_percent=account.warned_percent,
        allowance=account.warn_basis,
        status=account.status,
        frozen_reason=account.reason if account.status == "frozen" else None,
        grace_until=instant(account.grace_until),
        period_no=account.period_no,
        starts_at=instant(account.started_at),
        ends_at=instant(account.ends_at),
        terms=terms_of(account.terms),
        coming=coming_of(account.coming),
        entry_no=0,
        chain=b"",
        look_up_until_ms=0,
        sends_until_ms=0,
        repair_state="ok",
        repair_reason=None,
        grants={
            (grant.source, grant.expires_at // DAY_MS): (grant.left, grant.expires_at)
            for grant in account.grants
        },
    )


def content_of_call(given: dict[str, Any]) -> OperationContent:
    """What a call of `apply` asked for."""
    ends_at = given.get("ends_at", -1)
    grace_until = given.get("grace_until", -1)
    return OperationContent(
        changes=tuple(map(_change, given.get("changes", ()))),
        status=given.get("status") or None,
        frozen_reason=given.get("status_reason") or None,
        grace_until=None if grace_until < 0 else _EPOCH + timedelta(milliseconds=grace_until),
        ends_at=None if ends_at in (-1, NEVER) else _EPOCH + timedelta(milliseconds=ends_at),
        endless=ends_at == NEVER,
        terms=terms_of(given["terms"]) if given.get("terms") else None,
        coming=coming_of(given["coming"]) if "coming" in given else None,
    )


def _change(change: Change) -> CreditChange:
    return CreditChange(
        entry=change.entry,
        source=change.source or "any",
        credits=change.credits,
        expires_at=instant(change.expires_at),
        rest="debt" if change.rest_to_debt else "drop",
    )


def operations_of(calls: Sequence[Call]) -> dict[tuple[str, str], KnownOperation]:
    """The operations that accounts took over."""
    found = {}
    for call in calls:
        if call.step.verb == "apply" and call.answer[0] == "applied" and not call.answer[-1]:
            operation = Operation(
                organization_id="org_a",
                id=call.arguments["id"],
                kind="test",
                content=content_of_call(call.arguments),
                period_no=call.arguments.get("period_no") or None,
            )
            found["org_a", operation.id] = KnownOperation(operation, "applied")
    return found


def read_journal(verbs: Verbs) -> list[Read]:
    """All entries of the journal."""
    found = []
    for entry_id, fields in verbs.redis.xrange(verbs.keys.journal):
        flat = tuple(item for pair in fields.items() for item in pair)
        entry = StreamEntry(entry_id.decode(), flat)
        found.append(Read(0, entry, delta_of(entry)))
    return found


def book(images: dict[str, Image], reads: Iterable[Read], known: Known | None = None) -> Booking:
    """Books everything in one batch; diverged accounts count as looked up."""
    known = known or Known()
    known.looked_up = frozenset(images)
    booking = Booking(images, known)
    for read in reads:
        booking.book(read)
    return booking
