"""Options and defaults of commands that look at Redis and PostgreSQL, and do with one of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gate.cli.database_url import NoDatabase, find_database_url
from gate.cli.redis_url import NoRedis, find_redis_url

if TYPE_CHECKING:
    import argparse


def add_urls(parser: argparse.ArgumentParser) -> None:
    """Declare --redis-url and --database-url."""
    parser.add_argument(
        "--redis-url",
        metavar="URL",
        help="default: REDIS_URL, else the running stack of GATE_DATA_DIR or .gate",
    )
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="default: PG_URL, else the running stack of GATE_DATA_DIR or .gate",
    )


def find_urls(args: argparse.Namespace) -> tuple[str | None, str | None]:
    """The URLs of Redis and PostgreSQL; None for one that is not named and does not run here."""
    redis_url = database_url = None
    with suppress(NoRedis):
        redis_url = find_redis_url(args.redis_url)
    with suppress(NoDatabase):
        database_url = find_database_url(args.database_url)
    return redis_url, database_url
