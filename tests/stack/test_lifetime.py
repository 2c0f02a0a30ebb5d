"""`gate stack` as a process: its children end with it, however it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.stack import RedisServer, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 15.0


@contextmanager
def gate_stack(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The running command and the lines that it printed."""
    environ = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "PG_URL", "NATS_URL")}
    with subprocess.Popen(
        [sys.executable, "-m", "gate", "stack", "--data-dir", str(data_dir)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            assert command.stdout is not None
            yield command, [command.stdout.readline().strip() for _ in range(3)]
        finally:
            command.kill()


def child_pids(pid: int) -> list[int]:
    """Children of every thread: the servers are forked by one that is not the main thread."""
    tasks = os.listdir(f"/proc/{pid}/task")
    found = []
    for task in tasks:
        with open(f"/proc/{pid}/task/{task}/children") as children:
            found += [int(child) for child in children.read().split()]
    return found


def wait_gone(pidfds: list[int]) -> None:
    """Wait for the end of processes that are not ours; a pidfd is readable from then on."""
    deadline = time.monotonic() + DEADLINE_S
    for pidfd in pidfds:
        readable, _, _ = select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))
        os.close(pidfd)
        assert readable, "a server outlived its parent"


def test_sigterm__ends_the_servers_and_exits_0(tmp_path: Path) -> None:
    with gate_stack(tmp_path) as (command, lines):
        assert [line.partition("=")[0] for line in lines] == ["REDIS_URL", "PG_URL", "NATS_URL"]
        command.send_signal(signal.SIGTERM)
        assert command.wait(DEADLINE_S) == 0
    # Their locks are free again, so nothing is left of them.
    with RedisServer(tmp_path / "redis"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal exists on Linux alone")
def test_sigkill__takes_the_servers_along(tmp_path: Path) -> None:
    with gate_stack(tmp_path) as (command, _):
        pidfds = [os.pidfd_open(pid) for pid in child_pids(command.pid)]
        assert len(pidfds) == 3
        command.kill()
        command.wait(DEADLINE_S)
        wait_gone(pidfds)
    # A start right after it waits for what is left and finds the data whole.
    with gate_stack(tmp_path) as (_, lines):
        assert lines[0].startswith("REDIS_URL=")


def test_server_that_ends__ends_the_command(tmp_path: Path) -> None:
    with gate_stack(tmp_path) as (command, _):
        os.kill(child_pids(command.pid)[0], signal.SIGKILL)
        _, err = command.communicate(timeout=DEADLINE_S)
        assert command.returncode == 2
        assert "ended with code -9" in err
        assert "Traceback" not in err


def test_second_starter__is_told_who_has_the_directory(tmp_path: Path) -> None:
    with RedisServer(tmp_path), pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        RedisServer(tmp_path).start()
