"""`gate status`: how the whole deployment stands, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.cli.both_urls import add_urls, find_urls

if TYPE_CHECKING:
    import argparse

_EXITS = {"healthy": 0, "needs_person": 1, "cannot_tell": 2}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "status",
        help="show lag, reconcilers, repairs and what waits for a person",
        description="Show how far the journals are booked, who books them, and what waits. Changes "
        "nothing. Exit code 0: healthy, 1: something needs a person, 2: a server does not answer.",
    )
    add_urls(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the page, and say by the exit code whether a person is needed."""
    from gate.cli.event_loop import run_async
    from gate.cli.extras import import_extra

    import_extra("asyncpg", "ledger")
    from gate.telemetry.status import read_status

    status = run_async(read_status(*find_urls(args)))
    if args.json:
        from gate.cli.plain import to_json

        print(to_json(status))
    else:
        import_extra("rich", "cli")
        from gate.cli.status_page import print_status

        print_status(status)
    return _EXITS[status.verdict]
