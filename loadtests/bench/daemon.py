"""The reconciler as a process, as `make run` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gate.stack import process
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAUNCH = Path(process.__file__).with_name("launch.py")
_ROOT = Path(__file__).parents[2]
_EXIT_MAX_S = 30.0
_POLL_S = 0.02
_LOG_SHOWN = 2000


def environment(redis_url: str, database_url: str) -> dict[str, str]:
    """The variables of a reconciler; what the machine sets for one of its own says nothing here."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GATE_", "PG", "REDIS_"))}
    return kept | {
        "REDIS_URL": redis_url,
        "PG_URL": database_url,
        "GATE_PARTITIONS": str(PARTITIONS),
        "GATE_RECONCILER_PORT": "0",
    }


class Daemon:
    """`python -m reconciler run`. It is killed when the process that starts it dies."""

    def __init__(self, redis_url: str, database_url: str, log_path: Path) -> None:
        self._environ = environment(redis_url, database_url)
        self._log_path = log_path
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it (again), and waits until it works on its partitions."""
        argv = [sys.executable, "-m", "reconciler", "run", "--no-migrate"]
        launch = [os.getpid(), int(signal.SIGKILL), -1, -1, *argv]
        with self._log_path.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, launch)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_ROOT,
                env=self._environ,
                start_new_session=True,
            )
        while '"owned"' not in self._log_path.read_text():
            self.check()
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Raises if it has ended by itself."""
        if self._popen is not None and self._popen.poll() is not None:
            log = self._log_path.read_text()[-_LOG_SHOWN:]
            raise RuntimeError(f"the reconciler ended with code {self._popen.returncode}: {log}")

    def stop(self) -> None:
        """Ends it in order: what it works on is booked, or not begun."""
        if self._popen is not None:
            self._popen.terminate()
            try:
                self._popen.wait(_EXIT_MAX_S)
            finally:
                self._popen.kill()
                self._popen = None


@contextmanager
def reconciler(redis_url: str, database_url: str) -> Iterator[Daemon]:
    """A daemon that was not started yet."""
    with TemporaryDirectory(prefix="gate-bench-") as directory:
        daemon = Daemon(redis_url, database_url, Path(directory) / "reconciler.log")
        try:
            yield daemon
        finally:
            daemon.stop()
