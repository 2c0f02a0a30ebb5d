"""Owns one child process: its start, its log, its readiness and its end. Nobody else's process.

The signal that ends a child with its parent follows the *thread* that forked. All children are
therefore forked by one thread that lives as long as this process, and a server may be started
from any thread.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gate.stack.errors import ChildEnded, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.stack.privileges import RunAs

_LAUNCH = Path(__file__).with_name("launch.py")
_PROBE_INTERVAL_S = 0.004
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate-spawner")

T = TypeVar("T")


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: English messages, nothing that steers PostgreSQL."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PG") or name == "PG_URL"
    }
    return kept | {"LC_ALL": "C"}


class Child:
    """A running server. On Linux it gets `stop_signal` when this process dies in any way."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_path: Path,
        environ: Mapping[str, str],
        run_as: RunAs,
        stop_signal: signal.Signals = signal.SIGTERM,
        inherited_fd: int,
    ) -> None:
        self.name = name
        self._log_path = log_path
        self._stop_signal = stop_signal
        uid, gid = (-1, -1) if run_as.user is None else run_as.user
        launch = [os.getpid(), int(stop_signal), uid, gid, *run_as.prefix, *argv]
        with log_path.open("ab") as log:
            self._log_start = log.tell()
            self._popen = _spawner.submit(
                subprocess.Popen,
                [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, launch)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=log_path.parent,
                env=server_environment(environ),
                pass_fds=(inherited_fd,),
                # Ctrl-C reaches this process alone, which then ends its children in order.
                start_new_session=True,
            ).result()

    @property
    def pid(self) -> int:
        """The process id, the server's own from its first instruction on."""
        return self._popen.pid

    def ended(self) -> ChildEnded | None:
        """The failure to raise if the server has ended by itself, else None."""
        returncode = self._popen.poll()
        if returncode is None:
            return None
        with self._log_path.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return ChildEnded(self.name, returncode, text, self._log_path)

    def wait_until(self, probe: Callable[[], T | None], timeout_s: float) -> T:
        """Ask `probe` until it answers; fail at once when the child ends, else at the deadline."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = probe()
            if ended := self.ended():
                raise ended
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} was not ready after {timeout_s:g} s; see {self._log_path}"
                )
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_PROBE_INTERVAL_S)

    def stop(self, timeout_s: float) -> None:
        """Ask the server to end; kill it when it has not done so in time."""
        self._popen.send_signal(self._stop_signal)
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self._popen.kill()
        self._popen.wait()
