"""Runs the comparisons: JSON lines on stdout, files in `loadtests/results`, a table at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.bench import (
    booking,
    booking_lag,
    client_throughput,
    durability,
    latency_at_half_rate,
    memory,
    postgres_comparison,
    rate_limit_peers,
    rebuild,
    script_through_other_clients,
    verbs_inside_redis,
)
from loadtests.bench.environment import environment
from loadtests.bench.plan import FULL, QUICK
from loadtests.bench.progress import say
from loadtests.bench.table import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtests.bench.plan import Plan
    from loadtests.bench.results import Result

COMPARISONS: dict[str, Callable[[Plan], Iterator[Result]]] = {
    "verbs_inside_redis": verbs_inside_redis.run,
    "client_throughput": client_throughput.run,
    "latency_at_half_rate": latency_at_half_rate.run,
    "postgres_comparison": postgres_comparison.run,
    "memory": memory.run,
    "rate_limit_peers": rate_limit_peers.run,
    "script_through_other_clients": script_through_other_clients.run,
    "durability": durability.run,
    "booking": booking.run,
    "booking_lag": booking_lag.run,
    "rebuild": rebuild.run,
}
RESULTS = Path(__file__).resolve().parents[1] / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a look in about two minutes; stores nothing"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[*COMPARISONS], help="one, or several"
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="where to store (default: loadtests/results)"
    )
    return parser.parse_args()


def _store(directory: Path, name: str, about: dict[str, Any], results: list[Result]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    lines = ",\n    ".join(result.line() for result in results)
    head = json.dumps({"comparison": name, **about}, indent=2).removesuffix("\n}")
    (directory / f"{name}.json").write_text(f'{head},\n  "results": [\n    {lines}\n  ]\n}}\n')


def main() -> None:
    """A missed target is said and is no failure; a comparison that cannot run is one."""
    arguments = _arguments()
    plan = QUICK if arguments.quick else FULL
    directory = arguments.results or (None if arguments.quick else RESULTS)
    about, every = environment(), []
    for name in arguments.only or COMPARISONS:
        started = time.monotonic()
        results = []
        for result in COMPARISONS[name](plan):
            results.append(result)
            print(result.line(), flush=True)
        every += results
        if directory is not None:
            _store(directory, name, about, results)
        say(f"{name}: {time.monotonic() - started:.0f} s")
    print(file=sys.stderr)
    print_table(every)


if __name__ == "__main__":
    main()
