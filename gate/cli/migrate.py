"""`gate migrate`: brings a database's tables up to date."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from gate.cli.extras import import_extra
from gate.domain.errors import BadArgument

if TYPE_CHECKING:
    import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "migrate",
        help="make or update the tables in PostgreSQL",
        description="Apply the migrations that a database lacks. Safe to run at any time, and by "
        "several processes at once.",
    )
    parser.add_argument("--database-url", metavar="URL", help="the database (PG_URL)")
    parser.add_argument(
        "--status", action="store_true", help="change nothing, say what was applied and what not"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Migrate and print what was applied, or print the status."""
    import_extra("asyncpg", "ledger")

    url = args.database_url or os.environ.get("PG_URL")
    if not url:
        raise BadArgument(
            "--database-url",
            url,
            "postgresql://user:password@host:port/database, here or in PG_URL",
        )
    return asyncio.run(_status(url) if args.status else _migrate(url))


async def _migrate(url: str) -> int:
    from gate.ledger.migrate import migrate

    applied = await migrate(url, report=lambda line: print(line, file=sys.stderr, flush=True))
    for migration in applied:
        print(migration.name)
    if not applied:
        print("up to date", file=sys.stderr)
    return 0


async def _status(url: str) -> int:
    from gate.ledger.migrate import applied_migrations, pending_migrations, read_migrations

    applied = await applied_migrations(url)
    for row in applied:
        print(f"{row.name:<24} applied {row.applied_at:%Y-%m-%d %H:%M:%S} UTC")
    for migration in pending_migrations(read_migrations(), applied):
        print(f"{migration.name:<24} pending")
    return 0
