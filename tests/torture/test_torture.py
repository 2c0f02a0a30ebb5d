"""Two short storms. `make torture` plays any number of long ones."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.torture.storm import run_storm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.storm import Report

SECONDS = 8.0
CALM_SEED, WILD_SEED = 4, 11


def tell(report: Report) -> None:
    """The summary; of a storm that went wrong all of it."""
    lines = [*report.faults, *report.wrongs] if report.wrongs else []
    sys.stdout.write("\n".join([*lines, report.summary()]) + "\n")
    assert not report.wrongs


@pytest.mark.slow
async def test_i4_i5_i8_i9_kills_and_pauses__lose_nothing(tmp_path: Path) -> None:
    """Processes and servers die or stand still: everything that was acknowledged is booked once,
    and no account had to be repaired."""
    report = await run_storm(CALM_SEED, SECONDS, tmp_path, calm=True)
    tell(report)
    assert report.verdict is not None
    assert report.verdict.counts["acknowledged"] > 300
    assert len(report.faults) > 5


@pytest.mark.slow
async def test_i1_i4_i5_i8_i9_everything_that_can_go_wrong__heals_by_itself(tmp_path: Path) -> None:
    """Lost tails, an emptied Redis, edits by hand and deleted entries as well: what is lost is what
    those took, and both sides agree in the end."""
    report = await run_storm(WILD_SEED, SECONDS, tmp_path)
    tell(report)
    assert report.verdict is not None
    assert report.verdict.counts["acknowledged"] > 300
    assert report.verdict.counts["reloads"] > 0, "nothing went wrong"
