"""What a sender counts while it sends: its own side of the account."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

Answer = TypeVar("Answer")

#: Why a letter was skipped that nobody denied.
STOPPED = "stopped"

#: Calls that percentiles are of: so many are sorted quickly enough to be shown all the time.
_CALLS_KEPT = 20_000


@dataclass(slots=True)
class Tally:
    """One organization. Every letter ends up in one of sent, refused, skipped and repeated.

    `denied`: denials by reason, however often a letter was denied; `skipped`: by reason, what was
    never offered; `repeated`: what an earlier start of this run had settled; `deferred`: tries that
    were to be repeated; `spent`: credits that the commits said; `last_sent`: the hold of the letter
    that was sent last.
    """

    letters: int = 0
    sent: int = 0
    refused: int = 0
    repeated: int = 0
    deferred: int = 0
    spent: int = 0
    last_sent: str = ""
    denied: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Letters that came to an end."""
        return self.sent + self.refused + self.repeated + self.skipped.total()


class Latencies:
    """How long the last calls took, each from asking to answer as the sender sees it."""

    def __init__(self) -> None:
        self._ns: deque[int] = deque(maxlen=_CALLS_KEPT)

    async def measure(self, asking: Awaitable[Answer]) -> Answer:
        """The answer, timed; a call that fails is not counted."""
        start = perf_counter_ns()
        answer = await asking
        self._ns.append(perf_counter_ns() - start)
        return answer

    def percentile(self, percent: int) -> float | None:
        """In milliseconds; None before the first call."""
        if not self._ns:
            return None
        ordered = sorted(self._ns)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1e6


class Figures:
    """A whole run: a tally for each organization, and the latencies of all."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.admitted = 0
        self.reserve = Latencies()
        self.commit = Latencies()

    def total(self, name: str) -> int:
        """A count over all organizations."""
        return sum(getattr(tally, name) for tally in self.tallies.values())

    def denied(self) -> Counter[str]:
        """Denials by reason over all organizations."""
        return sum((tally.denied for tally in self.tallies.values()), Counter[str]())
