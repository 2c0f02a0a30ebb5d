"""Which PostgreSQL a command speaks to when none is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gate.domain.errors import GateError
from gate.stack import default_data_dir
from gate.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "gate"


class NoDatabase(GateError):
    """No PostgreSQL was named and none of ours runs."""

    code = "gate.no_database"


def find_database_url(given: str | None) -> str:
    """`given`, else PG_URL, else the embedded PostgreSQL that runs in the default data directory.

    Raises NoDatabase.
    """
    url = given or os.environ.get("PG_URL")
    if url:
        return url
    data_dir = default_data_dir()
    url = _embedded_url(data_dir / "postgres")
    if url is None:
        raise NoDatabase(
            f"no PostgreSQL is running in {data_dir}: start `gate stack`, or name one with "
            "--database-url, PG_URL or GATE_DATA_DIR"
        )
    return url


def _embedded_url(home: Path) -> str | None:
    """What listens on the port that was written down may be another server by now: that one does
    not take the password."""
    try:
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        password = (home / "password").read_text()
        port = int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    return f"postgresql://{_NAME}:{password}@{LOOPBACK}:{port}/{_NAME}"
