"""`gate inspect`: one organization as a person would want to read it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from gate.domain.outcomes import NotLoaded
    from gate.hot.inspection import Inspection

_EXIT_UNKNOWN = 1


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "inspect",
        help="show an organization: account, grants, holds, limits, last deltas",
        description="Show one organization as it stands in Redis. Changes nothing. Exit code 1: "
        "its account is not there.",
    )
    parser.add_argument("organization_id", metavar="ORG")
    parser.add_argument(
        "--redis-url",
        metavar="URL",
        help="default: REDIS_URL, else the running stack of GATE_DATA_DIR or .gate",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the organization, or say that it is not there."""
    from gate.cli.event_loop import run_async
    from gate.cli.redis_url import find_redis_url
    from gate.domain.outcomes import NotLoaded

    found = run_async(_inspect(find_redis_url(args.redis_url), args.organization_id))
    if found is None:
        print("gate: this Redis holds no accounts of the gate.", file=sys.stderr)
        return _EXIT_UNKNOWN
    if isinstance(found, NotLoaded):
        print(f"gate: {found}", file=sys.stderr)
        return _EXIT_UNKNOWN
    if args.json:
        from gate.cli.plain import to_json

        print(to_json(found))
    else:
        from gate.cli.account_page import print_page
        from gate.cli.extras import import_extra

        import_extra("rich", "cli")
        print_page(found)
    return 0


async def _inspect(redis_url: str, organization_id: str) -> Inspection | NotLoaded | None:
    """None for a Redis without `gate:meta`: a Gate would write one, and this only looks."""
    from gate.domain.limits import check_id
    from gate.hot.caller import Caller
    from gate.hot.commands import peek
    from gate.hot.inspection import inspect
    from gate.hot.keys import META, PARTITIONS_MAX
    from gate.hot.meta import read_meta
    from gate.hot.transport import Transport

    check_id("ORG", organization_id)
    transport = await Transport.connect(redis_url, [peek.script], connections=1)
    try:
        if not await transport.execute("EXISTS", META):
            return None
        return await inspect(
            Caller(transport, await read_meta(transport, PARTITIONS_MAX)), organization_id
        )
    finally:
        await transport.aclose()
