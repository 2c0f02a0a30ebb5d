"""Credits and settlements in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.ledger.chain import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.settled_id import SettledId


def moved(delta: int, split: Mapping[str, int]) -> str:
    """`−3 credits (2 rollover, 1 base)`."""
    sources = [(source, split[source]) for source in SOURCES if split.get(source)]
    said = f"{signed(delta)} {'credit' if abs(delta) == 1 else 'credits'}"
    if len(sources) < 2:
        return f"{said} of {sources[0][0]}" if sources else said
    one_way = len({part > 0 for _, part in sources}) == 1
    shown = ", ".join(
        f"{abs(part):,} {source}" if one_way else f"{signed(part)} {source}"
        for source, part in sources
    )
    return f"{said} ({shown})"


def amount(credits: int) -> str:
    """`1 credit`, `1,000 credits`."""
    return "1 credit" if credits == 1 else f"{number_of(credits)} credits"


def signed(number: int) -> str:
    """`+500`, `−3`, `0`."""
    return f"{number:+,}".replace("-", "−") if number else "0"


def number_of(number: int) -> str:
    """`1,000`, `−5`."""
    return f"{number:,}".replace("-", "−")


def how_settled(settled: SettledId) -> str:
    """How an id was settled, with its credits."""
    if settled.how == "committed":
        late = ", late" if settled.late else ""
        return f"committed{late}, {settled.spent:,} spent, {settled.returned:,} returned"
    if settled.how == "unreserved":
        return "released before it was reserved, so that a late reserve opens nothing"
    return f"{settled.how}, {amount(settled.returned)} returned"
