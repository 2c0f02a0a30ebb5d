"""`gate lua`: the Lua contract for programs in other languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gate.domain.errors import GateError

if TYPE_CHECKING:
    import argparse


class NotWritten(GateError):
    """A file could not be written."""

    code = "gate.not_written"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommands."""
    parser = subparsers.add_parser(
        "lua",
        help="the Lua scripts, for senders in other languages",
        description="The Lua scripts and their contract, for senders in other languages.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    lister = actions.add_parser("list", help="print every verb with its SHA-1 and what it does")
    lister.set_defaults(run=run_list)
    exporter = actions.add_parser(
        "export",
        help="write flattened scripts, a manifest and the partition table",
        description="Write the scripts with their includes resolved, manifest.json (SHA-1, keys, "
        "arguments, answers) and partitions.json (where the keys of an organization are).",
    )
    exporter.add_argument("directory", type=Path, metavar="DIR", help="made if it is missing")
    exporter.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Write the files and print their paths."""
    from gate.hot.export import export

    try:
        for path in export(args.directory):
            print(path)
    except OSError as error:
        raise NotWritten(f"{args.directory} cannot be written: {error.strerror}") from error
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print the verbs."""
    from gate.hot.export import verbs

    for verb in verbs():
        print(f"{verb.header.verb:<8} {verb.script.sha.decode()}  {verb.header.purpose}")
    return 0
