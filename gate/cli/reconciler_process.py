"""The reconciler as a child of this process: it ends with it, and is started again if it dies."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from gate.domain.errors import BadArgument, GateError
from gate.stack.home import Home
from gate.stack.ports import LOOPBACK, free_port
from gate.stack.privileges import AS_IT_IS
from gate.stack.process import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PORT: Final = 8024
_PORT_MAX: Final = 65_535
_STOP_TIMEOUT_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.25
#: Pauses before another start: longer each time, unless the one before lived for a while.
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.25, 5.0
_SOUND_S: Final = 10.0


class Reconciler:
    """`python -m reconciler run` in `directory`, where its log is. Not thread-safe.

    It gets `environ` and two URLs, and its port for /health and /metrics stays the same as long as
    nobody else takes it. `report` is told when it died.
    """

    def __init__(
        self, directory: Path, environ: Mapping[str, str], report: Callable[[str], object]
    ) -> None:
        self._home = Home(directory.absolute())
        self._environ = environ
        self._report = report
        self._stopping = Event()
        self._keeper: Thread | None = None
        self._child: Child | None = None
        self._port = _wanted_port(environ)

    @property
    def url(self) -> str:
        """Where /health and /metrics are."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def log_path(self) -> Path:
        """What it wrote, over all its starts."""
        return self._home.log_path

    def start(self, redis_url: str, database_url: str, partitions: int) -> None:
        """Start it, and keep it running until `stop`. Raises StackError if another one runs here.

        It may take a while until it books, and a failure to start is told to `report`.
        """
        given = {
            "REDIS_URL": redis_url,
            "PG_URL": database_url,
            "GATE_PARTITIONS": str(partitions),
        }
        self._environ = {**self._environ, **given}
        self._home.acquire()
        self._launch()
        self._keeper = Thread(target=self._keep, name="gate-reconciler", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Let it end in order, by force after a time limit. Does nothing when it does not run."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        if self._child is not None:
            self._child.stop(_STOP_TIMEOUT_S)
            self._child = None
        self._home.release()

    def _launch(self) -> None:
        self._port = free_port(self._port or None)
        self._child = Child(
            "the reconciler",
            # URLs go by the environment: arguments can be read by others.
            [sys.executable, "-P", "-m", "reconciler", "run", "--no-migrate"],
            log_path=self.log_path,
            environ={
                **self._environ,
                "GATE_RECONCILER_HOST": LOOPBACK,
                "GATE_RECONCILER_PORT": str(self._port),
            },
            run_as=AS_IT_IS,
            inherited_fd=self._home.server_fd,
        )

    def _keep(self) -> None:
        pause_s, started_at = _PAUSE_MIN_S, monotonic()
        while not self._stopping.wait(_LOOK_EVERY_S):
            ended = self._child.ended() if self._child else None
            if ended is None:
                continue
            if monotonic() - started_at > _SOUND_S:
                pause_s = _PAUSE_MIN_S
            self._report(f"{ended}; it is started again")
            if self._stopping.wait(pause_s):
                break
            pause_s, started_at = min(2 * pause_s, _PAUSE_MAX_S), monotonic()
            with suppress(GateError):
                self._launch()


def _wanted_port(environ: Mapping[str, str]) -> int:
    text = environ.get("GATE_RECONCILER_PORT", "").strip() or str(_PORT)
    if not text.isascii() or not text.isdigit() or int(text) > _PORT_MAX:
        raise BadArgument("GATE_RECONCILER_PORT", text, f"0 to {_PORT_MAX}; 0: a free one")
    return int(text)
