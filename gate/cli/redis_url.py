"""Which Redis a command speaks to when none is named."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from gate.domain.errors import GateError
from gate.stack import default_data_dir, resp
from gate.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path


class NoRedis(GateError):
    """No Redis was named and none of ours runs."""

    code = "gate.no_redis"


def find_redis_url(given: str | None) -> str:
    """`given`, else REDIS_URL, else the embedded Redis that runs in the default data directory.

    Raises NoRedis.
    """
    url = given or os.environ.get("REDIS_URL")
    if url:
        return url
    data_dir = default_data_dir()
    url = _embedded_url(data_dir / "redis")
    if url is None:
        raise NoRedis(
            f"no Redis is running in {data_dir}: start `gate up`, or name one with --redis-url, "
            "REDIS_URL or GATE_DATA_DIR"
        )
    return url


def _embedded_url(home: Path) -> str | None:
    """The port that was written down counts only if what listens there works in `home`: another
    server may have it now."""
    try:
        port = json.loads((home / "server.json").read_text())["port"]
        answer = resp.call(port, None, "CONFIG", "GET", "dir")
    except (OSError, ValueError, KeyError, TypeError, resp.NotAnswering):
        return None
    return f"redis://{LOOPBACK}:{port}/0" if repr(str(home.resolve())) in answer else None
