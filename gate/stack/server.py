"""What the three embedded servers have in common: lock, find, check, start, stop."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from gate.stack.errors import ChildEnded, StackError
from gate.stack.home import Home
from gate.stack.ports import free_port
from gate.stack.privileges import AS_IT_IS
from gate.stack.process import Child

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from gate.stack.binaries import Binary
    from gate.stack.privileges import RunAs

_PORT_ATTEMPTS = 5
_STOP_TIMEOUT_S = 15.0


class Server(ABC):
    """A server in `data_dir`, which is its own and survives restarts. Not thread-safe.

    Use it as a context manager, or call `start` and `stop`. The port stays the same over restarts
    as long as nobody else takes it.
    """

    #: How messages call it.
    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals]
    #: How many numbers of a version may stand for another format of the data.
    _format_version_parts: ClassVar[int] = 2
    #: Long enough for recovery from a large log after a crash.
    _start_timeout_s: ClassVar[float] = 60.0

    def __init__(
        self,
        data_dir: Path,
        *,
        extra_args: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._home = Home(data_dir.absolute())
        self._extra_args = tuple(extra_args)
        self._environ = os.environ if environ is None else environ
        self._run_as: RunAs = AS_IT_IS
        self._child: Child | None = None
        self._port: int | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it, while it runs."""

    @property
    def port(self) -> int:
        """Its TCP port on the loopback interface, while it runs."""
        if self._child is None or self._port is None:
            raise StackError(f"{self.name} is not running")
        return self._port

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        return self._running().pid

    @property
    def data_dir(self) -> Path:
        """Its directory: data, log, lock and the record of what made the data."""
        return self._home.path

    def start(self) -> str:
        """Start it, wait until it serves, and return its URL."""
        if self._child is not None:
            raise StackError(f"{self.name} is already running")
        try:
            self._home.acquire()
            binary = self._find()
            self._home.admit(binary, self._format_version_parts)
            record = self._home.read()
            preferred = record.port if record else None
            self._prepare(binary)
            self._home.write(binary, preferred)
            self._launch(binary, preferred)
            self._home.write(binary, self._port)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End it in order, by force after a time limit. Does nothing when it is not running."""
        if self._child is not None:
            self._child.stop(_STOP_TIMEOUT_S)
        self._forget()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._running().kill()
        self._forget()

    def restart(self) -> str:
        """Stop it if it runs, and start it again on the same data."""
        self.stop()
        return self.start()

    def ended(self) -> ChildEnded | None:
        """The failure to raise if it has ended by itself, else None."""
        return self._child.ended() if self._child else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _find(self) -> Binary:
        """The program to run on the data that is there."""

    @abstractmethod
    def _argv(self, binary: Binary, port: int) -> list[str]:
        """The command that serves on `port`."""

    @abstractmethod
    def _serving_port(self, child: Child, port: int) -> int | None:
        """The port on which this very child serves, None until then."""

    @abstractmethod
    def _prepare(self, binary: Binary) -> None:
        """Make or mend the data before the start."""

    def _choose_port(self, preferred: int | None) -> int:
        return free_port(preferred)

    def _launch(self, binary: Binary, preferred: int | None) -> None:
        for attempt in range(_PORT_ATTEMPTS):
            port = self._choose_port(preferred if attempt == 0 else None)
            self._child = child = Child(
                self.name,
                [*self._argv(binary, port), *self._extra_args],
                log_path=self._home.log_path,
                environ=self._environ,
                run_as=self._run_as,
                stop_signal=self._stop_signal,
                inherited_fd=self._home.server_fd,
            )
            try:
                self._port = child.wait_until(
                    partial(self._serving_port, child, port), self._start_timeout_s
                )
            except ChildEnded as ended:
                self._child = None
                if "address already in use" not in ended.log.lower():
                    raise
            else:
                return
        raise StackError(f"{self.name} found no free port in {_PORT_ATTEMPTS} attempts")

    def _running(self) -> Child:
        if self._child is None:
            raise StackError(f"{self.name} is not running")
        return self._child

    def _forget(self) -> None:
        self._child = None
        self._home.release()
