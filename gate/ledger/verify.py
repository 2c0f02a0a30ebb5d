"""Goes over the whole ledger, or one organization's, and says what is not as it was booked.

Reads pages in snapshots of their own, beside booking, and keeps one page in memory.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import GateError
from gate.ledger.chain_walk import ChainEnd, ChainWalk, Finding
from gate.ledger.entry import Entry
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.ledger.connection import Connection

PAGE_ROWS: Final = 5_000
_STATEMENT_TIMEOUT_MS: Final = 120_000
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LEDGER: Final = "credit_ledger"
_BEFORE_ALL: Final = -(2**63)


class UnknownOrganization(GateError):
    """The ledger has neither an account nor an entry of it."""

    code = "gate.unknown_organization"


class Progress(NamedTuple):
    """How far it is. `expected`: entries that accounts count, detached ones among them."""

    entries: int
    expected: int
    organizations: int
    faults: int


class Verified(NamedTuple):
    """What was gone over. `head`: the digest of the last entry, if it was one organization."""

    organizations: int
    entries: int
    faults: int
    detached: int
    head: bytes | None


class DailyTable(NamedTuple):
    """A daily partition of `parent`, or one that was detached."""

    parent: str
    day: date
    attached: bool


async def verify(
    url: str,
    organization_id: str | None = None,
    *,
    report: Callable[[Finding], None],
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Verified:
    """Verify one organization's ledger, or all; `report` is told of each finding as it comes,
    `progress` after each page. Raises UnknownOrganization, Unavailable, ContractError."""
    async with connected(
        url, application_name="gate ledger verify", statement_timeout_ms=_STATEMENT_TIMEOUT_MS
    ) as connection:
        return await verify_over(connection, organization_id, report=report, progress=progress)


async def verify_over(
    connection: Connection,
    organization_id: str | None = None,
    *,
    report: Callable[[Finding], None],
    progress: Callable[[Progress], None] = lambda progress: None,
    page_rows: int = PAGE_ROWS,
) -> Verified:
    """As `verify`, over a connection that is in no transaction, in pages of so many entries (2 or
    more)."""
    return await _Verification(connection, organization_id, report, progress, page_rows).run()


class _Verification:
    """One run over a connection of its own."""

    def __init__(
        self,
        connection: Connection,
        organization_id: str | None,
        report: Callable[[Finding], None],
        progress: Callable[[Progress], None],
        page_rows: int,
    ) -> None:
        self._connection = connection
        self._only = organization_id
        self._report = report
        self._progress = progress
        self._page_rows = page_rows
        #: Organizations whose entries are not all read, or whose account is not.
        self._walks: dict[str, ChainWalk] = {}
        #: Of the accounts that were compared, the last.
        self._compared = ""
        self._tables: list[DailyTable] = []
        self._entries = self._organizations = self._faults = self._detached = 0
        self._head: bytes | None = None

    async def run(self) -> Verified:
        expected = await load_statement("count_booked").fetch_one(
            self._connection, lambda entries: int(entries), self._only
        )
        place: tuple[str, int] | None = (self._only or "", _BEFORE_ALL)
        while place is not None:
            async with self._connection.transaction():
                await self._connection.execute(_SNAPSHOT)
                place = await self._page(*place)
            self._progress(
                Progress(self._entries, expected or 0, self._organizations, self._faults)
            )
        if self._only is not None and not self._organizations:
            raise UnknownOrganization(f"the ledger knows no organization {self._only}")
        return Verified(
            self._organizations, self._entries, self._faults, self._detached, self._head
        )

    async def _page(self, organization_id: str, entry_no: int) -> tuple[str, int] | None:
        """Reads the entries behind a place, and the accounts of those that end among them; the
        place to go on from, None at the end."""
        self._tables = await load_statement("list_daily_tables").fetch(self._connection, DailyTable)
        rows = await load_statement("page_entries").fetch(
            self._connection, Entry, organization_id, entry_no, self._page_rows
        )
        is_last = len(rows) < self._page_rows
        begun = None if is_last else rows[-1].organization_id
        if not is_last:
            rows = _without_last_number(rows)
        place = None if is_last else (rows[-1].organization_id, rows[-1].entry_no)
        if self._only is not None:
            rows = [row for row in rows if row.organization_id == self._only]
            if begun != self._only:
                begun = place = None
        for row in rows:
            walk = self._walks.get(row.organization_id)
            if walk is None:
                walk = self._walks[row.organization_id] = ChainWalk(row.organization_id)
            walk.feed(row)
        self._entries += len(rows)
        await self._compare_accounts(begun)
        for walk in self._walks.values():
            self._tell(walk.take_findings())
        return place

    async def _compare_accounts(self, begun: str | None) -> None:
        """Ends the walks before the organization that is not read to its end."""
        if self._only is not None:
            if begun is None:
                end = await load_statement("read_chain_end").fetch_one(
                    self._connection, ChainEnd, self._only
                )
                if end is not None or self._walks:
                    self._end(self._only, end)
            return
        while True:
            ends = await load_statement("page_chain_ends").fetch(
                self._connection, ChainEnd, self._compared, begun, self._page_rows
            )
            for end in ends:
                self._compared = end.organization_id
                self._end(end.organization_id, end)
            if len(ends) < self._page_rows:
                break
        for organization_id in [one for one in self._walks if one != begun]:
            self._end(organization_id, None)

    def _end(self, organization_id: str, end: ChainEnd | None) -> None:
        walk = self._walks.pop(organization_id, None) or ChainWalk(organization_id)
        self._organizations += 1
        self._tell(walk.end(end, is_detached=self._is_detached(walk.began_at(), end)))
        self._head = walk.head if self._only is not None else None

    def _is_detached(self, first: Entry | None, end: ChainEnd | None) -> bool:
        """Whether entries before `first` may have been in partitions that were detached: one such
        is still there as a table, or the account is older than the oldest partition."""
        days = [table.day for table in self._tables if table.parent == _LEDGER and table.attached]
        gone = [
            table.day for table in self._tables if table.parent == _LEDGER and not table.attached
        ]
        if first is not None and any(day < first.booked_at.date() for day in gone):
            return True
        if first is None and gone:
            return True
        if end is None or not days:
            return False
        return end.created_at.date() < min(days)

    def _tell(self, findings: list[Finding]) -> None:
        for finding in findings:
            if finding.is_fault:
                self._faults += 1
            else:
                self._detached += 1
            self._report(finding)


def _without_last_number(rows: list[Entry]) -> list[Entry]:
    """A full page without its last number, of which more rows may follow; all of it if there is no
    other number in it: further rows of that one are then left out."""
    last = rows[-1]
    end = len(rows)
    while (
        end
        and rows[end - 1].organization_id == last.organization_id
        and (rows[end - 1].entry_no == last.entry_no)
    ):
        end -= 1
    return rows[:end] or rows
