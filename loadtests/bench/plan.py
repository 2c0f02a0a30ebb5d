"""How long a run takes: slices short enough to alternate, enough of them for a median."""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """Durations and repetitions. `quick` is for a look, not for a figure to quote."""

    quick: bool
    #: Alternations of a verb and its floor scripts inside Redis, and calls in each slice.
    cycles: int
    calls: int
    #: Alternations of clients, and seconds of each slice.
    rounds: int
    slice_s: float
    #: Alternations of a paced load and PING, and seconds of each.
    paced_rounds: int
    paced_s: float
    #: Accounts, holds and ids of which the memory is taken.
    many: int
    #: Settlements that are booked in one go, and how often.
    settlements: int
    bookings: int
    #: Alternations of a paced load with the daemon beside and without it, and seconds of each.
    lag_rounds: int
    lag_s: float
    #: Accounts that an emptied Redis is rebuilt with, and how often.
    accounts: int
    rebuilds: int


FULL = Plan(False, 24, 2048, 6, 0.5, 6, 1.0, 20_000, 20_000, 8, 4, 3.0, 50_000, 4)
QUICK = Plan(True, 4, 512, 2, 0.15, 2, 0.3, 4_000, 4_000, 2, 1, 1.0, 5_000, 2)
