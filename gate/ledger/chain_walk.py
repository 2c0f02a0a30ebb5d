"""Whether an organization's entries are what was booked: number, balance and digest, row by row.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gate.ledger.chain import START
from gate.ledger.entry import digest_of, fits_behind, malformed

if TYPE_CHECKING:
    from datetime import datetime

    from gate.ledger.entry import Entry

#: Unexplained entries that are compared with later ones, to find out which were exchanged.
_SUSPECTS_MAX: Final = 16
#: Entries of one number that are kept to find the one that fits.
_SAME_MAX: Final = 16


class ChainEnd(NamedTuple):
    """What an account says of its ledger: how many entries, the last balance and digest."""

    organization_id: str
    entry_no: int
    posted: int
    chain: bytes
    created_at: datetime


class Finding(NamedTuple):
    """Something about an organization's ledger. `entry_no` None: it is about all of it. `kind`:
    edited, digest, form, exchanged, duplicated, missing, balance or end; detached is no fault."""

    organization_id: str
    entry_no: int | None
    kind: str
    said: str

    @property
    def is_fault(self) -> bool:
        """Whether a person has to look into it."""
        return self.kind != "detached"


class _Suspect(NamedTuple):
    """An entry that does not fit its digest, and the digest of the entry before it."""

    entry: Entry
    before: bytes
    computed: bytes
    hint: str


class ChainWalk:
    """Goes over one organization's entries in the order of entry_no, and on to the account's row.

    Knows what stands right before the next entry and little else, however many there are.
    """

    def __init__(self, organization_id: str) -> None:
        self.entries = 0
        #: The last digest; START where there is no entry.
        self.head = START
        self._organization_id = organization_id
        self._findings: list[Finding] = []
        self._group: list[Entry] = []
        self._same = 0
        self._first: Entry | None = None
        self._last_no = 0
        #: None: the entry before is not known for sure, so nothing can be said of the next balance.
        self._balance: int | None = 0
        #: Digests that the next entry may stand on; empty: unknown.
        self._befores: tuple[bytes, ...] = (START,)
        #: Whether the last entry is the last suspect.
        self._doubted = False
        self._suspects: list[_Suspect] = []

    def feed(self, entry: Entry) -> None:
        """Takes the next row; of rows with one number all, in any order."""
        self.entries += 1
        if self._group and self._group[0].entry_no != entry.entry_no:
            self._settle()
        self._same += 1
        if self._same <= _SAME_MAX:
            self._group.append(entry)

    def take_findings(self) -> list[Finding]:
        """What was found since the last call."""
        found, self._findings = self._findings, []
        return found

    def end(self, end: ChainEnd | None, *, is_detached: bool) -> list[Finding]:
        """What was found since the last call, at the end: `end` is what the account says, None
        where there is none. `is_detached`: the entries that are missing at the beginning may be in
        partitions that were detached."""
        if self._group:
            self._settle()
        self._judge_beginning(end, is_detached=is_detached)
        if end is None:
            self._add(None, "end", "there are entries and no account")
        elif self._first is not None or end.entry_no == 0:
            self._compare(end)
        for suspect in self._suspects:
            self._add_suspect(suspect)
        return sorted(self.take_findings(), key=lambda one: one.entry_no or 0)

    def began_at(self) -> Entry | None:
        """The first entry there is; None until there is one."""
        return self._first or (self._group[0] if self._group else None)

    # -- within

    def _settle(self) -> None:
        """All rows of one number are there: one of them is the entry."""
        group, self._group = self._group, []
        same, self._same = self._same, 0
        number = group[0].entry_no
        if number < 1:
            self._add(number, "form", "entries are numbered from 1")
            return
        befores = self._befores if number == self._last_no + 1 else ()
        entry = group[0]
        if same > 1:
            fitting = (one for one in group if fits_behind(one, befores) is not None)
            entry = next(fitting, entry)
            alike = all(one == group[0] for one in group)
            what = "the same row" if alike else "rows that differ"
            self._add(number, "duplicated", f"stands in the ledger {same} times, as {what}")
        if self._first is None:
            self._first = entry
        elif number > self._last_no + 1:
            self._missing(self._last_no + 1, entry)
        for said in malformed(entry):
            self._add(number, "form", said)
        self._judge(entry, befores)
        self._last_no = number
        self.head = entry.chain

    def _judge(self, entry: Entry, befores: tuple[bytes, ...]) -> None:
        fits = fits_behind(entry, befores)
        doubted, self._doubted = self._doubted, False
        # The balance of an entry that is in doubt says nothing of the next one's.
        balance = None if doubted or not befores else self._balance
        expected = None if balance is None else balance + entry.delta
        hint = ""
        if expected is not None and entry.balance_after != expected:
            hint = (
                f"balance_after is {entry.balance_after:,}, the balance before and delta give "
                f"{expected:,}"
            )
        self._balance, self._befores = entry.balance_after, (entry.chain,)
        if not befores:
            return
        if fits is not None:
            if doubted and fits == 1:
                self._only_digest_was_edited()
            if hint:
                self._add(entry.entry_no, "balance", hint)
            return
        suspect = _Suspect(entry, befores[0], digest_of(befores[0], entry), hint)
        other = next((one for one in self._suspects if _exchanged(one, entry)), None)
        if other is None:
            self._doubt(suspect)
        else:
            self._exchange(other, suspect)

    def _doubt(self, suspect: _Suspect) -> None:
        self._suspects.append(suspect)
        if len(self._suspects) > _SUSPECTS_MAX:
            self._add_suspect(self._suspects.pop(0))
        self._doubted = True
        self._befores = (suspect.entry.chain, suspect.computed)

    def _only_digest_was_edited(self) -> None:
        number = self._suspects.pop().entry.entry_no
        self._add(
            number, "digest", "chain was edited: all else fits the entries before and behind it"
        )

    def _exchange(self, one: _Suspect, other: _Suspect) -> None:
        """Two entries stand in each other's place, with their digests or without."""
        first, second = one.entry.entry_no, other.entry.entry_no
        self._add(first, "exchanged", f"stands where entry {second:,} was, and that one here")
        self._suspects.remove(one)
        # The digest that the entry behind the first one stands on is the second one's now.
        for behind in self._suspects:
            is_next = behind.entry.entry_no == first + 1
            if is_next and fits_behind(behind.entry, (other.entry.chain,)) is not None:
                self._suspects.remove(behind)
                break
        self._befores = (other.entry.chain, one.entry.chain)
        self._balance = None

    def _missing(self, first: int, entry: Entry) -> None:
        """The entries from `first` to the one before `entry`."""
        amount = ""
        if self._balance is not None and not self._doubted:
            amount = f"; they moved {entry.balance_after - entry.delta - self._balance:+,} credits"
        self._add(first, "missing", _missing(first, entry.entry_no - 1) + amount)

    def _judge_beginning(self, end: ChainEnd | None, *, is_detached: bool) -> None:
        if self._first is not None and self._first.entry_no > 1:
            until, said = self._first.entry_no - 1, f"begins at entry {self._first.entry_no:,}"
        elif self._first is None and end is not None and end.entry_no > 0:
            until, said = end.entry_no, f"has none of its {end.entry_no:,} entries here"
        else:
            return
        if is_detached:
            self._add(None, "detached", f"{said}: older partitions are detached")
        else:
            self._add(1, "missing", _missing(1, until))

    def _compare(self, end: ChainEnd) -> None:
        if end.entry_no > self._last_no:
            self._add(
                self._last_no + 1,
                "missing",
                f"{_missing(self._last_no + 1, end.entry_no)} at the end: "
                f"the account counts {end.entry_no:,}",
            )
            return
        if end.entry_no < self._last_no:
            self._add(
                end.entry_no + 1,
                "end",
                f"the account counts {end.entry_no:,} entries, the ledger goes on to "
                f"{self._last_no:,}",
            )
            return
        if self._balance not in (None, end.posted) and not self._doubted:
            said = (
                f"the account's posted is {end.posted:,}, balance_after of the last entry is "
                f"{self._balance:,}"
            )
            self._add(self._last_no or None, "end", said)
        if self._doubted and end.chain == self._suspects[-1].computed:
            self._only_digest_was_edited()
        elif end.chain not in self._befores:
            said = "the account's chain is not that of the last entry"
            self._add(self._last_no or None, "end", said)

    def _add_suspect(self, suspect: _Suspect) -> None:
        number = suspect.entry.entry_no
        said = "was edited: it does not fit its chain"
        if suspect.hint:
            said = f"{said}; {suspect.hint}"
        elif number > 1:
            said = f"{said} (or entry {number - 1:,} was, and its chain made anew)"
        self._add(number, "edited", said)

    def _add(self, entry_no: int | None, kind: str, said: str) -> None:
        self._findings.append(Finding(self._organization_id, entry_no, kind, said))


def _exchanged(suspect: _Suspect, entry: Entry) -> bool:
    """Whether `entry` was the one in the suspect's place: its digest came along, or stayed."""
    was = digest_of(suspect.before, entry, suspect.entry.entry_no)
    return was in (entry.chain, suspect.entry.chain)


def _missing(first: int, last: int) -> str:
    return (
        f"entry {first:,} is missing"
        if first == last
        else f"entries {first:,}–{last:,} are missing"
    )
