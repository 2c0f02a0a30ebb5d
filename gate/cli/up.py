"""`gate up`: the servers, the demo organizations, and a sender that works for them."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gate.cli.event_loop import run_async
from gate.cli.extras import import_extra
from gate.cli.signals import signals_set, stop_signals

if TYPE_CHECKING:
    import argparse

    from gate.demo.mbox import Mbox
    from gate.demo.run import Ended
    from gate.stack import Stack, StackUrls

_EXIT_DOES_NOT_ADD_UP = 1
_EXIT_INTERRUPTED = 130
_EMBEDDED_PARTITIONS = 8
_PARTITIONS = 64


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "up",
        help="start everything and send the mail of demo organizations",
        description="Start embedded servers (a URL that is set stays as it is), load demo "
        "organizations, send their mail to a local sink, and stay until Ctrl-C or SIGTERM.",
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
    """Start the servers, run the demo, say where to look, stay until a signal comes."""
    import_extra("rich", "demo")
    import_extra("aiosmtpd", "demo")
    from gate.demo.mbox import Mbox, demo_mbox
    from gate.demo.organizations import refuse_production
    from gate.stack import Stack, default_data_dir

    refuse_production(os.environ)
    stack = Stack(
        args.data_dir or default_data_dir(),
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    with Mbox(args.mbox or demo_mbox()) as mbox, stop_signals():
        try:
            urls = stack.start()
            ended = run_async(_demo(urls.redis_url, stack.redis is not None, mbox))
            if args.once:
                return _exit_code(ended)
            if ended.stopped:
                return 0
            _tell(stack, urls, ended)
            stack.watch()
        except KeyboardInterrupt:
            return _EXIT_INTERRUPTED if args.once else 0
        finally:
            stack.stop()


async def _demo(redis_url: str, embedded: bool, mbox: Mbox) -> Ended:
    from rich.console import Console

    from gate.demo.run import run_demo

    with signals_set(asyncio.Event()) as stop:
        ended = await run_demo(
            redis_url,
            mbox,
            partitions=_EMBEDDED_PARTITIONS if embedded else _PARTITIONS,
            stop=stop,
            out=Console(highlight=False, markup=False),
            err=Console(stderr=True, highlight=False, markup=False),
        )
    # A signal that came when there was nothing left to stop ends the command all the same.
    return ended._replace(stopped=stop.is_set())


def _exit_code(ended: Ended) -> int:
    if not ended.adds_up:
        return _EXIT_DOES_NOT_ADD_UP
    return _EXIT_INTERRUPTED if ended.stopped else 0


def _tell(stack: Stack, urls: StackUrls, ended: Ended) -> None:
    """Where to look. URLs that were given are not repeated: they may hold a password."""
    print()
    for name, url, server in (
        ("REDIS_URL", urls.redis_url, stack.redis),
        ("PG_URL", urls.pg_url, stack.postgres),
        ("NATS_URL", urls.nats_url, stack.nats),
    ):
        print(f"{name}={url}" if server else f"{name} as given")
    # A Redis of the caller's is in the environment already.
    setting = f"REDIS_URL={shlex.quote(urls.redis_url)} " if stack.redis else ""
    print(f"\nLook at an organization:  {setting}{_program()} inspect {ended.busiest}")
    print("Stop with Ctrl-C.", flush=True)


def _program() -> str:
    """This command as a shell finds it from here."""
    started = Path(sys.argv[0])
    if started.name != "gate":
        return f"{shlex.quote(sys.executable)} -m gate"
    found = shutil.which("gate")
    return "gate" if found and Path(found).samefile(started) else shlex.quote(str(started))
