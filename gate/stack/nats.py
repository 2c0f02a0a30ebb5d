"""Embedded NATS with JetStream. It chooses its port itself and writes it to a file."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING

from gate.stack.binaries import Binary, find_nats
from gate.stack.ports import LOOPBACK, free_port
from gate.stack.server import Server

if TYPE_CHECKING:
    from gate.stack.process import Child

_CHOOSE = -1


class NatsServer(Server):
    """A nats-server with JetStream storage in the data directory.

    It syncs its files every two minutes, so a power loss can take events that it had accepted;
    their outbox in PostgreSQL still has them.
    """

    name = "NATS"
    _stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """`nats://` on the loopback interface."""
        return f"nats://{LOOPBACK}:{self.port}"

    def _find(self) -> Binary:
        return find_nats(self._environ)

    def _prepare(self, binary: Binary) -> None:
        ports_dir = self.data_dir / "ports"
        shutil.rmtree(ports_dir, ignore_errors=True)
        ports_dir.mkdir()

    def _choose_port(self, preferred: int | None) -> int:
        return preferred if preferred and free_port(preferred) == preferred else _CHOOSE

    def _argv(self, binary: Binary, port: int) -> list[str]:
        return [
            str(binary.path),
            *("--addr", LOOPBACK),
            *("--port", str(port)),
            *("--ports_file_dir", str(self.data_dir / "ports")),
            *("--jetstream", "--store_dir", str(self.data_dir / "jetstream")),
        ]

    def _serving_port(self, child: Child, port: int) -> int | None:
        path = self.data_dir / "ports" / f"nats-server_{child.pid}.ports"
        try:
            urls: list[str] = json.loads(path.read_text())["nats"]
        except (FileNotFoundError, ValueError):
            return None  # not there yet, or not written to its end
        return int(urls[0].rpartition(":")[2])
