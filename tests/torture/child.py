"""A process of the test: started, killed, made to stand still, and ended with its starter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.stack import process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
_LAUNCH: Final = Path(process.__file__).with_name("launch.py")
_EXIT_MAX_S: Final = 15.0


class Process:
    """`python -m …` in the checkout, its output appended to `log_path`. Not thread-safe."""

    def __init__(
        self, name: str, module: Sequence[str], *, log_path: Path, environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log_path = log_path
        self.starts = 0
        #: For whoever kills it and starts it again.
        self.lock = asyncio.Lock()
        self._argv = [sys.executable, "-m", *module]
        # What the machine sets for servers of its own says nothing here.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GATE_", "PG", "REDIS_"))}
        self._environ = kept | dict(environ)
        self._popen: subprocess.Popen[bytes] | None = None
        self._stands_still = False

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """Start it (again). It is killed when the process that starts it dies."""
        assert not self.is_running, self.name
        launch = [os.getpid(), int(signal.SIGKILL), -1, -1, *self._argv]
        with self.log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, launch)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._environ,
                start_new_session=True,
            )
        self.starts += 1
        self._stands_still = False

    def kill(self) -> None:
        """SIGKILL, whatever it does."""
        if self.is_running:
            self._signal(signal.SIGKILL)
            self._wait()

    def stand_still(self) -> None:
        """SIGSTOP."""
        if self.is_running:
            self._signal(signal.SIGSTOP)
            self._stands_still = True

    def go_on(self) -> None:
        """SIGCONT."""
        if self.is_running and self._stands_still:
            self._signal(signal.SIGCONT)
        self._stands_still = False

    def ask_to_end(self) -> None:
        """SIGTERM, without waiting."""
        self.go_on()
        if self.is_running:
            self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it in order, by force after a while."""
        self.ask_to_end()
        try:
            self._wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._popen is not None
        self._popen.send_signal(number)

    def _wait(self) -> None:
        if self._popen is not None:
            self._popen.wait(_EXIT_MAX_S)
