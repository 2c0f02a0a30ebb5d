"""What booking writes: every table, and numbers that deltas may say but nobody would."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.limits import NEVER_MS
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.domain.sends import Send
from reconciler.batch import (
    Batch,
    Booked,
    ClosedPeriod,
    Event,
    HoldEnd,
    Quarantined,
    Report,
    SendNews,
    Usage,
)
from reconciler.image import DAY_MS, Image
from reconciler.reading import Cursor, lock_cursors, read_cursors, read_images
from reconciler.writing import (
    TrimPoint,
    WrittenCounts,
    mark_partition,
    move_cursors,
    trim_points,
    write_batch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.ledger.connection import Connection
    from tests.reconciler.conftest import AddAccount

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)
AT_MS = 1_772_368_215_250
LAST_MS = 253_402_300_799_999
BASE = ("base", NEVER_MS // DAY_MS)
ROLLOVER = ("rollover", NEVER_MS // DAY_MS)
PACK = ("purchased", AT_MS // DAY_MS)
BIGINT_MAX = 2**63 - 1


def entry(organization_id: str = "org_a", entry_no: int = 1, **changes: Any) -> tuple[object, ...]:
    """A row of the ledger, as booking makes it of a spend of one credit."""
    row: dict[str, object] = {
        "id": f"cld_{entry_no}",
        "organization_id": organization_id,
        "subscription_id": f"sub_{organization_id}",
        "entry_type": "email_sent",
        "delta": -1,
        "balance_after": 1000 - entry_no,
        "reason": None,
        "reference_id": "eml_1",
        "created_at": AT,
        "entry_no": entry_no,
        "epoch": 1,
        "seq": entry_no,
        "delta_kind": "spent",
        "settlement_id": f"hld_{entry_no}",
        "part": 0,
        "operation_id": None,
        "period_no": 1,
        "config_version": 1,
        "split": {"base": -1},
        "late": False,
        "repeated": False,
        "chain": b"\x01" * 32,
    }
    return tuple({**row, **changes}.values())


async def image_of(connection: Connection, organization_id: str = "org_a", **changes: Any) -> Image:
    """The account's image, changed."""
    image = (await read_images(connection, [organization_id]))[organization_id]
    return replace(image, changed=True, **changes)


async def write(connection: Connection, *images: Image, **parts: Any) -> WrittenCounts:
    """Write a batch of these, with a reconciler's rights."""
    batch = Batch(images={one.organization_id: one for one in images}, **parts)
    await connection.execute("SET LOCAL ROLE gate_reconciler")
    counts = await write_batch(connection, batch)
    await connection.execute("RESET ROLE")
    return counts


async def row_of(connection: Connection, query: str, *arguments: object) -> dict[str, Any]:
    """The only row of a query."""
    rows = await connection.fetch(query, *arguments)
    assert len(rows) == 1, rows
    return dict(rows[0])


# -- accounts, grants, subscriptions


async def test_image__is_read_as_it_was_written(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    terms = Terms(rate_per_second=9, max_rollover_credits=5, config_version=3)
    written = Image(
        organization_id="org_a",
        partition=3,
        subscription_id="sub_org_a",
        epoch=2,
        seq=2**48 - 1,
        posted=-5,
        held=7,
        overage=3,
        debt=4,
        used=17,
        warned_percent=90,
        allowance=1000,
        status="past_due",
        frozen_reason=None,
        grace_until=AT,
        period_no=2**32 - 1,
        starts_at=AT,
        ends_at=None,
        terms=terms,
        coming=(ComingPeriod(period_no=3, ends_at=AT, allowance=4, terms=terms),),
        entry_no=12,
        chain=b"\x02" * 32,
        look_up_until_ms=AT_MS + 1,
        sends_until_ms=AT_MS + 2,
        repair_state="reloading",
        repair_reason="fork",
        grants={BASE: (1, NEVER_MS), PACK: (-3, AT_MS), ROLLOVER: (0, NEVER_MS)},
        last_delta_ms=AT_MS,
        loaded_ms=AT_MS - 1,
        changed=True,
        reshaped=True,
        moved={BASE, PACK, ROLLOVER},
    )
    assert (await write(visitor, written)).accounts == 1
    assert written.changed, "the image stays as it is"
    found = (await read_images(visitor, ["org_a"]))["org_a"]
    del written.grants[ROLLOVER]
    assert found == replace(written, changed=False, reshaped=False, moved=set())


async def test_image__that_is_not_reshaped_keeps_its_shape(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account(terms=Terms(rate_per_second=5), allowance=7)
    image = await image_of(visitor, posted=3, terms=Terms(rate_per_second=6), allowance=8)
    await write(visitor, image)
    found = await image_of(visitor)
    assert (found.posted, found.terms.rate_per_second, found.allowance) == (3, 5, 7)


async def test_image__that_has_not_changed_is_not_written(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    image = replace(await image_of(visitor, posted=3), changed=False)
    assert await write(visitor, image) == WrittenCounts(0, 0, 0, 0)
    assert (await image_of(visitor)).posted == 0


async def test_repair__is_dated_from_when_the_account_was_last_healthy(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    image = await image_of(visitor)
    for state, reason, is_dated in [
        ("ok", None, False),
        ("reloading", "gap", True),
        ("reloading", "drift", True),
        ("ok", None, False),
    ]:
        image.repair_state, image.repair_reason = state, reason  # type: ignore[assignment]
        await write(visitor, image)
        query = "SELECT repair_state, repair_reason, repair_since IS NOT NULL FROM account"
        assert tuple((await row_of(visitor, query)).values()) == (state, reason, is_dated)
    image.repair_state = "reloading"
    await write(visitor, image)
    await visitor.execute("UPDATE account SET repair_since = $1", AT)
    image.repair_reason = "posted"
    await write(visitor, image)
    assert await visitor.fetchval("SELECT repair_since FROM account") == AT


async def test_grants__are_made_moved_and_forgotten(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    image = await image_of(visitor)
    later = AT_MS + 1000
    for grants, moved in [
        ({BASE: (5, NEVER_MS), PACK: (3, AT_MS)}, {BASE, PACK}),
        ({BASE: (4, NEVER_MS), PACK: (2, later)}, {BASE, PACK}),
        ({BASE: (9, NEVER_MS), PACK: (0, later)}, {PACK}),
    ]:
        image.grants, image.moved = dict(grants), moved
        await write(visitor, image)
    assert (await image_of(visitor)).grants == {BASE: (4, NEVER_MS)}
    query = "SELECT expires_at, expiry_day::text FROM account_grant"
    assert await row_of(visitor, query) == {"expires_at": None, "expiry_day": "infinity"}


SHOWN = (
    "SELECT credits_used, credits_remaining, rollover_credits, overage_credits_used, period_no,"
    " current_period_start, current_period_end, status::text FROM subscription"
)


async def test_subscription__shows_what_the_account_has(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    other_base = ("base", PACK[1])
    image = await image_of(
        visitor,
        used=17,
        overage=3,
        period_no=4,
        status="trialing",
        starts_at=AT,
        ends_at=AT + timedelta(days=30),
        grants={BASE: (5, NEVER_MS), other_base: (2, AT_MS), ROLLOVER: (1, 0), PACK: (9, AT_MS)},
    )
    await write(visitor, image)
    counters = {
        "credits_used": 17,
        "credits_remaining": 7,
        "rollover_credits": 1,
        "overage_credits_used": 3,
    }
    before = datetime(2026, 1, 1, tzinfo=UTC)
    period = {"period_no": 1, "current_period_start": before, "current_period_end": None}
    assert await row_of(visitor, SHOWN) == {**counters, **period, "status": "active"}
    image.reshaped = True
    await write(visitor, image)
    period = {"period_no": 4, "current_period_start": AT, "current_period_end": image.ends_at}
    assert await row_of(visitor, SHOWN) == {**counters, **period, "status": "trialing"}
    place = await visitor.fetchval("SELECT ctid::text FROM subscription")
    await write(visitor, image)
    assert await visitor.fetchval("SELECT ctid::text FROM subscription") == place
    image.starts_at = image.ends_at = None
    await write(visitor, image)
    shown = await row_of(visitor, SHOWN)
    assert (shown["current_period_start"], shown["current_period_end"]) == (AT, None)


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        ("active", "paused", "paused"),
        ("past_due", "frozen", "past_due"),
        ("active", "cancelled", "cancelled"),
        ("cancelled", "active", "cancelled"),
    ],
)
async def test_subscription__has_its_own_words(
    visitor: Connection, add_account: AddAccount, before: str, status: str, after: str
) -> None:
    """One that is cancelled stays so: its organization may have another one by now."""
    await add_account()
    image = await image_of(visitor, status=status, reshaped=True)
    await visitor.execute("UPDATE subscription SET status = $1", before)
    await visitor.execute(
        "INSERT INTO subscription (id, organization_id, plan_id, status, current_period_start)"
        " SELECT 'sub_other', 'org_a', 'pln_a', 'active', now() WHERE $1 = 'cancelled'",
        before,
    )
    await write(visitor, image)
    found = await visitor.fetchval("SELECT status FROM subscription WHERE id = 'sub_org_a'")
    assert found == after


# -- the ledger, usage


async def test_entries__are_booked_now(visitor: Connection) -> None:
    counts = await write(visitor, entries=[entry(entry_no=1), entry(entry_no=2, late=True)])
    assert counts.entries == 2
    query = (
        "SELECT count(*), min(booked_at) = now() AND max(booked_at) = now() AS is_now,"
        " sum(delta)::int AS sum, bool_or(late) AS late FROM credit_ledger"
    )
    assert await row_of(visitor, query) == {"count": 2, "is_now": True, "sum": -2, "late": True}
    assert await visitor.fetchval("SELECT split FROM credit_ledger LIMIT 1") == {"base": -1}


async def test_usage__adds_up(visitor: Connection) -> None:
    today, tomorrow = date(2026, 3, 1), date(2026, 3, 2)
    for _ in range(2):
        usage = {("org_a", today): Usage(5, 2), ("org_a", tomorrow): Usage(1, 0)}
        await write(visitor, usage=usage)
    rows = await visitor.fetch(
        "SELECT day, credits_used, overage_credits FROM usage_day ORDER BY day"
    )
    assert [tuple(row.values()) for row in rows] == [(today, 10, 4), (tomorrow, 2, 0)]


async def test_numbers_beyond_any_column__do_not_fail(
    visitor: Connection, add_account: AddAccount
) -> None:
    """What deltas say adds up to more than a bigint holds, and reaches the end of time."""
    await add_account()
    huge = 2**70
    image = await image_of(
        visitor,
        epoch=2**32 - 1,
        posted=-huge,
        held=2**53,
        overage=huge,
        debt=huge,
        used=huge,
        allowance=huge,
        warned_percent=2**53,
        last_delta_ms=LAST_MS,
        look_up_until_ms=LAST_MS + 9 * DAY_MS,
        sends_until_ms=LAST_MS + 9 * DAY_MS,
        grants={BASE: (huge, NEVER_MS), ("purchased", LAST_MS // DAY_MS): (-huge, LAST_MS)},
        moved={BASE, ("purchased", LAST_MS // DAY_MS)},
        reshaped=True,
    )
    closed = ClosedPeriod("org_a", "sub_org_a", 1, 1, AT, AT, huge, huge, huge, 2)
    await visitor.execute(
        "UPDATE plan SET base_price_usd = 9999999999.99, overage_price_per_email = 999999.999999"
    )
    report = Report("org_a", "gap", 1, 1, {"posted": 2**53}, {}, huge, "reload")
    for _ in range(5):
        usage = {("org_a", AT.date()): Usage(huge, -huge)}
        entries = [entry(balance_after=-huge, seq=2**48 - 1, delta=2**53), entry(delta=-(2**57))]
        await write(visitor, image, entries=entries, usage=usage, closed=[closed], reports=[report])
    found = await image_of(visitor)
    assert (found.posted, found.used, found.warned_percent) == (-BIGINT_MAX, BIGINT_MAX, 2**15 - 1)
    assert found.look_up_until_ms == found.sends_until_ms == LAST_MS
    assert found.grants[BASE] == (BIGINT_MAX, NEVER_MS)
    assert found.grants["purchased", LAST_MS // DAY_MS] == (-BIGINT_MAX, LAST_MS)
    balances = "SELECT min(balance_after) AS min, max(balance_after) AS max FROM credit_ledger"
    assert await row_of(visitor, balances) == {"min": -BIGINT_MAX, "max": 999}
    query = "SELECT credits_used, overage_credits FROM usage_day"
    used = {"credits_used": 3 * 2**61, "overage_credits": -3 * 2**61}
    assert await row_of(visitor, query) == used
    assert await visitor.fetchval("SELECT total_amount > 1e21 FROM billing_invoice")


# -- messages


def news(status: str, at: datetime = AT, send_id: str = "esn_1", **changes: Any) -> SendNews:
    """News of a message under hld_1; `paid` is the entry, the rest is the send's."""
    paid = changes.pop("paid", None)
    hold_id = changes.pop("hold_id", "hld_1")
    send = Send(**{"send_id": send_id, "recipient": "a@b.example", "credits": 2, **changes})
    return SendNews("org_a", "sub_org_a", send, status, hold_id, at, paid)


def ends(
    status: Any, at: datetime = AT, paid: int | None = None, hold_id: str = "hld_1"
) -> HoldEnd:
    """The end of a hold."""
    error = "the hold expired" if status == "failed" else None
    return HoldEnd("org_a", hold_id, status, error, at, paid)


def later(minutes: int) -> datetime:
    """So long after AT."""
    return AT + timedelta(minutes=minutes)


COUNTED = "SELECT emails_queued, emails_sent, emails_skipped, emails_failed, emails_bounced"
HISTORIES: dict[str, tuple[list[SendNews | HoldEnd], tuple[Any, ...], tuple[int, ...]]] = {
    # What happened · status, counted, credits, entry, error, sent_at, skipped_at · counts by status
    "queued": ([news("queued")], ("queued", False, 2, None, None, None, None), (1, 0, 0, 0, 0)),
    "sent": (
        [news("queued"), news("sent", later(1), paid=7)],
        ("sent", True, 2, 7, None, later(1), None),
        (1, 1, 0, 0, 0),
    ),
    "sent at once": ([news("sent", paid=7)], ("sent", True, 2, 7, None, AT, None), (0, 1, 0, 0, 0)),
    "sent with its hold": (
        [news("queued"), ends("sent", later(1), paid=8)],
        ("sent", True, 2, 8, None, later(1), None),
        (1, 1, 0, 0, 0),
    ),
    "another hold ends": (
        [news("queued"), ends("sent", later(1), paid=8, hold_id="hld_2")],
        ("queued", False, 2, None, None, None, None),
        (1, 0, 0, 0, 0),
    ),
    "expired, and sent late": (
        [news("queued"), ends("failed", later(1)), news("sent", later(2), paid=9)],
        ("sent", True, 2, 9, None, later(2), None),
        (1, 1, 0, 1, 0),
    ),
    "expired": (
        [news("queued"), ends("failed", later(1)), ends("sent", later(2), paid=9)],
        ("failed", False, 0, None, "the hold expired", None, None),
        (1, 0, 0, 1, 0),
    ),
    "skipped": (
        [news("skipped", skip_reason="duplicate", hold_id="", error="again")],
        ("skipped", False, 0, None, "again", None, AT),
        (0, 0, 1, 0, 0),
    ),
    "skipped of a hold": (
        [news("queued"), news("skipped", later(1)), ends("sent", later(2), paid=3)],
        ("skipped", False, 0, None, None, None, later(1)),
        (1, 0, 1, 0, 0),
    ),
    "bounced": (
        [news("sent", paid=7), news("bounced", later(1), error="550"), news("queued", later(2))],
        ("bounced", True, 2, 7, "550", AT, None),
        (0, 1, 0, 0, 1),
    ),
    "bounced before it was said to be sent": (
        [news("queued"), news("bounced", later(1), error="550"), news("sent", later(2), paid=7)],
        ("bounced", True, 2, 7, "550", later(2), None),
        (1, 1, 0, 0, 1),
    ),
    "told twice": (
        [news("queued"), news("sent", later(1), paid=7)] * 2,
        ("sent", True, 2, 7, None, later(1), None),
        (1, 1, 0, 0, 0),
    ),
    "paid twice": (
        [news("sent", paid=7), news("sent", later(1), paid=9, credits=5)],
        ("sent", True, 2, 7, None, AT, None),
        (0, 1, 0, 0, 0),
    ),
    "failed, and tried again": (
        [news("failed", error="421"), news("sent", later(1), paid=9, hold_id="hld_1.2")],
        ("sent", True, 2, 9, None, later(1), None),
        (0, 1, 0, 1, 0),
    ),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
async def test_message__comes_to_the_same_in_one_batch_and_in_many(
    visitor: Connection, history: tuple[list[Any], tuple[Any, ...], tuple[int, ...]], at_once: bool
) -> None:
    happened, row, counts = history
    for some in [happened] if at_once else [[one] for one in happened]:
        told = [one for one in some if isinstance(one, SendNews)]
        ended = [one for one in some if isinstance(one, HoldEnd)]
        await write(visitor, news=told, hold_ends=ended)
    query = (
        "SELECT status::text, counted_in_credits, credits_consumed, ledger_entry_no, error_message,"
        " sent_at, skipped_at FROM email_send"
    )
    assert tuple((await row_of(visitor, query)).values()) == row
    counted = await row_of(visitor, f"{COUNTED} FROM usage_day WHERE day = $1", AT.date())
    assert tuple(counted.values()) == counts


async def test_message__keeps_what_its_first_news_said(visitor: Connection) -> None:
    await write(visitor, news=[news("queued", subject="Hello")])
    await visitor.execute("UPDATE email_send SET recipient_email = NULL, subject = NULL")
    sent = news("sent", later(1), subject="Hi", provider_id="p_1", paid=4)
    assert (await write(visitor, news=[sent])).sends == 1
    query = (
        "SELECT organization_id, id, subscription_id, recipient_email, subject, provider_id,"
        " hold_id, skip_reason::text, created_at FROM email_send"
    )
    found = (await row_of(visitor, query)).values()
    assert [*found] == ["org_a", "esn_1", "sub_org_a", None, None, "p_1", "hld_1", None, AT]


async def test_messages__of_many_days_and_organizations(visitor: Connection) -> None:
    """News finds its row in the partition of another day, and no row of another organization."""
    await visitor.execute("SELECT ensure_send_partitions($1, 12)", AT.date() - timedelta(days=8))
    days = range(8)
    queued = [
        news("queued", AT - timedelta(days=day), f"esn_{day}", hold_id=f"hld_{day}") for day in days
    ]
    other = [one._replace(organization_id="org_b") for one in queued]
    assert (await write(visitor, news=[*queued, *other])).sends == 16
    sent = [news("sent", AT, f"esn_{day}", paid=day) for day in (0, 3, 7)]
    ended = [ends("failed", AT, hold_id=f"hld_{day}") for day in (1, 6)]
    assert (await write(visitor, news=sent, hold_ends=ended)).sends == 5
    query = (
        "SELECT array_agg(id ORDER BY id) FROM email_send"
        " WHERE organization_id = $1 AND status = $2"
    )
    found = [
        await visitor.fetchval(query, organization_id, status)
        for organization_id in ("org_a", "org_b")
        for status in ("queued", "sent", "failed")
    ]
    everything = [f"esn_{day}" for day in days]
    assert found == [
        *(["esn_2", "esn_4", "esn_5"], ["esn_0", "esn_3", "esn_7"], ["esn_1", "esn_6"]),
        *(everything, None, None),
    ]


# -- invoices


def closed(period_no: int = 1, **changes: Any) -> ClosedPeriod:
    """A period of 1,000 credits of which 1,003 were used."""
    period = ClosedPeriod(
        *("org_a", "sub_org_a", period_no, 1, AT, AT + timedelta(days=30), 1000, 1003, 3),
        next_period_no=period_no + 1,
    )
    return period._replace(**changes)


LINES = (
    "SELECT kind, credits, unit_price::text, amount::text, period_no, config_version"
    " FROM invoice_line ORDER BY line_no"
)


async def lines(connection: Connection) -> list[tuple[Any, ...]]:
    """The lines of the only invoice."""
    return [tuple(row.values()) for row in await connection.fetch(LINES)]


async def test_invoice__is_drafted_once_for_a_period(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    assert (await write(visitor, closed=[closed(), closed()])).invoices == 1
    assert (await write(visitor, closed=[closed(used=9)])).invoices == 0
    query = (
        "SELECT left(id, 4) AS id, organization_id, subscription_id, period_no, period_start,"
        " period_end, status::text, credits_included, credits_used, overage_credits,"
        " base_amount::text, overage_amount::text, total_amount::text FROM billing_invoice"
    )
    assert [*(await row_of(visitor, query)).values()] == [
        *("inv_", "org_a", "sub_org_a", 1, AT, AT + timedelta(days=30), "draft", 1000, 1003, 3),
        # 3 · 0.0015 = 0.0045
        *("49.00", "0.00", "49.00"),
    ]
    assert await lines(visitor) == [
        ("base", 1000, None, "49.00", 1, 1),
        ("overage", 3, "0.001500", "0.00", 1, 1),
    ]


@pytest.mark.parametrize(
    ("overage", "amount"), [(0, None), (3, "0.00"), (10, "0.02"), (4_503_599_627_370_496, None)]
)
async def test_overage__is_rounded_half_up(
    visitor: Connection, add_account: AddAccount, overage: int, amount: str | None
) -> None:
    await add_account()
    await write(visitor, closed=[closed(overage=overage)])
    found = {kind: line for kind, _, _, line, _, _ in await lines(visitor)}
    if overage == 0:
        assert found == {"base": "49.00"}
    else:
        assert found["overage"] == (amount or "6755399441055.74")
    total = "SELECT total_amount = (SELECT sum(amount) FROM invoice_line) FROM billing_invoice"
    assert await visitor.fetchval(total)


async def test_invoice__has_the_prices_of_its_terms(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    version = await visitor.fetchval(
        "INSERT INTO plan_version (plan_id, terms, monthly_credits, base_price_usd,"
        " overage_price_per_email) VALUES ('pln_a', '{}', 500, 19, 0.5) RETURNING config_version"
    )
    await write(visitor, closed=[closed(config_version=version)])
    assert await lines(visitor) == [
        ("base", 1000, None, "19.00", 1, version),
        ("overage", 3, "0.500000", "1.50", 1, version),
    ]


@pytest.mark.parametrize(("period_no", "pays"), [(1, True), (2, False), (12, False), (13, True)])
async def test_annual_plan__pays_its_base_once_a_year(
    visitor: Connection, add_account: AddAccount, period_no: int, pays: bool
) -> None:
    await add_account()
    await visitor.execute("UPDATE plan SET billing_cycle = 'annual'")
    await write(visitor, closed=[closed(period_no, overage=0)])
    assert [kind for kind, *_ in await lines(visitor)] == ["base"] * pays
    total = await visitor.fetchval("SELECT total_amount::text FROM billing_invoice")
    assert total == ("49.00" if pays else "0.00")


async def test_period__without_a_subscription_has_no_invoice(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    periods = [closed(subscription_id=None), closed(subscription_id="sub_gone")]
    assert (await write(visitor, closed=periods)).invoices == 0


# -- events, operations, what went wrong


async def test_event__is_told_once(visitor: Connection) -> None:
    event = Event("billing.quota.warning", "quota.warning.org_a.1.80", {"percent": 80})
    other = event._replace(message_id="quota.warning.org_a.1.90", payload={"used": 2**53})
    await write(visitor, events=[event, event])
    await write(visitor, events=[event._replace(payload={}), other])
    rows = await visitor.fetch("SELECT subject, message_id, payload FROM event_outbox ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [tuple(event), tuple(other)]


OPERATION = "SELECT status, booked_at = now() AS is_now, booked_epoch, booked_seq FROM operation"


@pytest.mark.parametrize(
    ("before", "deltas", "after"),
    [
        ("pending", ["booked"], ("booked", True, 1, 10)),
        ("applied", ["stale"], ("stale", None, None, None)),
        ("applied", [None], ("applied", None, None, None)),
        ("applied", [None, "booked", "booked", "stale"], ("booked", True, 1, 11)),
        ("applied", ["stale", "booked"], ("booked", True, 1, 11)),
        ("stale", ["booked"], ("booked", True, 1, 10)),
        ("booked", ["booked"], ("booked", None, None, None)),
        ("booked", ["stale"], ("booked", None, None, None)),
    ],
)
async def test_operation__is_booked_for_good(
    visitor: Connection, add_account: AddAccount, before: str, deltas: list[Any], after: Any
) -> None:
    await add_account()
    await visitor.execute(
        "INSERT INTO operation (organization_id, id, kind, status)"
        " VALUES ('org_a', 'opn_1', 'x', $1)",
        before,
    )
    booked = [
        Booked("org_a", "opn_1", status, 1, seq) for seq, status in enumerate(deltas, start=10)
    ]
    await write(visitor, booked=[*booked, Booked("org_a", "opn_unknown", "booked", 1, 1)])
    assert tuple((await row_of(visitor, OPERATION)).values()) == after


async def test_reversal__is_an_operation_that_is_made_once(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    change = CreditChange(entry="refund", source="any", credits=-5, rest="debt")
    reversal = Operation(
        organization_id="org_a",
        id="rev_1_2_ab",
        kind="reversal",
        content=OperationContent(changes=(change,)),
        reference="settlement:0:hld_1",
        reason="booked before",
    )
    for _ in range(2):
        await write(visitor, reversals=[reversal, reversal])
    query = "SELECT id, kind, content, reference, reason, actor, status, period_no FROM operation"
    assert [*(await row_of(visitor, query)).values()] == [
        *("rev_1_2_ab", "reversal"),
        {"changes": [{"entry": "refund", "source": "any", "credits": -5, "rest": "debt"}]},
        *("settlement:0:hld_1", "booked before", "reconciler", "pending", None),
    ]


async def test_what_cannot_be_booked__is_kept(visitor: Connection) -> None:
    quarantined = Quarantined(3, "7-1", (b"o", b"\0\xff"), None, "no delta")
    report = Report("org_a", "gap", 1, 9, {"posted": 5}, {"posted": 4}, None, "reload")
    await write(visitor, quarantined=[quarantined], reports=[report])
    query = "SELECT partition, entry_id, fields, organization_id, reason FROM quarantine"
    found = await row_of(visitor, query)
    assert (*found.values(),) == (3, "7-1", [b"o", b"\0\xff"], None, "no delta")
    query = (
        "SELECT organization_id, kind, epoch, seq, live, booked, credits, action, resolved_at"
        " FROM drift_report"
    )
    assert (*(await row_of(visitor, query)).values(),) == (*report, None)


# -- many


async def written(connection: Connection, images: Iterable[Image], entries: int) -> None:
    """Write `entries` spends of one credit, spread over the images, and read everything back."""
    spending = {one.organization_id: replace(one, changed=True) for one in images}
    order = list(spending.values())
    batch = Batch(images=spending)
    for number in range(entries):
        image = order[number % len(order)]
        image.seq, image.entry_no = image.seq + 1, image.entry_no + 1
        image.posted, image.used = image.posted - 1, image.used + 1
        image.grants[BASE] = (image.grants[BASE][0] - 1, NEVER_MS)
        image.moved.add(BASE)
        batch.entries.append(entry(image.organization_id, image.entry_no))
        usage = batch.usage.setdefault((image.organization_id, AT.date()), Usage())
        usage.credits += 1
    counts = await write_batch(connection, batch)
    assert counts == WrittenCounts(entries, len(order), 0, 0)
    found = await read_images(connection, list(spending))
    assert found == {
        name: replace(
            one,
            changed=False,
            moved=set(),
            grants={key: grant for key, grant in one.grants.items() if grant[0]},
        )
        for name, one in spending.items()
    }
    query = (
        "SELECT (SELECT count(*) FROM credit_ledger) AS booked,"
        " (SELECT sum(credits_used) FROM usage_day) AS used,"
        " (SELECT sum(credits_used) FROM subscription) AS shown"
    )
    assert [*(await row_of(connection, query)).values()] == [entries] * 3


async def test_batch__of_3000_deltas_of_one_organization(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account(last_delta_at=AT)
    image = await image_of(visitor, grants={BASE: (5000, NEVER_MS)})
    await written(visitor, [image], 3000)


async def test_batch__of_3000_organizations(visitor: Connection, add_account: AddAccount) -> None:
    await add_account("org_0", last_delta_at=AT, coming=[])
    await visitor.execute(
        "INSERT INTO organization (id) SELECT 'org_' || n FROM generate_series(1, 2999) n;"
        "INSERT INTO subscription (id, organization_id, plan_id, current_period_start)"
        " SELECT 'sub_org_' || n, 'org_' || n, 'pln_a', now() FROM generate_series(1, 2999) n;"
        "INSERT INTO account (organization_id, partition, terms)"
        " SELECT 'org_' || n, 3, (SELECT terms FROM account) FROM generate_series(1, 2999) n;"
        "INSERT INTO account_grant (organization_id, kind, credits_left)"
        " SELECT organization_id, 'base', 1 FROM account"
    )
    images = await read_images(visitor, [f"org_{number}" for number in range(3000)])
    await written(visitor, images.values(), 3000)
    assert await visitor.fetchval("SELECT count(*) FROM account_grant") == 0


# -- cursors


async def pass_time(connection: Connection, seconds: float) -> None:
    """Notes of cursors are so much older."""
    await connection.execute(
        "UPDATE cursor_history SET booked_at = booked_at - make_interval(secs => $1)", seconds
    )


async def test_cursors__move_and_are_noted_now_and_then(visitor: Connection) -> None:
    await lock_cursors(visitor, [3, 5])
    for number in range(1, 5):
        moved = {3: Cursor(f"{number}-0", b"\x03", number), 5: Cursor("9-9", b"\x05", 7)}
        await move_cursors(visitor, moved, margin_s=60)
        await pass_time(visitor, 0.4)
    assert await read_cursors(visitor, [3, 5]) == moved
    query = "SELECT array_agg(entry_id ORDER BY booked_at) FROM cursor_history WHERE partition = 3"
    assert await visitor.fetchval(query) == ["1-0", "4-0"]


async def test_trim_points__are_as_old_as_the_margin(visitor: Connection) -> None:
    await lock_cursors(visitor, [3])
    for number in range(1, 11):
        await move_cursors(visitor, {3: Cursor(f"{number}-0", b"\x03", number)}, margin_s=60)
        points = await trim_points(visitor, [3, 4], 60)
        # Ten seconds pass between them.
        assert points == ({3: TrimPoint(f"{number - 6}-0", b"\x03")} if number > 6 else {})
        await pass_time(visitor, 10)
    assert await visitor.fetchval("SELECT count(*) FROM cursor_history") == 7


async def test_clock_that_was_set_back__does_not_stop_the_notes(visitor: Connection) -> None:
    await lock_cursors(visitor, [3])
    await move_cursors(visitor, {3: Cursor("1-0", b"", 1)}, margin_s=60)
    await pass_time(visitor, -3600)
    await move_cursors(visitor, {3: Cursor("2-0", b"", 2)}, margin_s=60)
    assert await visitor.fetchval("SELECT array_agg(entry_id) FROM cursor_history") == ["2-0"]


async def test_nothing_that_moves__is_no_statement() -> None:
    nobody: Any = None
    await move_cursors(nobody, {}, margin_s=60)
    assert await write_batch(nobody, Batch()) == WrittenCounts(0, 0, 0, 0)


async def test_fork__marks_the_healthy_and_starts_again(
    visitor: Connection, add_account: AddAccount
) -> None:
    for name, columns in {
        "org_a": {},
        "org_b": {"partition": 4},
        "org_c": {"repair_state": "stopped", "repair_reason": "drift"},
        "org_d": {"repair_state": "reloading", "repair_reason": "posted", "repair_since": AT},
    }.items():
        await add_account(name, **columns)
    await lock_cursors(visitor, [3, 4])
    moved = {3: Cursor("5-0", b"\x03", 8), 4: Cursor("6-0", b"\x04", 9)}
    await move_cursors(visitor, moved, margin_s=60)
    await pass_time(visitor, 100)
    await mark_partition(visitor, 3, "fork")
    assert await read_cursors(visitor, [3, 4]) == {**moved, 3: Cursor("", b"", 8)}
    assert await trim_points(visitor, [3, 4], 60) == {4: TrimPoint("6-0", b"\x04")}
    rows = await visitor.fetch(
        "SELECT repair_state, repair_reason, repair_since = now() AS is_now FROM account"
        " ORDER BY organization_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("reloading", "fork", True),
        ("ok", None, None),
        ("stopped", "drift", None),
        ("reloading", "posted", False),
    ]


async def test_fork__of_a_partition_without_a_cursor(visitor: Connection) -> None:
    await mark_partition(visitor, 3, "fork")
    assert await read_cursors(visitor, [3]) == {3: Cursor("", b"", 0)}
