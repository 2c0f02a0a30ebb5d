"""`gate lua export`: what it writes is enough for a sender with a stock Redis client."""

from __future__ import annotations

import json
from binascii import crc_hqx
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from gate import AccountState, Gate, Grant
from gate.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ORGANIZATION = "org_demo"


def export(directory: Path) -> dict[str, bytes]:
    assert main(["lua", "export", str(directory)]) == 0
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_export__is_the_same_every_time_and_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = export(tmp_path / "new" / "first")
    printed = capsys.readouterr().out.splitlines()
    assert sorted(line.rpartition("/")[2] for line in printed) == list(first)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("stays")
    assert export(tmp_path / "other") == first | {"mine.txt": b"stays"}


def test_manifest__says_what_the_files_are(tmp_path: Path) -> None:
    files = export(tmp_path)
    manifest = json.loads(files["manifest.json"])
    assert len(manifest["scripts"]) == len(files) - 2
    for script in manifest["scripts"]:
        source = files[script["file"]]
        assert sha1(source).hexdigest() == script["sha1"]
        assert b"@include" not in source
        assert source.startswith(b"#!lua")
    reserve = next(one for one in manifest["scripts"] if one["name"] == "reserve")
    assert [key["name"] for key in reserve["keys"]][:3] == ["account", "journal", "holds"]
    required = [one["name"] for one in reserve["arguments"] if not one["optional"]]
    assert required == ["hold_id", "credits", "ttl_ms"]
    assert reserve["answers"][0]["fields"][0] == {"name": "credits", "type": "int"}


def test_directory_that_is_a_file__is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    assert main(["lua", "export", str(taken)]) == 2
    assert capsys.readouterr().err == f"gate: {taken} cannot be written: File exists\n"


def test_list__names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lua", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("reserve ") for line in lines)
    assert len(lines) == 14


class StockSender:
    """A sender made of the exported files, redis-py and nothing of ours."""

    def __init__(self, redis: Redis, directory: Path) -> None:
        self._redis = redis
        self._directory = directory
        self._scripts = {
            script["name"]: script
            for script in json.loads((directory / "manifest.json").read_text())["scripts"]
        }
        self._places = json.loads((directory / "partitions.json").read_text())

    def tag(self, organization_id: str) -> str:
        partitions = int(self._redis.hget("gate:meta", "partitions"))
        partition = crc_hqx(organization_id.encode(), 0) % partitions
        return self._places["tags"][partition * 64 // partitions]

    def call(self, verb: str, organization_id: str, **arguments: str | int) -> dict[str, Any]:
        script = self._scripts[verb]
        keys = [
            self._places["keys"][key["name"]]
            .replace("<tag>", self.tag(organization_id))
            .replace("<organization_id>", organization_id)
            for key in script["keys"]
        ]
        required = [one["name"] for one in script["arguments"] if not one["optional"]]
        values = [arguments[name] for name in required]
        source = (self._directory / script["file"]).read_bytes()
        assert self._redis.script_load(source) == script["sha1"]
        tag, *fields = self._redis.evalsha(script["sha1"], len(keys), *keys, *values)
        answer = next(one for one in script["answers"] if one["tag"] == tag)
        names = [field["name"] for field in answer["fields"]]
        return {"tag": tag, **dict(zip(names, fields, strict=True))}


async def test_exported_scripts__reserve_and_commit(tmp_path: Path, redis_url: str) -> None:
    export(tmp_path)
    async with Gate.connect(redis_url, partitions=8) as gate:
        grants = [Grant(kind="base", credits=10)]
        await gate.load(AccountState(ORGANIZATION, rate_per_second=100, grants=grants))
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            sender = StockSender(redis, tmp_path)
            assert sender.tag(ORGANIZATION) == gate.caller.meta.tag(ORGANIZATION)
            hold = {"hold_id": "eml_42", "credits": 4, "ttl_ms": 60_000}
            reserved = sender.call("reserve", ORGANIZATION, **hold)
            assert reserved["tag"] == "reserved"
            assert (reserved["credits"], reserved["available"]) == (4, 6)
            committed = sender.call(
                "commit", ORGANIZATION, hold_id="eml_42", credits=3, hold_credits=4
            )
            assert committed["tag"] == "committed"
            assert (committed["spent"], committed["returned"]) == (3, 1)
            refused = sender.call("reserve", ORGANIZATION, hold_id="b", credits=8, ttl_ms=60_000)
            assert (refused["tag"], refused["available"]) == ("insufficient", 7)
            absent = sender.call("peek", "org_nobody", credits=1)
            assert absent == {"tag": "not_loaded"}
        assert (await gate.peek(ORGANIZATION)).posted == 7


def test_examples__agree_with_the_tags(tmp_path: Path) -> None:
    places = json.loads(export(tmp_path)["partitions.json"])
    for example in places["examples"]:
        partition = crc_hqx(example["organization_id"].encode(), 0) % example["partitions"]
        assert partition == example["partition"]
        assert places["tags"][partition * 64 // example["partitions"]] == example["tag"]
