"""Entries of the quarantine that can be booked later are: once, and against the gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.hot.journal_stream import StreamEntry, delta_of
from reconciler.batch import LEDGER_COLUMNS, Known, Read
from reconciler.booking import Booking
from tests.oracle import Account, Grant
from tests.reconciler.following import book, image_of, read_journal
from tests.support.lua import Verbs

if TYPE_CHECKING:
    from reconciler.image import Image


def journal(redis_url: str) -> tuple[dict[str, Image], list[Read]]:
    """An account of 100 credits that spent 5, 7 and 9, and what it journaled."""
    account = Account(grants=[Grant("base", 100)])
    with Verbs(redis_url) as verbs:
        verbs.load(account)
        for number, credits in enumerate((5, 7, 9)):
            verbs.spend(f"eml_{number}", credits)
        return {"org_a": image_of(account)}, read_journal(verbs)


def rows(booking: Booking) -> list[dict[str, object]]:
    return [dict(zip(LEDGER_COLUMNS, row, strict=True)) for row in booking.batch.entries]


def damaged(read: Read) -> Read:
    """The same entry, for a reader that does not understand it."""
    return Read(read.partition, read.entry, None, "unknown kind")


def test_i1_i4_an_unreadable_entry_is_a_gap_and_its_replay_nets_against_it(redis_url: str) -> None:
    images, (loaded, first, second, third) = journal(redis_url)
    before = book(images, [loaded, first, damaged(second), third], known := Known())
    image = images["org_a"]
    assert [one.entry_id for one in before.batch.quarantined] == [second.entry.entry_id]
    assert [one.kind for one in before.batch.reports] == ["gap"]
    assert [(row["entry_type"], row["delta"]) for row in rows(before)] == [
        ("email_sent", -5),
        ("manual_adjustment", -7),
        ("email_sent", -9),
    ]
    assert image.posted == 79
    assert image.repair_state == "reloading"

    entry = StreamEntry(second.entry.entry_id, second.entry.fields)
    replaying = Booking(images, known)
    replaying.replay(Read(0, entry, delta_of(entry)))
    assert [(r["entry_type"], r["delta"], r["settlement_id"]) for r in rows(replaying)] == [
        ("manual_adjustment", 7, None),
        ("email_sent", -7, "eml_1"),
    ]
    assert image.posted == 79
    assert [row["balance_after"] for row in rows(replaying)] == [86, 79]

    again = Booking(images, known)
    again.replay(Read(0, entry, delta_of(entry)))
    assert again.batch.entries == []


def test_replay__of_what_no_gap_stood_for_is_booked_and_the_account_reloaded(
    redis_url: str,
) -> None:
    images, (loaded, first, *_) = journal(redis_url)
    book(images, [loaded], known := Known())
    replaying = Booking(images, known)
    replaying.replay(first)
    assert [(row["entry_type"], row["delta"]) for row in rows(replaying)] == [("email_sent", -5)]
    assert images["org_a"].posted == 95
    assert images["org_a"].repair_state == "reloading"
