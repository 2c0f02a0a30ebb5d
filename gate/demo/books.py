"""Proves a run from three sides: the sender's own count, the account, the journal's legs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gate.client.hold import ask_again
from gate.demo.errors import DemoError
from gate.domain.outcomes import NotLoaded
from gate.hot.commands import touch
from gate.hot.journal import read_delta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from gate.client.gate import Gate
    from gate.demo.tally import Tally
    from gate.hot.commands.peek import Account
    from gate.hot.journal import Delta

_ATTEMPTS = 10
_PAGE = 1_000


class Books(NamedTuple):
    """One organization over one run. before.posted + other − spent = after.posted, where `spent`
    and `other` (periods that turned, packs that lapsed, other senders) are the journal's.

    `mistakes`: sentences, empty if the three sides agree.
    """

    before: Account
    after: Account
    spent: int
    other: int
    mistakes: tuple[str, ...]


async def read_account(gate: Gate, organization_id: str) -> Account:
    """The account at an instant at which all that time did to it stands in the journal.

    Raises DemoError if it is not there, or never still.
    """
    for _ in range(_ATTEMPTS):
        touched = await ask_again(lambda: gate.caller.call(touch, organization_id, "", ()))
        account = await ask_again(lambda: gate.peek(organization_id))
        if isinstance(account, NotLoaded) or isinstance(touched, NotLoaded):
            raise DemoError(str(NotLoaded(organization_id)))
        if (touched.seq, touched.posted) == (account.seq, account.posted):
            return account
    raise DemoError(f"{organization_id} does not stand still: others send for it at the same time")


async def last_entry_id(gate: Gate, journal: bytes) -> str:
    """Where a journal ends now."""
    newest = await gate.caller.transport.execute("XREVRANGE", journal, "+", "-", "COUNT", 1)
    return newest[0][0].decode() if newest else "0-0"


async def read_journals(gate: Gate, since: Mapping[bytes, str]) -> dict[str, list[Delta]]:
    """What was appended to each journal of `since` behind the entry it names, by organization."""
    found: dict[str, list[Delta]] = {}
    for journal, entry_id in since.items():
        async for delta in _entries(gate, journal, entry_id):
            found.setdefault(delta.organization_id, []).append(delta)
    return found


async def _entries(gate: Gate, journal: bytes, after: str) -> AsyncIterator[Delta]:
    while page := await gate.caller.transport.execute(
        "XRANGE", journal, f"({after}", "+", "COUNT", _PAGE
    ):
        for _, flat in page:
            yield read_delta(dict(zip(flat[::2], flat[1::2], strict=True)))
        after = page[-1][0].decode()


def close_books(
    before: Account, after: Account, deltas: Sequence[Delta], tally: Tally, run_id: str
) -> Books:
    """Compares. `deltas` may hold more than those between `before` and `after`."""
    between = [d for d in deltas if d.epoch == after.epoch and before.seq < d.seq <= after.seq]
    ours = [d for d in between if d.id.startswith(f"{run_id}.")]
    moved = sum(leg.amount for d in between for leg in d.legs if leg.moves_posted)
    turned = sum(leg.amount for d in between for leg in d.legs if leg.entry == "turn")
    spent, spent_by_all = _spent(ours), _spent(between)

    facts = (
        ("letters ended", tally.done, "letters read", tally.letters),
        ("credits that commits said", tally.spent, "email_sent in the journal", spent),
        ("letters sent", tally.sent, "commits in the journal", _count(ours, "committed")),
        ("letters refused", tally.refused, "releases in the journal", _count(ours, "released")),
        ("deltas in the journal", len(between), "seq moved by", after.seq - before.seq),
        ("posted by the journal", before.posted + moved, "posted by the account", after.posted),
        ("used by the journal", spent_by_all, "by the account", after.used + turned - before.used),
        ("credits held by this run", max(0, after.held - before.held), "open at the end", 0),
        ("epoch at the start", before.epoch, "epoch at the end", after.epoch),
    )
    mistakes = [
        f"{after.organization_id}: {left:,} {one}, {right:,} {other}"
        for one, left, other, right in facts
        if left != right
    ]
    return Books(before, after, spent, moved + spent, tuple(mistakes))


def _spent(deltas: Sequence[Delta]) -> int:
    return -sum(leg.amount for d in deltas for leg in d.legs if leg.entry == "email_sent")


def _count(deltas: Sequence[Delta], kind: str) -> int:
    return sum(delta.kind == kind for delta in deltas)
