"""Proves a run from three sides: the sender's own count, the live account, the ledger."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gate.demo.tally import STOPPED
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from gate.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.demo.standing import Standing
    from gate.demo.tally import Tally
    from gate.ledger.chain_walk import Finding
    from gate.ledger.connection import Pool

#: What is counted, and how often, by one side and by another.
Fact: TypeAlias = tuple[str, int, str, int]


class Entries(NamedTuple):
    """What the ledger's entries of one organization add up to: `posted` in all, `moved` over the
    run, `used` by the holds of this run in it."""

    posted: int = 0
    moved: int = 0
    used: int = 0


class Ledger(NamedTuple):
    """What the ledger says of one organization over a run; `sends`: messages of the run by status,
    `faults`: what is wrong with the chain of its entries."""

    entries: Entries
    sends: Counter[str]
    faults: tuple[str, ...] = ()


class Books(NamedTuple):
    """One organization over one run. before + other − spent = after, all of them posted credits,
    where `spent` and `other` (periods that turned, packs that lapsed, other senders) are what the
    ledger's entries say; `booked`: what all of them add up to.

    `mistakes`: sentences, empty if sender, account and ledger agree.
    """

    before: Standing
    after: Standing
    spent: int
    other: int
    booked: int
    mistakes: tuple[str, ...]


class _Sum(NamedTuple):
    organization_id: str
    posted: int
    moved: int
    used: int


class _Count(NamedTuple):
    organization_id: str
    status: str
    sends: int


async def read_ledger(
    pool: Pool, before: Mapping[str, Standing], after: Mapping[str, Standing], run_id: str
) -> dict[str, Ledger]:
    """What the ledger says of the organizations of `before`, up to where `after` found it. Chains
    are left out. Raises Unavailable, ContractError."""
    ids = list(before)
    async with borrowed(pool) as connection:
        sums = await load_statement("sum_entries").fetch(
            connection,
            _Sum,
            ids,
            [before[one].booked.entry_no for one in ids],
            [after[one].booked.entry_no for one in ids],
            f"{run_id}.",
        )
        counts = await load_statement("count_sends").fetch(connection, _Count, ids, f"{run_id}.")
    entries = {one.organization_id: Entries(one.posted, one.moved, one.used) for one in sums}
    sends: dict[str, Counter[str]] = {one: Counter() for one in ids}
    for count in counts:
        sends[count.organization_id][count.status] = count.sends
    return {one: Ledger(entries.get(one, Entries()), sends[one]) for one in ids}


async def verify_chains(
    database_url: str, organization_ids: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """What is wrong with the chains of entries of some organizations, in sentences; each is read
    from its first entry on. Raises Unavailable, ContractError."""
    faults: dict[str, tuple[str, ...]] = {}
    for organization_id in organization_ids:
        found: list[Finding] = []
        await verify(database_url, organization_id, report=found.append)
        faults[organization_id] = tuple(_sentence(one) for one in found if one.is_fault)
    return faults


def close_books(before: Standing, after: Standing, ledger: Ledger, tally: Tally) -> Books:
    """Compares. Of a ledger that has not caught up, that alone is told."""
    told = (before.differs and f"before anything was sent {before.differs}", after.differs)
    mistakes = [text for text in (*told, *ledger.faults) if text]
    if after.is_caught_up:
        mistakes += [
            f"{left:,} {one}, {right:,} {other}"
            for one, left, other, right in _facts(before, after, ledger, tally)
            if left != right
        ]
    entries, name = ledger.entries, after.live.organization_id
    return Books(
        before,
        after,
        entries.used,
        entries.moved + entries.used,
        entries.posted,
        tuple(f"{name}: {mistake}" for mistake in mistakes),
    )


def _facts(before: Standing, after: Standing, ledger: Ledger, tally: Tally) -> Iterator[Fact]:
    """What two sides say of the same thing."""
    entries, sends = ledger.entries, ledger.sends
    posted = before.booked.posted + entries.moved
    yield "letters ended", tally.done, "letters read", tally.letters
    yield "credits that commits said", tally.spent, "email_sent in the ledger", entries.used
    yield "posted by the entries", entries.posted, "by the ledger's account", after.booked.posted
    yield "posted before and by entries since", posted, "by the account", after.live.posted
    yield "credits held by this run", max(0, after.live.held - before.live.held), "open", 0
    yield "messages queued", sends["queued"], "under way", 0
    if tally.repeated:
        # What an earlier start of this run settled, that start has counted by its fate.
        settled = tally.sent + tally.refused + tally.repeated
        yield "letters settled", settled, "messages sent or failed", sends["sent"] + sends["failed"]
    else:
        skipped = tally.skipped.total() - tally.skipped[STOPPED]
        yield "letters sent", tally.sent, "messages sent in the ledger", sends["sent"]
        yield "letters refused", tally.refused, "messages failed in the ledger", sends["failed"]
        yield "letters skipped", skipped, "messages skipped in the ledger", sends["skipped"]


def _sentence(finding: Finding) -> str:
    place = "its ledger" if finding.entry_no is None else f"entry {finding.entry_no:,}"
    return f"{place}: {finding.said}"
