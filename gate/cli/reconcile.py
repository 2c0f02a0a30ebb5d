"""`gate reconcile`, `gate rebuild`, `gate drift`: become `python -m reconciler`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gate.cli.database_url import NoDatabase, find_database_url
from gate.cli.extras import ExtraMissing
from gate.cli.redis_url import NoRedis, find_redis_url

if TYPE_CHECKING:
    import argparse

_EXTRA = "reconciler"
_MODULES = ("asyncpg", "prometheus_client", "starlette", "structlog", "uvicorn")
#: Command, the reconciler's word for it, and what it does.
_COMMANDS = (
    ("reconcile", "run", "book the journals of Redis into the ledger, until SIGTERM"),
    ("rebuild", "rebuild", "load the accounts that Redis lacks"),
    ("drift", "drift", "compare live accounts with the ledger"),
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommands. All their arguments, --help too, are the reconciler's."""
    for name, command, help in _COMMANDS:
        # A prefix that nobody types: here nothing is an option.
        parser = subparsers.add_parser(name, help=help, add_help=False, prefix_chars="\0")
        parser.add_argument("arguments", nargs="*")
        parser.set_defaults(run=run, command=command)


def run(args: argparse.Namespace) -> int:
    """Replace this process, so that signals and exit codes need nobody in between."""
    for module in _MODULES:
        if find_spec(module) is None:
            raise ExtraMissing(module, _EXTRA)
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: what lies in the working directory is not imported.
    argv = [sys.executable, "-P", "-m", "reconciler", args.command, *args.arguments]
    os.execve(sys.executable, argv, os.environ | _running_stack())


def _running_stack() -> dict[str, str]:
    """The embedded servers that run here, for what the environment does not name. An option among
    the arguments wins over both."""
    found = {}
    with suppress(NoRedis):
        found["REDIS_URL"] = find_redis_url(None)
    with suppress(NoDatabase):
        found["PG_URL"] = find_database_url(None)
    return found
