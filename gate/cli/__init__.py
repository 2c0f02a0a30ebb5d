"""The `gate` command: parsing and exit codes. Each subcommand is a module of its own.

A subcommand module has `add(subparsers)` and `run(args) -> int`. It imports what an extra brings
inside `run`, so that `gate --help` works without extras. Exit codes: 0 done, 2 an expected failure,
told in one line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from gate.domain.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The subcommands, in the order of `gate --help`.
COMMANDS = (
    "gate.cli.up",
    "gate.cli.stack",
    "gate.cli.reconcile",
    "gate.cli.migrate",
    "gate.cli.status",
    "gate.cli.doctor",
    "gate.cli.ledger",
    "gate.cli.inspect",
    "gate.cli.explain",
    "gate.cli.lua",
)

_EXIT_FAILURE = 2
_EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except GateError as error:
        print(f"gate: {error}", file=sys.stderr)
        return _EXIT_FAILURE
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output, like `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_FAILURE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gate", description="Admits email credits.")
    version = f"%(prog)s {metadata.version('creditgate')}"
    parser.add_argument("--version", action="version", version=version)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(name).add(subparsers)
    return parser
