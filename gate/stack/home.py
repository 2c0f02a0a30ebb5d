"""A server's directory: who uses it now, and which server made the data in it.

Two locks. The file `lock` belongs to the process that starts the server and ends with it. The
directory itself is locked as well, and that lock is inherited by the server and its own children:
it is held until the last of them is gone, also when the starter was killed. So nobody opens data
that another still writes, and a stale lock does not exist.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gate.stack.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path

    from gate.stack.binaries import Binary

_LEFTOVER_TIMEOUT_S = 15.0
_LEFTOVER_INTERVAL_S = 0.01


@dataclass(frozen=True, slots=True)
class Record:
    """What made the data, and the port it had: clients keep their URL over a restart."""

    product: str
    version: list[int]
    port: int | None = None


class Home:
    """One server's directory, created when it is missing, closed to other users."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starter_fd = -1
        self._server_fd = -1

    @property
    def log_path(self) -> Path:
        """What the server writes to its standard output and error, over all its starts."""
        return self.path / "server.log"

    @property
    def server_fd(self) -> int:
        """The descriptor of the lock that the server inherits."""
        return self._server_fd

    def acquire(self) -> None:
        """Lock the directory: refuse it to a second starter, wait for a dead one's leftovers."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._starter_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._server_fd = os.open(self.path, os.O_RDONLY)
        if not _locked(self._starter_fd):
            raise self._in_use(f"process {os.pread(self._starter_fd, 32, 0).decode()}")
        deadline = time.monotonic() + _LEFTOVER_TIMEOUT_S
        while not _locked(self._server_fd):
            if time.monotonic() > deadline:
                raise self._in_use("a server that outlived its starter")
            time.sleep(_LEFTOVER_INTERVAL_S)
        os.ftruncate(self._starter_fd, 0)
        os.pwrite(self._starter_fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the directory up; the server's lock ends with the server's last process."""
        for fd in (self._starter_fd, self._server_fd):
            if fd >= 0:
                os.close(fd)
        self._starter_fd = self._server_fd = -1

    def _in_use(self, by: str) -> StackError:
        return StackError(
            f"{self.path} is in use by {by}: stop it, or choose another data directory with "
            "GATE_DATA_DIR or --data-dir"
        )

    def read(self) -> Record | None:
        """The record of the last start, None in a new directory."""
        path = self.path / "server.json"
        try:
            return Record(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise StackError(f"{path} cannot be read ({error}): move {self.path} away") from error

    def write(self, binary: Binary, port: int | None) -> None:
        """Record what serves the data now."""
        record = Record(binary.product, list(binary.version), port)
        partial = self.path / "server.json.new"
        partial.write_text(json.dumps(asdict(record)) + "\n")
        partial.replace(self.path / "server.json")

    def admit(self, binary: Binary, version_parts: int) -> None:
        """Refuse data of a newer server or of another product: some start empty, in silence.

        The first `version_parts` numbers of the version are those that may change the format.
        """
        record = self.read()
        if record is None:
            return
        made_by = f"{record.product} {'.'.join(map(str, record.version))}"
        if record.product != binary.product:
            reason = "is another product"
        elif tuple(record.version[:version_parts]) > binary.version[:version_parts]:
            reason = "is older"
        else:
            return
        raise StackError(
            f"the data in {self.path} was made by {made_by} and the server found, {binary.path}, "
            f"is {binary}, which {reason}: install {made_by} or newer, or move the directory away"
        )


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
