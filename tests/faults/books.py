"""Whether an account and its journal add up to what its senders were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.watch import journal_of, look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate import Gate


async def check_books(
    gate: Gate, organization_id: str, credits: int, spent: Mapping[str, int]
) -> None:
    """I1, I4 and I10: of the `credits` at the start, each id of `spent` took what stands there,
    once in the journal; nothing else did, and nothing is held any more."""
    seen = await look(gate, organization_id)
    assert (seen.held, seen.open_holds) == (0, 0), "a hold has leaked"
    assert seen.posted == credits - sum(spent.values())
    deltas = await journal_of(gate, organization_id)
    assert [delta.seq for delta in deltas] == list(range(1, seen.seq + 1))
    booked: dict[str, int] = {}
    settlements = set()
    posted = 0
    for delta in deltas:
        change = sum(leg.amount for leg in delta.legs if leg.moves_posted)
        if delta.kind == "loaded":
            posted = credits - change
        posted += change
        assert delta.posted == posted
        if delta.kind in ("committed", "spent"):
            assert (delta.id, delta.part) not in settlements, "booked twice"
            assert not delta.late
            settlements.add((delta.id, delta.part))
            booked[delta.id] = booked.get(delta.id, 0) - change
    assert {id: amount for id, amount in booked.items() if amount} == {
        id: amount for id, amount in spent.items() if amount
    }
