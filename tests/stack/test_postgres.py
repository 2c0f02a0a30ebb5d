"""Embedded PostgreSQL: whose rights it has, and whose data it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from gate.stack import PostgresServer, StackError, postgres
from gate.stack.privileges import without_root

NOBODY = 65534
AS_NOBODY = """
import sys
from pathlib import Path
from gate.stack import Stack
with Stack(Path(sys.argv[1])) as stack:
    print(len(stack.servers))
"""


async def test_database__is_gate_in_utf8_and_utc(tmp_path: Path) -> None:
    with PostgresServer(tmp_path) as server:
        connection = await asyncpg.connect(server.url)
        row = await connection.fetchrow(
            "SELECT current_database(), current_user, current_setting('server_encoding'),"
            " current_setting('TimeZone'), current_setting('password_encryption')"
        )
        await connection.close()
        assert tuple(row) == ("gate", "gate", "UTF8", "UTC", "scram-sha-256")
        assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace("gate:", "gate:x"))


def test_data_of_another_major__is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(StackError, match=r"14.*pg_dump of 14"):
        PostgresServer(tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_without_namespaces__becomes_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        postgres, "without_root", lambda *args: without_root(*args, ways=("setuid",))
    )
    # Below a folder that everybody may enter, which pytest's are not.
    with tempfile.TemporaryDirectory(prefix="gate-") as directory:
        Path(directory).chmod(0o755)
        server = PostgresServer(Path(directory, "postgres"))
        try:
            server.start()
        except StackError as error:
            pytest.skip(str(error))
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        server.restart()
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_ordinary_user__runs_all_servers() -> None:
    with tempfile.TemporaryDirectory(prefix="gate-") as directory:
        os.chown(directory, NOBODY, NOBODY)
        environ = {"PATH": os.environ["PATH"], "HOME": directory}
        command = [sys.executable, "-c", AS_NOBODY, f"{directory}/data"]
        rights = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        probe = [sys.executable, "-c", "import gate.stack"]
        try:
            subprocess.run(probe, env=environ, cwd="/", check=True, capture_output=True, **rights)
        except (PermissionError, subprocess.CalledProcessError):
            pytest.skip("this checkout or its Python is closed to other users")
        done = subprocess.run(
            command, env=environ, cwd="/", capture_output=True, text=True, check=False, **rights
        )
        assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)
