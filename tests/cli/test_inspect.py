"""`gate inspect`: what a person sees, and where it looks."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate import AccountState, ComingPeriod, Gate, Grant, Reserved
from gate.cli import main
from gate.stack import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
STATE = AccountState(
    "org_demo",
    rate_per_second=50,
    rate_per_minute=600,
    overage_limit=20,
    max_open_holds=100,
    grants=[
        Grant(kind="purchased", credits=30, expires_at=NOW + timedelta(days=3, hours=1)),
        Grant(kind="base", credits=100),
        Grant(kind="purchased", credits=7),
    ],
    ends_at=NOW + timedelta(days=9),
    coming=[ComingPeriod(period_no=2, ends_at=NOW + timedelta(days=40), allowance=100)],
)


async def fill(redis_url: str, state: AccountState = STATE) -> None:
    """An account with 25 open holds, one of them with a reference and a part settled."""
    async with Gate.connect(redis_url, partitions=8) as gate:
        await gate.load(state)
        for number in range(24):
            ttl_ms = 200_000 + number * 1_000
            await gate.reserve("org_demo", hold_id=f"eml_{number}", ttl_ms=ttl_ms)
        big = await gate.reserve(
            "org_demo", 10, hold_id="campaign", ttl_ms=100_000, reference="news\x1b[31m [x]"
        )
        assert isinstance(big, Reserved)
        await gate.commit(big, 4, final=False, part=1)


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 0
    return capsys.readouterr().out


async def inspect_in_thread(*arguments: str) -> int:
    """The command runs a loop of its own."""
    return await asyncio.to_thread(main, ["inspect", *arguments])


async def test_page__shows_everything(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(redis_url)
    assert await inspect_in_thread("org_demo", "--redis-url", redis_url) == 0
    out = capsys.readouterr().out
    for shown in (
        "active, period 1 until",
        "133 = 133 left − 0 overage − 0 debt",
        "30 by 25 open holds",
        "4 in this period: 4 % of the allowance of 100",
        "0 of 20 allowed",
        "Would be admitted now; 123 available.",
        "25 open holds, the first 20 to expire",
        "6 of 10",
        "−4 purchased",
        "hash tag",
    ):
        assert shown in out
    grants = [line.split() for line in out.splitlines() if line.startswith(("base", "purchased"))]
    assert [row[:2] for row in grants] == [["purchased", "26"], ["base", "100"], ["purchased", "7"]]
    assert "(in 3 d)" in out
    assert "\x1b[31m" not in out
    assert "news�[31m [x]" in out
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("minute")] == [
        ["minute", "600", "600"]
    ]


async def test_json__is_the_same_for_programs(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(redis_url)
    assert await inspect_in_thread("org_demo", "--redis-url", redis_url, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["account"]["held"] == 30
    assert len(found["holds"]) == 20
    campaign = found["holds"][0]
    assert campaign["hold_id"] == "campaign"
    assert (campaign["held"], campaign["granted"], campaign["part"]) == (6, 10, 1)
    per_minute = found["limits"][1]
    assert per_minute["unit"] == "minute"
    assert 566 <= per_minute["tokens"] <= 600
    assert [delta["delta"]["kind"] for delta in found["deltas"]] == ["committed", "loaded"]


async def test_denied__says_why(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with Gate.connect(redis_url) as gate:
        await gate.load(AccountState("org_demo", rate_per_second=1, status="paused"))
    assert await inspect_in_thread("org_demo", "--redis-url", redis_url) == 0
    out = capsys.readouterr().out
    assert "may not send: its subscription is paused." in out
    for empty in ("No grants left", "No open holds", "No coming periods known"):
        assert empty in out


async def test_unknown__is_one_sentence_and_exit_1(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(redis_url)
    assert await inspect_in_thread("org_nobody", "--redis-url", redis_url) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "The account of org_nobody is not in Redis" in err


async def test_empty_redis__stays_empty(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await inspect_in_thread("org_demo", "--redis-url", redis_url) == 1
    assert "holds no accounts" in capsys.readouterr().err
    with Redis.from_url(redis_url) as redis:
        assert redis.dbsize() == 0


def test_bad_id__is_one_sentence_and_exit_2(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "org demo", "--redis-url", redis_url]) == 2
    assert capsys.readouterr().err.startswith("gate: ORG = 'org demo' is not allowed")


def test_no_url__finds_the_stack_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("GATE_DATA_DIR", str(tmp_path))
    with RedisServer(tmp_path / "redis") as server:
        asyncio.run(fill(server.url))
        assert "25 open holds" in page(capsys, "org_demo")
    assert main(["inspect", "org_demo"]) == 2
    assert f"no Redis is running in {tmp_path}" in capsys.readouterr().err


def test_no_url__does_not_ask_another_redis_on_the_port(
    tmp_path: Path,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("GATE_DATA_DIR", str(tmp_path))
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "server.json").write_text(json.dumps({"port": redis_server.port}))
    assert main(["inspect", "org_demo"]) == 2
    assert "no Redis is running" in capsys.readouterr().err
