"""`gate up` as a process, on servers of its own: runs, agrees, stays, ends and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from gate.cli import main
from gate.domain.operations import OperationContent
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 30.0
#: NATS is not used yet, and tests/stack starts it.
ENVIRON = {
    name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "PG_URL")
} | {"NATS_URL": "nats://unused.example", "GATE_RECONCILER_PORT": "0"}
_ROW = re.compile(
    r"^(org_\S+) +.*? {2,}([\d,]+) +([\d,]+) +([\d,]+)  .*?"
    r"([−\d,]+) +([−\d,]+) +([−\d,]+) +([−\d,]+) +([−\d,]+)  (yes|no)\s*$",
    re.M,
)
_NUMBERS = ("letters", "sent", "refused", "before", "other", "spent", "after", "ledger")


@contextmanager
def gate_up(
    data_dir: Path, *arguments: str, database_url: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """The running command. Without `database_url` PostgreSQL is its own too."""
    with subprocess.Popen(
        [sys.executable, "-m", "gate", "up", "--data-dir", str(data_dir), *arguments],
        env=ENVIRON | ({"PG_URL": database_url} if database_url else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def make_mbox(path: Path, **letters: int) -> Path:
    """A message of each demo organization to so many people."""
    with path.open("w") as mbox:
        for name, count in letters.items():
            people = ",\n ".join(f"r{number}@example.org" for number in range(count))
            mbox.write(
                f"From - Mon Jan  5 08:00:00 2026\nFrom: a@{name}.example.com\nTo: {people}\n\n"
            )
    return path


def read_until(stream: Any, words: str) -> str:
    """What a command says up to a line with these words."""
    text = ""
    while words not in text:
        line = stream.readline()
        assert line, text
        text += line
    return text


def read_rows(out: str) -> dict[str, dict[str, int]]:
    """The table's numbers by organization; every row must agree."""
    rows = {}
    for organization_id, *numbers, agree in _ROW.findall(out):
        values = [int(number.replace(",", "").replace("−", "-")) for number in numbers]
        row = rows[organization_id] = dict(zip(_NUMBERS, values, strict=True))
        assert agree == "yes"
        assert row["before"] + row["other"] - row["spent"] == row["after"] == row["ledger"]
        assert row["letters"] >= row["sent"] + row["refused"]
        assert row["sent"] == row["spent"]
    return rows


def move_end_of_period(database_url: str, organization_id: str) -> None:
    """An operation that ends the running period in a moment."""

    async def add() -> None:
        content = OperationContent(ends_at=datetime.now(UTC) + timedelta(seconds=0.1))
        async with connected(database_url) as connection:
            await load_statement("add_operation").execute(
                connection,
                *(organization_id, "opn_end", "provider", None, content, None, None, "test"),
            )

    asyncio.run(add())


def health(url: str) -> dict[str, Any] | None:
    """What the reconciler says of itself once it books; None: not yet."""
    try:
        with urlopen(url, timeout=5) as answer:
            said: dict[str, Any] = json.load(answer)
    except (URLError, ConnectionError):
        return None
    return said


def child_pids(pid: int) -> list[int]:
    """Children of every thread: they are forked by one that is not the main thread."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            found += [int(child) for child in children.read().split()]
    return found


def wait_gone(pidfds: list[int]) -> None:
    """Wait for the end of processes that are not ours; a pidfd is readable from then on."""
    deadline = time.monotonic() + DEADLINE_S
    for pidfd in pidfds:
        readable, _, _ = select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))
        os.close(pidfd)
        assert readable, "a child outlived its parent"


def test_again_in_one_data_directory__agrees_over_a_turn_and_stays_until_sigterm(
    tmp_path: Path, own_database_url: str
) -> None:
    with gate_up(tmp_path, "--once", database_url=own_database_url) as command:
        out, err = command.communicate(timeout=DEADLINE_S)
    assert command.returncode == 0, out + err
    first = read_rows(out)
    assert list(first) == ["org_demo", "org_small", "org_slow", "org_paused", "org_pack"]
    assert {one: row["before"] for one, row in first.items()} == {
        "org_demo": 5_000,
        "org_small": 25,
        "org_slow": 1_000,
        "org_paused": 1_000,
        "org_pack": 8 + 10 + 12,
    }
    assert (first["org_small"]["sent"], first["org_small"]["after"]) == (25, 0)
    assert first["org_slow"]["sent"] > 40
    assert first["org_paused"]["sent"] == 0
    assert first["org_pack"]["after"] < 0
    for denial in ("insufficient", "throttled", "inactive"):
        assert f" {denial}" in out
    assert re.search(r"reserve p50 [\d.]+ (µs|ms) p99 [\d.]+ (µs|ms)  commit p50", out)
    assert re.search(r"^ +1\.\d s  \d+ of 300 letters", err, re.M), "no progress while it ran"

    move_end_of_period(own_database_url, "org_small")
    mbox = make_mbox(tmp_path / "mbox", small=30, demo=40)
    with gate_up(tmp_path, "--mbox", str(mbox), database_url=own_database_url) as command:
        assert command.stdout is not None
        out = read_until(command.stdout, "Stop with Ctrl-C.")
        second = read_rows(out)
        # The turn may come before the first letter, or between two of them.
        small = second["org_small"]
        assert (small["before"] + small["other"], small["sent"]) == (25, 25)
        demo = second["org_demo"]
        assert (demo["before"], demo["sent"]) == (first["org_demo"]["after"], 40)
        assert own_database_url not in out, "a URL that was given may hold a password"

        _paste(out, own_database_url, f"{demo['after']:,} left")
        (url,) = re.findall(r"(http://\S+/health)", out)
        _die_and_come_back(url)
        pidfds = [os.pidfd_open(pid) for pid in child_pids(command.pid)]
        assert len(pidfds) == 2, "Redis and the reconciler"
        command.send_signal(signal.SIGTERM)
        assert command.wait(DEADLINE_S) == 0
        wait_gone(pidfds)
        assert command.stderr is not None
        assert "the reconciler ended with code -9" in command.stderr.read()


def _paste(out: str, database_url: str, left: str) -> None:
    """The commands that were shown work as they stand, in any directory."""
    commands = {
        name: subprocess.Popen(
            pasted,
            shell=True,
            cwd="/",
            env=ENVIRON | {"PG_URL": database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for pasted, name in re.findall(
            r": +(GATE_DATA_DIR=.+ (inspect|explain|status).*)$", out, re.M
        )
    }
    said = {name: (*command.communicate(), command.wait()) for name, command in commands.items()}
    assert {name: code for name, (_, _, code) in said.items()} == dict.fromkeys(commands, 0), said
    assert left in said["inspect"][0]
    assert "org_demo" in said["explain"][0]
    assert said["status"][0]


def _die_and_come_back(url: str) -> None:
    """The reconciler is killed; another one takes its place at the same address."""
    said = health(url)
    assert said is not None
    pid = int(said["owner"].split(":")[1])
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    wait_gone([pidfd])
    deadline = time.monotonic() + DEADLINE_S
    while (said := health(url)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert int(said["owner"].split(":")[1]) != pid


def test_sigterm_while_it_sends__ends_in_order(tmp_path: Path, own_database_url: str) -> None:
    mbox = make_mbox(tmp_path / "mbox", slow=2_000)  # 99 s of work
    with gate_up(tmp_path, "--mbox", str(mbox), database_url=own_database_url) as command:
        assert command.stderr is not None
        read_until(command.stderr, " letters  admitted ")
        pidfds = [os.pidfd_open(pid) for pid in child_pids(command.pid)]
        command.send_signal(signal.SIGTERM)
        out, err = command.communicate(timeout=DEADLINE_S)
        wait_gone(pidfds)
    assert command.returncode == 0
    assert "Traceback" not in err
    row = read_rows(out)["org_slow"]
    assert row["sent"] >= 20
    assert f"{row['letters'] - row['sent']:,} stopped" in out.replace("\n", " ")


@pytest.mark.parametrize("moment", ["starting Redis", "recorded"])
def test_signal_while_it_starts__leaves_nothing(
    tmp_path: Path, own_database_url: str, moment: str
) -> None:
    with gate_up(tmp_path, "--once", database_url=own_database_url) as command:
        assert command.stderr is not None
        read_until(command.stderr, moment)
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=DEADLINE_S)
    assert (command.returncode, out) == (130, ""), err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal exists on Linux alone")
def test_sigkill__takes_the_children_along(tmp_path: Path) -> None:
    mbox = make_mbox(tmp_path / "mbox", stranger=1)
    with gate_up(tmp_path, "--mbox", str(mbox)) as command:
        assert command.stdout is not None
        out = read_until(command.stdout, "Stop with Ctrl-C.")
        assert list(read_rows(out)) == ["org_stranger"]
        pidfds = [os.pidfd_open(pid) for pid in child_pids(command.pid)]
        assert len(pidfds) == 3, "Redis, PostgreSQL and the reconciler"
        command.kill()
        command.wait(DEADLINE_S)
        wait_gone(pidfds)


@pytest.mark.parametrize(
    ("environ", "arguments", "message"),
    [
        ({"NODE_ENV": "production"}, (), "NODE_ENV=production loads no demo organizations"),
        ({}, ("--mbox", "/nowhere/x.mbox"), "/nowhere/x.mbox cannot be read as an mbox"),
        ({"PG_URL": "postgresql://127.0.0.1:1/gate"}, (), "PostgreSQL: "),
        ({"GATE_RECONCILER_PORT": "http"}, (), "GATE_RECONCILER_PORT = 'http'"),
    ],
)
def test_what_cannot_be__is_one_sentence_and_exit_2(
    environ: dict[str, str],
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (ENVIRON | environ).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert main(["up", "--once", "--data-dir", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("gate: ")
    assert message in error
