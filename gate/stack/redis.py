"""Embedded Redis or Valkey, kept over restarts by its append-only file.

A tail that was torn inside a MULTI block is a trap: the server cuts the broken command alone,
keeps the block open, serves, and drops all later writes at the *next* start. A script that writes
twice is such a block. So the file is mended before every start and written anew after it.
"""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from gate.stack import resp
from gate.stack.binaries import Binary, find_redis
from gate.stack.errors import StackError
from gate.stack.ports import LOOPBACK
from gate.stack.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gate.stack.process import Child

#: How often the append-only file is synced; `off`: there is none, and a restart forgets all.
AppendFsync = Literal["everysec", "always", "off"]

#: AF_UNIX paths end at 104 bytes on macOS and at 108 on Linux.
UNIX_SOCKET_PATH_MAX = 103
_REWRITE_TIMEOUT_S = 300.0


class RedisServer(Server):
    """A redis-server or valkey-server that refuses writes at `maxmemory` and never evicts."""

    name = "Redis"
    _stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path,
        *,
        appendfsync: AppendFsync = "everysec",
        password: str | None = None,
        extra_args: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_dir, extra_args=extra_args, environ=environ)
        self._appendfsync = appendfsync
        self._password = password
        self._mended = False

    @property
    def url(self) -> str:
        """`redis://` with the password, if there is one, and database 0."""
        secret = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{secret}{LOOPBACK}:{self.port}/0"

    @property
    def unix_socket(self) -> Path | None:
        """Its socket in the file system, None where the path is too long for one."""
        path = self.data_dir / "redis.sock"
        return path if len(bytes(path)) <= UNIX_SOCKET_PATH_MAX else None

    def _find(self) -> Binary:
        return find_redis(self._environ)

    def _prepare(self, binary: Binary) -> None:
        manifest = self.data_dir / "appendonlydir" / "appendonly.aof.manifest"
        self._mended = self._appendfsync != "off" and manifest.exists()
        if not self._mended:
            return
        # The server program is the check program as well, when it is called by that name.
        name = "valkey-check-aof" if binary.product == "Valkey" else "redis-check-aof"
        done = subprocess.run(
            [name, "--fix", str(manifest)],
            executable=binary.path,
            input="y\n",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        with self._home.log_path.open("a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            raise StackError(
                f"the append-only file in {manifest.parent} is damaged and {name} cannot mend it "
                f"(see {self._home.log_path}): restore it, or move {self.data_dir} away"
            )

    def _argv(self, binary: Binary, port: int) -> list[str]:
        options = {
            "port": str(port),
            "bind": LOOPBACK,
            "dir": str(self.data_dir),
            "save": "",
            "appendonly": "no" if self._appendfsync == "off" else "yes",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        if self._appendfsync != "off":
            options["appendfsync"] = self._appendfsync
        if self.unix_socket:
            options |= {"unixsocket": str(self.unix_socket), "unixsocketperm": "700"}
        if self._password:
            options["requirepass"] = self._password
        pairs = (pair for name, value in options.items() for pair in (f"--{name}", value))
        return [str(binary.path), *pairs]

    def _serving_port(self, child: Child, port: int) -> int | None:
        # Another server may have taken the port; the child is then about to end.
        server = resp.info(port, self._password, "server")
        if server.get("process_id") != str(child.pid):
            return None
        persistence = resp.info(port, self._password, "persistence")
        return port if persistence.get("loading") == "0" else None

    def _launch(self, binary: Binary, preferred: int | None) -> None:
        super()._launch(binary, preferred)
        if self._mended:
            self._write_file_anew()

    def _write_file_anew(self) -> None:
        resp.call(self.port, self._password, "BGREWRITEAOF")
        status = self._running().wait_until(self._rewrite_status, _REWRITE_TIMEOUT_S)
        if status != "ok":
            raise StackError(
                f"Redis could not write its append-only file anew; see {self._home.log_path}"
            )

    def _rewrite_status(self) -> str | None:
        state = resp.info(self.port, self._password, "persistence")
        pending = (state.get("aof_rewrite_in_progress"), state.get("aof_rewrite_scheduled"))
        return state["aof_last_bgrewrite_status"] if pending == ("0", "0") else None
