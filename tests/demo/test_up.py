"""`gate up` as a process, on its own Redis: runs, adds up, stays, ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gate.cli import main
from gate.demo.organizations import demo_organizations
from gate.stack import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 30.0
#: PostgreSQL and NATS are not used yet, and tests/stack starts them.
ENVIRON = {name: value for name, value in os.environ.items() if name != "REDIS_URL"} | {
    "PG_URL": "postgresql://unused.example/gate",
    "NATS_URL": "nats://unused.example",
}
_ROW = re.compile(r"^(org_\w+) +((?:[−\d,]+ +){9})(yes|no)\s*$", re.M)


@contextmanager
def gate_up(data_dir: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The running command."""
    with subprocess.Popen(
        [sys.executable, "-m", "gate", "up", "--data-dir", str(data_dir), *arguments],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def read_rows(out: str) -> dict[str, dict[str, int]]:
    """The table's numbers by organization; every row must add up."""
    rows = {}
    names = ("before", "other", "spent", "after", "held", "letters", "sent", "refused", "not_sent")
    for organization_id, numbers, adds_up in _ROW.findall(out):
        values = [int(n.replace(",", "").replace("−", "-")) for n in numbers.split()]
        row = rows[organization_id] = dict(zip(names, values, strict=True))
        assert adds_up == "yes"
        assert row["before"] + row["other"] - row["spent"] == row["after"]
        assert row["letters"] == row["sent"] + row["refused"] + row["not_sent"]
        assert row["held"] == 0
        assert row["sent"] == row["spent"]
    return rows


def test_twice_in_one_data_directory__adds_up_and_stays_until_sigterm(tmp_path: Path) -> None:
    with gate_up(tmp_path, "--once") as command:
        out, err = command.communicate(timeout=DEADLINE_S)
    assert command.returncode == 0, err
    first = read_rows(out)
    assert list(first) == ["org_demo", "org_small", "org_slow", "org_paused", "org_pack"]
    assert (first["org_small"]["sent"], first["org_small"]["after"]) == (25, 0)
    assert first["org_slow"]["sent"] > 40
    assert first["org_paused"]["sent"] == 0
    assert first["org_pack"]["after"] < 0
    for denial in ("insufficient", "throttled (second)", "inactive"):
        assert f" {denial}" in out
    assert re.search(r"reserve p50 [\d.]+ (µs|ms) p99 [\d.]+ (µs|ms)  commit p50", out)
    assert re.search(r"^ +1\.\d s  \d+ of 300 letters", err, re.M), "no progress while it ran"

    with gate_up(tmp_path) as command:
        assert command.stdout is not None
        out = ""
        while "Stop with Ctrl-C." not in out:
            line = command.stdout.readline()
            assert line, command.communicate()
            out += line
        second = read_rows(out)
        assert {o: r["before"] for o, r in second.items()} == {
            o: r["after"] for o, r in first.items()
        }
        assert second["org_demo"]["sent"] == first["org_demo"]["sent"]
        assert second["org_small"]["sent"] == 0
        assert "unused.example" not in out, "a URL that was given may hold a password"

        (pasted,) = re.findall(r"^Look at an organization: +(.+)$", out, re.M)
        shown = subprocess.run(pasted, shell=True, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        assert f"{second['org_demo']['after']:,} left" in shown.stdout

        command.send_signal(signal.SIGTERM)
        assert command.wait(DEADLINE_S) == 0
    with RedisServer(tmp_path / "redis"):  # its lock is free: nothing was left running
        pass


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--once",), 130)])
def test_sigterm_while_it_sends__ends_in_order(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    mbox = tmp_path / "mbox"
    people = ",\n ".join(f"r{number}@example.org" for number in range(2_000))  # 99 s of work
    mbox.write_text(f"From - Mon Jan  5 08:00:00 2026\nFrom: a@slow.example.com\nTo: {people}\n\n")
    with gate_up(tmp_path, "--mbox", str(mbox), *arguments) as command:
        assert command.stderr is not None
        while " letters  admitted " not in (line := command.stderr.readline()):
            assert line, command.communicate()
        command.send_signal(signal.SIGTERM)
        out, err = command.communicate(timeout=DEADLINE_S)
    assert command.returncode == code
    assert "Traceback" not in err
    row = read_rows(out)["org_slow"]
    assert row["sent"] >= 20
    assert f"{row['not_sent']:,} stopped" in out


def test_sigterm_after_it_sent__ends_too(tmp_path: Path) -> None:
    mbox = tmp_path / "mbox"
    mbox.write_text("From - Mon Jan  5 08:00:00 2026\nFrom: a@b.example\nTo: c@d.example\n\n")
    with gate_up(tmp_path, "--mbox", str(mbox)) as command:
        assert command.stdout is not None
        assert command.stdout.readline(), "the first line of the report"
        command.send_signal(signal.SIGTERM)
        command.communicate(timeout=DEADLINE_S)
    assert command.returncode == 0


@pytest.mark.parametrize(
    ("environ", "arguments", "message"),
    [
        ({"NODE_ENV": "production"}, (), "NODE_ENV=production loads no demo organizations"),
        ({}, ("--mbox", "/nowhere/x.mbox"), "/nowhere/x.mbox cannot be read as an mbox"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, (), "127.0.0.1:1"),
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
    if "REDIS_URL" not in environ:
        monkeypatch.delenv("REDIS_URL", raising=False)
    assert main(["up", "--once", "--data-dir", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("gate: ")
    assert message in error


def test_organizations__differ_in_their_terms() -> None:
    demos = demo_organizations(datetime(2027, 12, 31, 23, 59, tzinfo=UTC))
    states = {one: demo.state for one, demo in demos.items()}
    assert states["org_paused"].status == "paused"
    assert states["org_slow"].rate_per_second == 20
    assert {grant.kind for grant in states["org_pack"].grants} == {"rollover", "base", "purchased"}
    assert states["org_pack"].overage_limit > 0
    for state in states.values():
        ends = [state.ends_at, *(period.ends_at for period in state.coming)]
        assert ends[:2] == [datetime(2028, month, 1, tzinfo=UTC) for month in (1, 2)]
        assert ends == sorted(ends)
        assert sum(grant.credits for grant in state.grants if grant.kind == "base") == (
            state.coming[0].allowance
        )
