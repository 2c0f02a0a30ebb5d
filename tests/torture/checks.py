"""What must be true when a storm is over: every sentence that these yield is a wrong."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gate.domain.operations import OperationContent
from gate.ledger.verify import verify
from tests.torture.books import read_books, settlement_fact
from tests.torture.diary import read_diary
from tests.torture.losses import Settlement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gate.ledger.chain_walk import Finding
    from gate.ledger.connection import Connection
    from tests.torture.books import Books, Entry
    from tests.torture.losses import Loss
    from tests.torture.organizations import Plan
    from tests.torture.stand import Stand

_SUMS: Final = """
SELECT a.organization_id, a.posted, a.used, a.overage, a.period_no, a.repair_state,
       coalesce((SELECT sum(delta) FROM credit_ledger l
                 WHERE l.organization_id = a.organization_id), 0)::bigint AS entries,
       coalesce((SELECT -sum(delta) FROM credit_ledger l
                 WHERE l.organization_id = a.organization_id
                   AND entry_type = 'email_sent'), 0)::bigint AS settled,
       coalesce((SELECT sum(credits_used) FROM usage_day u
                 WHERE u.organization_id = a.organization_id), 0)::bigint AS usage,
       s.credits_used, s.overage_credits_used, s.period_no AS subscription_period_no
FROM account a JOIN subscription s USING (organization_id)
"""
_INVOICES: Final = """
SELECT organization_id, array_agg(period_no ORDER BY period_no) AS periods
FROM billing_invoice GROUP BY organization_id
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM quarantine) AS quarantined,
       (SELECT count(*) FROM drift_report WHERE kind = 'gap') AS gaps,
       (SELECT count(*) FROM drift_report WHERE kind <> 'gap') AS reports,
       (SELECT count(*) FROM drift_report WHERE resolved_at IS NULL) AS unresolved,
       (SELECT sum(greatest(epoch - 1, 0)) FROM account) AS reloads,
       (SELECT count(*) FROM operation WHERE id LIKE 'rev\\_%' AND status = 'booked') AS reversed,
       (SELECT count(*) FROM credit_ledger WHERE late) AS late,
       (SELECT count(*) FROM credit_ledger WHERE repeated) AS repeated,
       (SELECT count(*) FROM credit_ledger) AS entries
"""


@dataclass
class Diaries:
    """What all senders wrote down. Of a settlement that was done more than once, as Redis had
    forgotten it, the last time counts; to say the answer again is not to do it."""

    asked: dict[Settlement, int] = field(default_factory=dict)
    acknowledged: dict[Settlement, float] = field(default_factory=dict)
    denied: int = 0
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Diaries:
        """All of them."""
        diaries = cls()
        for path in paths:
            for line in read_diary(path):
                settlement = Settlement(line.organization_id, line.id, line.part)
                if line.what == "ask":
                    diaries.asked[settlement] = line.credits
                elif line.what == "ack" and line.said == "replayed":
                    diaries.acknowledged.setdefault(settlement, line.at)
                elif line.what == "ack":
                    diaries.acknowledged[settlement] = line.at
                elif line.what == "no":
                    diaries.denied += 1
                elif line.what == "wrong":
                    diaries.wrong.append(f"{path.stem} was told of {line.id}: {line.said}")
        return diaries


class Missing(NamedTuple):
    """A settlement that was acknowledged and is not booked, and the fault that explains it."""

    fault: str
    settlement: Settlement
    acknowledged_at: float


@dataclass
class Verdict:
    """`counts` are for the summary; no `wrongs`: all is well."""

    counts: dict[str, int]
    lost: list[Missing]
    wrongs: list[str]


async def judge(
    stand: Stand, plans: Sequence[Plan], diaries: Diaries, losses: Sequence[Loss], *, calm: bool
) -> Verdict:
    """Everything that can be told from the ledger, the diaries and the faults."""
    wrongs = await _chains(stand)
    # Periods go on turning: everything is read at one moment.
    async with (
        stand.database() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        books = await read_books(connection)
        counts = {name: int(n or 0) for name, n in (await connection.fetchrow(_COUNTS)).items()}
        wrongs += await _sums(connection)
        wrongs += await _turns(connection, books, plans)
    lost: list[Missing] = []
    wrongs += diaries.wrong
    wrongs += wrong_settlements(books, diaries, losses, lost)
    wrongs += _operations(books)
    counts |= {
        "acknowledged": len(diaries.acknowledged),
        "denied": diaries.denied,
        "booked": sum(times > 0 for fact, times in books.standing.items() if fact.name[0] == "s"),
        "lost": len(lost),
    }
    if counts["quarantined"]:
        wrongs.append(f"{counts['quarantined']} entries are in quarantine")
    if calm:
        wrongs += [
            f"{name}: {counts[name]} in a calm run"
            for name in ("gaps", "reports", "reloads", "lost")
            if counts[name]
        ]
    return Verdict(counts, lost, wrongs)


async def _chains(stand: Stand) -> list[str]:
    """I5: numbers without gaps, balances and digests that follow one another."""
    found: list[Finding] = []
    await verify(stand.database_url, report=found.append)
    return [f"{one.organization_id} entry {one.entry_no}: {one.kind}: {one.said}" for one in found]


async def _sums(connection: Connection) -> list[str]:
    """I1: what is booked adds up to what the account has; projections follow it."""
    wrongs = []
    for row in await connection.fetch(_SUMS):
        same = {
            "posted": ("posted", "entries"),
            "usage of days": ("settled", "usage"),
            "credits_used": ("used", "credits_used"),
            "overage_credits_used": ("overage", "overage_credits_used"),
            "period_no": ("period_no", "subscription_period_no"),
        }
        wrongs += [
            f"{row['organization_id']}: {what}: {one} {row[one]}, {other} {row[other]}"
            for what, (one, other) in same.items()
            if row[one] != row[other]
        ]
    return wrongs


async def _turns(connection: Connection, books: Books, plans: Sequence[Plan]) -> list[str]:
    """I9: each period has turned once, with its own allowance, and has its invoice."""
    wrongs = []
    invoices = {row["organization_id"]: row["periods"] for row in await connection.fetch(_INVOICES)}
    numbers = dict(await connection.fetch("SELECT organization_id, period_no FROM account"))
    for plan in plans:
        name = plan.organization_id
        closed = list(range(1, numbers[name]))
        if invoices.get(name, []) != closed:
            wrongs.append(f"{name}: invoices of periods {invoices.get(name)}, not {closed}")
        given: dict[int, list[int]] = defaultdict(list)
        for entry in books.of(name):
            if (credits := _allowance_in(entry)) is not None:
                given[entry.period_no].append(credits)
        wrongs += [
            f"{name}: period {no} was given {given[no]}, not {plan.allowance_of(no)}"
            for no in sorted({*given, *range(2, numbers[name] + 1)})
            # A period that begins and ends in one delta gives and takes in one entry.
            if given[no] not in ([plan.allowance_of(no)], [0])
        ]
    return wrongs


def _allowance_in(entry: Entry) -> int | None:
    """What a turn gave, in the entry that gives it: debt first. Others only take base away."""
    base, debt = entry.split.get("base"), entry.split.get("debt")
    if entry.entry_type != "period_reset" or (base is None and debt is None):
        return None
    if base is not None and base <= 0:
        return None if base < 0 else 0
    return (base or 0) + (debt or 0)


def wrong_settlements(
    books: Books, diaries: Diaries, losses: Sequence[Loss], lost: list[Missing]
) -> Iterator[str]:
    """I4 and I8: what was acknowledged stands once, nothing twice, and nothing that nobody did."""
    asked = {settlement_fact(one): credits for one, credits in diaries.asked.items()}
    for fact, times in books.standing.items():
        if not fact.name.startswith("settlement:"):
            continue
        credits = -books.credits[fact]
        if fact not in asked:
            yield f"{fact}: nobody asked for it ({credits} credits)"
        elif times not in (0, 1) and credits:
            yield f"{fact} stands {times} times in the ledger, with {credits} credits"
        elif credits != (asked[fact] if times else 0):
            yield f"{fact}: {credits} credits are booked {times} times, not {asked[fact]}"
    for settlement, at in diaries.acknowledged.items():
        if books.standing[settlement_fact(settlement)] > 0:
            continue
        causes = [loss for loss in losses if loss.explains(settlement, at)]
        if causes:
            # What says exactly what it took comes first.
            cause = min(causes, key=lambda loss: loss.settlements is None)
            lost.append(Missing(cause.fault, settlement, at))
        else:
            yield f"{settlement_fact(settlement)} was acknowledged at {at:.3f} and is not booked"


def _operations(books: Books) -> Iterator[str]:
    """Each operation that is booked stands once, the others do not."""
    for fact, row in books.operations.items():
        if row["status"] not in ("booked", "stale", "rejected"):
            yield f"{fact} is {row['status']}"
        if row["kind"] == "reversal":
            continue  # what it is for is in the net of that
        # One whose delta was lost stands in the amount of a gap.
        in_a_gap = "its delta was lost" in (row["reason"] or "")
        stands = row["status"] == "booked" and not in_a_gap
        low, high = _range(row) if stands else (0, 0)
        times, credits = books.standing[fact], books.credits[fact]
        if times not in (0, 1) or not low <= credits <= high:
            yield (
                f"{fact} ({row['kind']}, {row['status']}) stands {times} times with {credits} "
                f"credits, expected {low} to {high}"
            )
    for fact in books.standing:
        if fact.name.startswith("operation:") and fact not in books.operations:
            yield f"{fact} is booked and has no row"


def _range(row: Any) -> tuple[int, int]:
    """What an operation may move: credits that it cannot take may be let go."""
    changes = msgspec.convert(row["content"], OperationContent).changes
    low = sum(one.credits for one in changes)
    dropped = sum(-one.credits for one in changes if one.credits < 0 and one.rest == "drop")
    return low, low + dropped
