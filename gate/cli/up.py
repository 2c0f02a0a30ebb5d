"""`gate up`: the servers, the reconciler, demo organizations, and a sender that works for them."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gate.cli.event_loop import run_async
from gate.cli.extras import ExtraMissing
from gate.cli.signals import signals_set, stop_signals

if TYPE_CHECKING:
    import argparse

    from gate.cli.reconciler_process import Reconciler
    from gate.demo.mbox import Mbox
    from gate.demo.run import Ended
    from gate.demo.seed import Place
    from gate.stack import Stack, StackUrls

_NEEDED = {
    "demo": ("rich", "aiosmtpd"),
    "reconciler": ("asyncpg", "prometheus_client", "starlette", "structlog", "uvicorn"),
}
_EXIT_DOES_NOT_ADD_UP = 1
_EXIT_INTERRUPTED = 130
_EMBEDDED_PARTITIONS = 8
_PARTITIONS = 64


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "up",
        help="start everything and send the mail of demo organizations",
        description="Start embedded servers (a URL that is set stays as it is) and the reconciler, "
        "record demo organizations, send their mail to a local sink, compare sender, accounts and "
        "ledger, and stay until Ctrl-C or SIGTERM.",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="end after the mail was sent; exit code 0 only if everything adds up",
    )
    parser.add_argument(
        "--mbox", type=Path, metavar="PATH", help="send this mail instead of the demo's"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where the servers' data is (GATE_DATA_DIR, else .gate)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Start everything, run the demo, say where to look, stay until a signal comes."""
    for extra, modules in _NEEDED.items():
        for module in modules:
            # Not imported: most of them are the child's.
            if find_spec(module) is None:
                raise ExtraMissing(module, extra)
    from gate.cli.reconciler_process import Reconciler
    from gate.demo.mbox import Mbox, demo_mbox
    from gate.demo.organizations import refuse_production
    from gate.demo.seed import Place
    from gate.stack import Stack, default_data_dir

    refuse_production(os.environ)
    data_dir = (args.data_dir or default_data_dir()).absolute()
    stack = Stack(data_dir, report=_report)
    reconciler = Reconciler(data_dir / "reconciler", os.environ, _report)
    with Mbox(args.mbox or demo_mbox()) as mbox, stop_signals():
        try:
            urls = stack.start()
            partitions = _EMBEDDED_PARTITIONS if stack.redis else _PARTITIONS
            place = Place(urls.redis_url, urls.pg_url, partitions)
            ended = run_async(_demo(place, mbox, reconciler))
            if args.once:
                return _exit_code(ended)
            if ended is None or ended.stopped:
                return 0
            _tell(data_dir, stack, urls, reconciler, ended)
            stack.watch()
        except KeyboardInterrupt:
            return _EXIT_INTERRUPTED if args.once else 0
        finally:
            # Whoever wants it to end has said so: the rest goes in order.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            reconciler.stop()
            stack.stop()


async def _demo(place: Place, mbox: Mbox, reconciler: Reconciler) -> Ended | None:
    """None: it was stopped before anything was sent."""
    from rich.console import Console

    from gate.demo.run import Talk, prepare, read_mail, run_demo
    from gate.demo.stopping import unless_stopped

    talk = Talk(
        out=Console(highlight=False, markup=False),
        err=Console(stderr=True, highlight=False, markup=False),
    )
    with signals_set(asyncio.Event()) as stop:
        mail = read_mail(mbox, talk)
        await unless_stopped(stop, prepare(place, mail.demos, talk, environ=os.environ))
        if stop.is_set():
            return None
        reconciler.start(*place)
        ended = await run_demo(place, mail, talk, stop)
    # A signal that came when there was nothing left to stop ends the command all the same.
    return ended and ended._replace(stopped=stop.is_set())


def _exit_code(ended: Ended | None) -> int:
    if ended is None:
        return _EXIT_INTERRUPTED
    if not ended.adds_up:
        return _EXIT_DOES_NOT_ADD_UP
    return _EXIT_INTERRUPTED if ended.stopped else 0


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _tell(
    data_dir: Path, stack: Stack, urls: StackUrls, reconciler: Reconciler, ended: Ended
) -> None:
    """Where to look. URLs that were given are not repeated: they may hold a password."""
    print()
    for name, url, server in (
        ("REDIS_URL", urls.redis_url, stack.redis),
        ("PG_URL", urls.pg_url, stack.postgres),
        ("NATS_URL", urls.nats_url, stack.nats),
    ):
        print(f"{name}={url}" if server else f"{name} as given")
    print(f"\nThe reconciler:  {reconciler.url}/health  {reconciler.url}/metrics")
    print(f"What it said:    {reconciler.log_path}")
    # Servers of the caller's are in the environment already, and win over those of a directory.
    gate = f"GATE_DATA_DIR={shlex.quote(str(data_dir))} {_program()}"
    print(f"\nLook at an organization:  {gate} inspect {ended.busiest}")
    if ended.letter:
        print(f"Ask about a letter:       {gate} explain {ended.letter}")
    print(f"See how all of it is:     {gate} status")
    print("Stop with Ctrl-C.", flush=True)


def _program() -> str:
    """This command as a shell finds it, wherever it is."""
    started = Path(sys.argv[0])
    if started.name != "gate":
        return f"{shlex.quote(sys.executable)} -m gate"
    found = shutil.which("gate")
    return (
        "gate" if found and Path(found).samefile(started) else shlex.quote(str(started.absolute()))
    )
