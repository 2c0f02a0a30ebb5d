"""`gate stack`: the embedded servers alone, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gate.cli.signals import stop_signals

if TYPE_CHECKING:
    import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "stack",
        help="run embedded Redis, PostgreSQL and NATS",
        description="Run embedded servers and print their URLs; a URL that is set stays as it is.",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where their data is (GATE_DATA_DIR, else .gate)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Start the servers, print where they are, stay until a signal comes."""
    from gate.stack import Stack, default_data_dir

    stack = Stack(
        args.data_dir or default_data_dir(),
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    with stop_signals():
        try:
            urls = stack.start()
            print(f"REDIS_URL={urls.redis_url}")
            print(f"PG_URL={urls.pg_url}")
            print(f"NATS_URL={urls.nats_url}", flush=True)
            stack.watch()
        except KeyboardInterrupt:
            return 0
        finally:
            stack.stop()
