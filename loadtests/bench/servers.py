"""Servers of a comparison's own, on loopback, with empty data that is thrown away."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gate.stack import AppendFsync, PostgresServer, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The log is not rewritten meanwhile: a fork in the middle of a slice would hit one side alone.
_REDIS_ARGS = ("--auto-aof-rewrite-percentage", "0")
#: The embedded stack has as many.
PARTITIONS = 8


def durability(mode: AppendFsync) -> str:
    """How a result names the mode."""
    return "no AOF" if mode == "off" else f"AOF {mode}"


@contextmanager
def redis_server(mode: AppendFsync = "off") -> Iterator[RedisServer]:
    """An empty Redis whose append-only file is synced as `mode` says."""
    with (
        tempfile.TemporaryDirectory(prefix="gate-bench-") as directory,
        RedisServer(Path(directory), appendfsync=mode, extra_args=_REDIS_ARGS) as server,
    ):
        yield server


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """An empty PostgreSQL with the settings that it comes with."""
    with tempfile.TemporaryDirectory(prefix="gate-bench-") as directory:
        # Its owner is another user when we are root, who must be able to reach it.
        Path(directory).chmod(0o755)
        with PostgresServer(Path(directory) / "postgres") as server:
            yield server
