"""`gate doctor`: whether a deployment is set up as it should be, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gate.cli.both_urls import add_urls, find_urls

if TYPE_CHECKING:
    import argparse

    from gate.telemetry.check import Check

_EXIT_FAILED = 1
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_WIDTH_PIPED = 160


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check Redis, PostgreSQL, clocks and booking, and say what to do",
        description="Check how Redis and PostgreSQL are set up, their clocks, and whether journals "
        "are booked. Changes nothing. Exit code 1: something fails.",
    )
    add_urls(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


class _Report(NamedTuple):
    """What `--json` prints."""

    ok: bool
    checks: tuple[Check, ...]


def run(args: argparse.Namespace) -> int:
    """Print a line for each check, and what to do below those that are not ok."""
    from gate.cli.event_loop import run_async
    from gate.cli.extras import import_extra

    import_extra("asyncpg", "ledger")
    from gate.telemetry.doctor import examine

    checks = run_async(examine(*find_urls(args)))
    failed = any(check.state == "fail" for check in checks)
    if args.json:
        from gate.cli.plain import to_json

        print(to_json(_Report(not failed, tuple(checks))))
    else:
        import_extra("rich", "cli")
        _print(checks)
    return _EXIT_FAILED if failed else 0


def _print(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gate.cli.one_line import one_line

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_PIPED
    rows = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for check in checks:
        state = Text(check.state, style=_STYLES[check.state])
        rows.add_row(state, check.server, check.name, one_line(check.said))
        if check.to_do:
            rows.add_row("", "", "", Text(f"→ {one_line(check.to_do)}", style="bold"))
    console.print(rows)
    counts = {state: sum(check.state == state for check in checks) for state in _STYLES}
    console.print(f"\n{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed")
