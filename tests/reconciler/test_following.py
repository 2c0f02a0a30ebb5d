"""What the real scripts journal is followed to the last number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate.hot.live_account import unpack_account
from gate.ledger.chain import chain_digest
from reconciler.batch import LEDGER_COLUMNS, Known
from reconciler.image import DAY_MS
from tests.property.play import Step, play
from tests.property.profile import profile
from tests.property.strategies import STEPS, UNTIL, accounts
from tests.reconciler.following import (
    book,
    coming_of,
    image_of,
    operations_of,
    read_journal,
)
from tests.support.lua import Verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.batch import Read
    from reconciler.image import Image
    from tests.oracle import Account


@pytest.fixture
def verbs(redis_url: str) -> Iterator[Verbs]:
    """An empty Redis; every example empties it again."""
    with Verbs(redis_url) as verbs:
        yield verbs


def check_image(image: Image, packed: bytes) -> None:
    """The image is the live account."""
    live = unpack_account(packed)
    grants = {
        (kind, expires_at_ms // DAY_MS): left for kind, left, expires_at_ms in live.grants if left
    }
    assert {key: left for key, (left, _) in image.grants.items() if left} == grants
    for name in (
        "epoch",
        "seq",
        "period_no",
        "status",
        "frozen_reason",
        "posted",
        "overage",
        "debt",
        "used",
        "warned_percent",
        "allowance",
    ):
        assert getattr(image, name) == getattr(live, name), name
    assert image.terms.config_version == live.config_version
    assert len(image.coming) == len(live.coming)


@profile(150)
@given(account=accounts(), steps=st.lists(st.one_of(UNTIL, STEPS), min_size=10, max_size=60))
def test_i1_i4_i5_i9_the_image_follows_the_live_account(
    verbs: Verbs, account: Account, steps: list[Step]
) -> None:
    first = image_of(account)
    calls = play(verbs, account, steps)
    images = {"org_a": first}
    reads = read_journal(verbs)
    booking = book(images, reads, Known(operations=operations_of(calls)))
    image = images["org_a"]
    assert image.repair_state == "ok", (booking.batch.reports, reads)
    assert not booking.batch.reports
    assert not booking.batch.quarantined or all(
        "sends" in one.reason for one in booking.batch.quarantined
    )
    packed = verbs.redis.get(verbs.keys.account)
    if packed:
        check_image(image, packed)
    check_chain(booking.batch.entries, image_of(account).posted)
    assert coming_of(()) == ()


def check_chain(entries: list[tuple[object, ...]], posted: int) -> None:
    """I5: every entry goes on from the one before."""
    chain = b""
    for number, row in enumerate(entries, start=1):
        said = dict(zip(LEDGER_COLUMNS, row, strict=True))
        posted += said["delta"]
        assert said["balance_after"] == posted
        assert said["entry_no"] == number
        assert sum(said["split"].values()) == said["delta"]
        chain = chain_digest(
            chain,
            said["id"],
            said["organization_id"],
            number,
            said["entry_type"],
            said["delta"],
            posted,
            said["epoch"],
            said["seq"],
            said["delta_kind"],
            said["settlement_id"],
            said["part"],
            said["operation_id"],
            said["subscription_id"],
            said["period_no"],
            said["config_version"],
            round(said["created_at"].timestamp() * 1000),
            said["reference_id"],
            said["reason"],
            said["split"],
            said["late"],
            said["repeated"],
        )
        assert said["chain"] == chain


def without_loads(steps: list[Step]) -> list[Step]:
    """Steps in which the account stays where it is."""
    return [step for step in steps if step.verb not in ("load", "retire")]


def has_repeats(reads: list[Read]) -> bool:
    """Whether an id was settled twice, because Redis had forgotten it: only the ledger knows."""
    settled = [
        (read.delta.id, read.delta.part)
        for read in reads
        if read.delta.kind in ("committed", "spent")
    ]
    return len(settled) > len(set(settled))


@profile(150)
@given(account=accounts(), steps=st.lists(st.one_of(UNTIL, STEPS), min_size=10, max_size=60))
def test_facts_alone_come_to_the_same(verbs: Verbs, account: Account, steps: list[Step]) -> None:
    """While an account is reloaded only facts count; on the same grants they do what legs say."""
    calls = play(verbs, account, without_loads(steps))
    first, *reads = read_journal(verbs)
    assume(not has_repeats(reads))
    image = image_of(account)
    image.repair_state, image.repair_reason = "reloading", "diverged"
    image.epoch, image.seq = first.delta.epoch, first.delta.seq
    images = {"org_a": image}
    booking = book(images, reads, Known(operations=operations_of(calls)))
    check_numbers(images["org_a"], verbs.redis.get(verbs.keys.account))
    check_chain(booking.batch.entries, image_of(account).posted)


@profile(150)
@given(
    account=accounts(),
    steps=st.lists(st.one_of(UNTIL, STEPS), min_size=10, max_size=60),
    booked=st.floats(0, 1),
)
def test_i4_what_is_read_again_after_a_fork_is_booked_once(
    verbs: Verbs, account: Account, steps: list[Step], booked: float
) -> None:
    calls = play(verbs, account, without_loads(steps))
    reads = read_journal(verbs)
    assume(not has_repeats(reads))
    images = {"org_a": image_of(account)}
    known = Known(operations=operations_of(calls))
    before = book(images, reads[: round(booked * len(reads))], known)
    images["org_a"].mark("fork")
    again = book(images, reads, known)
    check_numbers(images["org_a"], verbs.redis.get(verbs.keys.account))
    check_chain(before.batch.entries + again.batch.entries, image_of(account).posted)


def check_numbers(image: Image, packed: bytes) -> None:
    """Credits and period are those of the live account."""
    live = unpack_account(packed)
    grants = {
        (kind, expires_at_ms // DAY_MS): left for kind, left, expires_at_ms in live.grants if left
    }
    assert {key: left for key, (left, _) in image.grants.items() if left} == grants
    for name in ("period_no", "posted", "overage", "debt", "used", "status"):
        assert getattr(image, name) == getattr(live, name), name
