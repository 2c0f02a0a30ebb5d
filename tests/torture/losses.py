"""What faults took away, so that whatever is missing afterwards can be held against it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.journal import read_delta

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Longer than any fault makes a sender stand still.
STANDS_STILL_MAX_S: Final = 4.0


class Settlement(NamedTuple):
    """A hold or a part of it (0: all), or a spend."""

    organization_id: str
    id: str
    part: int


@dataclass
class Loss:
    """One fault that may take away what was acknowledged since `since` (seconds since 1970).

    `settlements` are those whose deltas it took out of the journal, None: not known, and then
    everything that was acknowledged within the time. `entries` counts the deltas of any kind.
    """

    fault: str
    since: float
    until: float = field(default_factory=time)
    settlements: set[Settlement] | None = None
    entries: int = 0

    def explains(self, settlement: Settlement, acknowledged_at: float) -> bool:
        """Whether a settlement may be missing for this. A sender writes down later what the store
        did, by as long as it may stand still."""
        if not self.since - 0.1 <= acknowledged_at <= self.until + STANDS_STILL_MAX_S:
            return False
        return self.settlements is None or settlement in self.settlements


def settlements_of(entries: Iterable[Sequence[bytes]]) -> set[Settlement]:
    """The settlements among journal entries; `entries` are names and values in turn."""
    found = set()
    for fields in entries:
        with suppress(ContractError):
            delta = read_delta(dict(zip(fields[::2], fields[1::2], strict=True)))
            if delta.kind in ("committed", "spent"):
                found.add(Settlement(delta.organization_id, delta.id, delta.part))
    return found
