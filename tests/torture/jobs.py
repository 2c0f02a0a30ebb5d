"""What senders have to do: made from a seed, so that a sender that died finds its work again."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

KINDS: Final = (
    *("spend",) * 5,
    *("all",) * 5,
    *("less",) * 2,
    *("more",) * 2,
    *("parts",) * 2,
    *("late",) * 1,
    *("unknown",) * 1,
    *("release",) * 2,
    *("abandon",) * 1,
)
#: The shortest life that a hold can have.
TTL_MS: Final = 1_000
LATE_S: Final = 1.6


class Part(NamedTuple):
    """A settlement: 0 is all of the hold, 1, 2, … are parts of it."""

    number: int
    credits: int
    is_final: bool


class Job(NamedTuple):
    """One message. `settlements` are in order; none: it comes to nothing."""

    number: int
    organization_id: str
    id: str
    kind: str
    credits: int
    settlements: tuple[Part, ...]
    #: How long the message takes to leave.
    seconds: float
    with_sends: bool


def make_job(seed: int, sender: str, number: int, organizations: list[str]) -> Job:
    """The same job for the same arguments, always."""
    chance = random.Random(f"{seed} {sender} {number}")
    kind, credits = chance.choice(KINDS), chance.randrange(1, 12)
    settlements: tuple[Part, ...] = (Part(0, credits, True),)
    if kind == "less":
        settlements = (Part(0, chance.randrange(credits), True),)
    elif kind == "more":
        settlements = (Part(0, credits + chance.randrange(1, 20), True),)
    elif kind == "parts":
        first = chance.randrange(1, credits + 1)
        settlements = (Part(1, first, False), Part(2, chance.randrange(1, 6), True))
    elif kind in ("release", "abandon"):
        settlements = ()
    seconds = LATE_S if kind == "late" else chance.choice((0.0, 0.0, 0.01, 0.1, 0.5))
    return Job(
        number=number,
        organization_id=chance.choice(organizations),
        id=f"{sender}.{number}",
        kind=kind,
        credits=credits,
        settlements=settlements,
        seconds=seconds,
        with_sends=chance.random() < 0.1,
    )
