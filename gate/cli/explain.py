"""`gate explain`: what happened to one hold, spend, message or operation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from gate.cli.both_urls import add_urls, find_urls

if TYPE_CHECKING:
    import argparse

    from gate.telemetry.explain import Facts
    from gate.telemetry.story import Step, Story

_EXIT_NOT_FOUND = 1


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "explain",
        help="tell what happened to a hold, spend, message or operation",
        description="Tell what Redis and PostgreSQL know of one id, in the order of time. Changes "
        "nothing. Exit code 1: nobody knows it.",
    )
    parser.add_argument("id", metavar="ID")
    parser.add_argument(
        "--organization", metavar="ORG", help="whose it is; default: it is looked for"
    )
    add_urls(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


class _Report(NamedTuple):
    """What `--json` prints."""

    headline: str
    steps: tuple[Step, ...]
    facts: object


def run(args: argparse.Namespace) -> int:
    """Print the story, or that there is none."""
    from gate.cli.event_loop import run_async
    from gate.cli.extras import import_extra
    from gate.domain.limits import check_id

    import_extra("asyncpg", "ledger")
    check_id("ID", args.id)
    if args.organization is not None:
        check_id("--organization", args.organization)
    from gate.telemetry.explain import NotFound, collect
    from gate.telemetry.story import tell

    try:
        facts = run_async(collect(*find_urls(args), args.id, args.organization))
    except NotFound as error:
        print(f"gate: {error}", file=sys.stderr)
        return _EXIT_NOT_FOUND
    story = tell(facts)
    if args.json:
        from gate.cli.plain import to_json

        print(to_json(_Report(*story, _readable(facts))))
    else:
        import_extra("rich", "cli")
        _print(story)
    return 0


def _readable(facts: Facts) -> object:
    """With digests in hexadecimal digits."""
    found: Any = facts.found
    if found is None:
        return facts
    entries, by_reference = (
        None if rows is None else tuple(row._replace(chain=row.chain.hex()) for row in rows)
        for rows in (found.entries, found.by_reference)
    )
    return facts._replace(found=found._replace(entries=entries, by_reference=by_reference))


def _print(story: Story) -> None:
    from gate.cli.one_line import one_line

    print(one_line(story.headline))
    for step in story.steps:
        # Milliseconds: that is what one thing happens after another in.
        when = "now" if step.at is None else f"{step.at:%Y-%m-%d %H:%M:%S.%f}"[:23]
        print(f"{when:<23}  {one_line(step.said)}")
