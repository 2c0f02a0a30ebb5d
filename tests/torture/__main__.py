"""`python -m tests.torture`: storms until one goes wrong, or all seeds are through.

GATE_TORTURE_SEED and GATE_TORTURE_SECONDS are the defaults of --first (with one seed) and
--seconds, so that a failure is told in a line that can be pasted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture.storm import Report, run_storm


def main() -> int:
    """0 if every seed was well."""
    args = _arguments()
    first = args.first if args.first is not None else random.SystemRandom().randrange(1_000_000)
    wrong = []
    for seed in range(first, first + args.seeds):
        directory = Path(tempfile.mkdtemp(prefix=f"torture_{seed}_"))
        _say(f"seed {seed}, {args.seconds:g} s, in {directory}")
        calm = args.calm or (args.mixed and seed % 4 == 0)
        report = asyncio.run(
            run_storm(seed, args.seconds, directory, calm=calm, say=_say if args.verbose else _mute)
        )
        _tell(report, args.seconds)
        if report.wrongs:
            wrong.append(seed)
        if not (report.wrongs or args.keep):
            shutil.rmtree(directory, ignore_errors=True)
    if args.seeds > 1:
        _say(f"{args.seeds - len(wrong)} of {args.seeds} seeds were well; wrong: {wrong or 'none'}")
    return 1 if wrong else 0


def _tell(report: Report, seconds: float) -> None:
    if report.wrongs:
        _say("\n".join(report.faults))
        for wrong in report.wrongs[:40]:
            _say(f"WRONG {wrong}")
        again = f"GATE_TORTURE_SEED={report.seed} GATE_TORTURE_SECONDS={seconds:g} make torture"
        _say(again + (" ARGS=--calm" if report.calm else ""))
    _say(report.summary())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seeds", type=int, default=1, help="how many; default 1")
    seed = os.environ.get("GATE_TORTURE_SEED")
    parser.add_argument(
        "--first", type=int, default=int(seed) if seed else None, help="the first; default: any"
    )
    seconds = float(os.environ.get("GATE_TORTURE_SECONDS") or 60)
    parser.add_argument("--seconds", type=float, default=seconds, help="each storm; default 60")
    parser.add_argument("--calm", action="store_true", help="kills and pauses alone")
    parser.add_argument("--mixed", action="store_true", help="each fourth seed is calm")
    parser.add_argument("--keep", action="store_true", help="keep data and logs of good runs too")
    parser.add_argument("--verbose", action="store_true", help="tell faults as they happen")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _mute(line: str) -> None:
    """Nothing."""


if __name__ == "__main__":
    sys.exit(main())
