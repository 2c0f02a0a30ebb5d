"""What stands in the ledger, read as the senders and the platform would read it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.torture.losses import Settlement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.ledger.connection import Connection

_ENTRIES: Final = """
SELECT organization_id, entry_no, entry_type::text, delta, balance_after, epoch, seq, delta_kind,
       settlement_id, part, operation_id, reference_id, period_no, split, late, repeated
FROM credit_ledger ORDER BY organization_id, entry_no
"""


class Entry(NamedTuple):
    """A row of credit_ledger."""

    organization_id: str
    entry_no: int
    entry_type: str
    delta: int
    balance_after: int
    epoch: int
    seq: int
    delta_kind: str
    settlement_id: str | None
    part: int | None
    operation_id: str | None
    reference_id: str | None
    period_no: int
    split: Mapping[str, int]
    late: bool
    repeated: bool


class Fact(NamedTuple):
    """What may stand once: `settlement:<part>:<id>` or `operation:<id>`."""

    organization_id: str
    name: str


@dataclass
class Books:
    """`standing`: how often a fact stands, its deltas less their reversals; `credits`: what it
    moved, net. Absent: it never stood there."""

    entries: list[Entry]
    standing: Counter[Fact] = field(default_factory=Counter)
    credits: Counter[Fact] = field(default_factory=Counter)
    operations: dict[Fact, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        deltas: dict[Fact, Counter[tuple[int, int]]] = defaultdict(Counter)
        reverses: dict[Fact, Fact] = {}
        for entry in self.entries:
            fact = _fact(entry)
            if fact is not None:
                deltas[fact][entry.epoch, entry.seq] += entry.delta
                if (entry.operation_id or "").startswith("rev_") and entry.reference_id:
                    reverses[fact] = Fact(entry.organization_id, entry.reference_id)
        for fact, moved in deltas.items():
            step, at = 1, fact
            while True:
                self.standing[at] += step * len(moved)
                self.credits[at] += sum(moved.values())
                if at not in reverses:
                    break
                step, at = -step, reverses[at]

    def of(self, organization_id: str) -> list[Entry]:
        """Its entries, in order."""
        return [entry for entry in self.entries if entry.organization_id == organization_id]


def settlement_fact(settlement: Settlement) -> Fact:
    """The fact that something was settled."""
    return Fact(settlement.organization_id, f"settlement:{settlement.part}:{settlement.id}")


async def read_books(connection: Connection) -> Books:
    """All of it."""
    entries = [Entry(**row) for row in await connection.fetch(_ENTRIES)]
    books = Books(entries)
    rows: Iterable[Any] = await connection.fetch(
        "SELECT organization_id, id, kind, content, status, period_no, reason FROM operation"
    )
    for row in rows:
        books.operations[Fact(row["organization_id"], f"operation:{row['id']}")] = dict(row)
    return books


def _fact(entry: Entry) -> Fact | None:
    if entry.settlement_id is not None:
        name = f"settlement:{entry.part}:{entry.settlement_id}"
    elif entry.operation_id is not None and not _is_of_time(entry):
        name = f"operation:{entry.operation_id}"
    else:
        return None
    return Fact(entry.organization_id, name)


def _is_of_time(entry: Entry) -> bool:
    """Whether it books what time did before the operation, in the same delta."""
    return entry.entry_type in ("period_reset", "rollover_applied")
