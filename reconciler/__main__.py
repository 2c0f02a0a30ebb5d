"""`python -m reconciler [run|rebuild|drift]`: parsing, the event loop, signals, exit codes.

Exit codes: 0 done or stopped, 1 it cannot go on (the log says why), 2 an expected failure, told in
one line, 130 a command was interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from gate.domain.errors import BadArgument, GateError
from reconciler.daemon import Stuck, serve
from reconciler.log import configure_log, hide_passwords
from reconciler.one_off import perform
from reconciler.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.log import Log

_EXIT_BUG = 1
_EXIT_FAILURE = 2
_COMMANDS = ("run", "rebuild", "drift")


class _Parser(argparse.ArgumentParser):
    """Its complaints repeat what was typed, which may be a URL."""

    def error(self, message: str) -> NoReturn:
        super().error(hide_passwords(message))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    args = _parser().parse_args(given)
    try:
        settings = Settings.read(os.environ, vars(args))
    except BadArgument as error:
        return _fail(str(error))
    log = configure_log(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(args, settings, log))
    except GateError as error:
        return _fail(hide_passwords(str(error)))


def _fail(message: str) -> int:
    sys.stderr.write(f"reconciler: {message}\n")
    return _EXIT_FAILURE


async def _run(args: argparse.Namespace, settings: Settings, log: Log) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The first one ends the work in order; later ones do not cut that short.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        if args.command == "run":
            return await serve(settings, log, stop, migrate_first=args.migrate)
        args.dry_run = settings.dry_run
        return await perform(args, settings, log, stop)
    except Stuck as stuck:
        # Closing the loop would wait for them. What is not committed, PostgreSQL undoes.
        log.error("leaves tasks behind that wait for a silent server")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(stuck.exit_code)
    except GateError:
        raise
    except Exception:
        log.exception("failed")
        return _EXIT_BUG


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m reconciler", description="Carries the journals of Redis into the ledger."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run, rebuild, drift = (_add(commands, name) for name in _COMMANDS)
    run.add_argument(
        "--no-migrate",
        dest="migrate",
        action="store_false",
        help="do not bring the tables up to date first",
    )
    rebuild.add_argument(
        "--organization",
        dest="organizations",
        metavar="ORG",
        action="extend",
        nargs="+",
        default=[],
        help="these alone; default: all that were loaded before",
    )
    rebuild.add_argument("--all", action="store_true", help="those that never were, too")
    drift.add_argument("organization", metavar="ORG", nargs="?", help="look at this one")
    drift.add_argument("--all", action="store_true", help="look at all of them")
    drift.add_argument("--repair", action="store_true", help="reload what differs")
    drift.add_argument(
        "--resume", metavar="ORG", help="a person has looked at it: reload it, lift its stop"
    )
    drift.add_argument(
        "--replay", action="store_true", help="book what of the quarantine can be booked now"
    )
    drift.add_argument("--json", action="store_true", help="print JSON")
    return parser


_HELP = {
    "run": "book until SIGTERM; the default",
    "rebuild": "load the accounts that Redis lacks",
    "drift": "compare live accounts with the ledger",
}


def _add(commands: Any, name: str) -> argparse.ArgumentParser:
    """A subcommand with an option for each setting."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=_HELP[name], description=_HELP[name][0].upper() + _HELP[name][1:] + "."
    )
    group = parser.add_argument_group(
        "settings", "An option wins over its variable in the environment."
    )
    for setting in SETTINGS:
        told = f"{setting.help} ({setting.variable}; {setting.kind.allowed}"
        told += "" if setting.default is None else f"; default {setting.default}"
        if isinstance(setting.default, bool):
            group.add_argument(
                setting.option,
                dest=setting.name,
                action=argparse.BooleanOptionalAction,
                help=f"{setting.help} ({setting.variable})",
            )
        else:
            group.add_argument(
                setting.option,
                dest=setting.name,
                metavar=setting.kind.metavar,
                help=told.replace("%", "%%") + ")",
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
