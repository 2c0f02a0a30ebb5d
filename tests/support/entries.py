"""Ledger entries as the reconciler writes them, for tests of what reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gate.domain.ids import new_id
from gate.ledger.chain import START, chain_digest

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

COLUMNS = (
    "id organization_id subscription_id entry_type delta balance_after reason reference_id "
    "created_at entry_no epoch seq delta_kind settlement_id part operation_id period_no "
    "config_version split late repeated chain"
).split()


@dataclass
class Books:
    """The ledger of one organization in the making."""

    organization_id: str = "org_a"
    balance: int = 0
    chain: bytes = START
    at: datetime = field(
        default_factory=lambda: (datetime.now(UTC) - timedelta(minutes=5)).replace(microsecond=0)
    )
    rows: list[dict[str, Any]] = field(default_factory=list)

    def enter(self, delta: int, **columns: Any) -> dict[str, Any]:
        """One more entry: a spend of its own, unless `columns` say otherwise."""
        number = len(self.rows) + 1
        self.balance += delta
        self.at += timedelta(milliseconds=7)
        row = {
            "id": new_id("cld"),
            "organization_id": self.organization_id,
            "subscription_id": "sub_1",
            "entry_type": "email_sent",
            "delta": delta,
            "balance_after": self.balance,
            "reason": None,
            "reference_id": f"order {number}",
            "created_at": self.at,
            "entry_no": number,
            "epoch": 1,
            "seq": number,
            "delta_kind": "spent",
            "settlement_id": f"eml_{number}",
            "part": 0,
            "operation_id": None,
            "period_no": 3,
            "config_version": 2,
            "split": {"base": delta},
            "late": False,
            "repeated": False,
        } | columns
        hashed = {name: value for name, value in row.items() if name != "created_at"}
        created_at_ms = round(row["created_at"].timestamp() * 1000)
        self.chain = chain_digest(self.chain, created_at_ms=created_at_ms, **hashed)
        row["chain"] = self.chain
        self.rows.append(row)
        return row

    def operation(self, delta: int, operation_id: str, **columns: Any) -> dict[str, Any]:
        """An entry that books an operation."""
        booked = {
            "entry_type": "credit_purchased",
            "delta_kind": "applied",
            "settlement_id": None,
            "part": None,
            "operation_id": operation_id,
            "split": {"purchased": delta},
        }
        return self.enter(delta, **booked | columns)


async def write(connection: Connection, *books: Books, partition: int = 0) -> None:
    """Write entries and accounts."""
    for one in books:
        await connection.execute("INSERT INTO organization (id) VALUES ($1)", one.organization_id)
        await connection.execute(
            "INSERT INTO account (organization_id, partition, terms, posted, entry_no, chain)"
            " VALUES ($1, $2, '{}', $3, $4, $5)",
            *(one.organization_id, partition, one.balance, len(one.rows), one.chain),
        )
        await connection.copy_records_to_table(
            "credit_ledger",
            records=[tuple(row[name] for name in COLUMNS) for row in one.rows],
            columns=COLUMNS,
        )
