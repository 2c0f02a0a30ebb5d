"""Embedded Redis: durability, ports, password."""

from __future__ import annotations

import json
import socket
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate.stack import RedisServer, StackError

if TYPE_CHECKING:
    from pathlib import Path

    from gate.stack.binaries import Binary

TWO_WRITES = "redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)"


class Unmended(RedisServer):
    """Starts on the file as it is, as a server by itself does."""

    def _prepare(self, binary: Binary) -> None:
        """Nothing."""


def tear_last_block(data_dir: Path) -> None:
    """Cut the append-only file in the middle of the last command that stands in a MULTI block."""
    (path,) = (data_dir / "appendonlydir").glob("*.incr.aof")
    content = path.read_bytes()
    block = content.rindex(b"MULTI")
    second_write = content.index(b"second", block)
    path.write_bytes(content[: second_write + 3])


@pytest.mark.parametrize(("server_type", "kept"), [(Unmended, False), (RedisServer, True)])
def test_torn_block__does_not_swallow_later_writes(
    tmp_path: Path, server_type: type[RedisServer], kept: bool
) -> None:
    """The unmended server proves that the tear is the real one."""
    server = server_type(tmp_path)
    with Redis.from_url(server.start()) as redis:
        for number in range(3):
            redis.eval(TWO_WRITES, 2, f"first{number}", f"second{number}")
    server.kill()
    tear_last_block(tmp_path)
    with Redis.from_url(server.start(), decode_responses=True) as redis:
        assert redis.get("second1") == "2"
        redis.set("later", "here")
    with Redis.from_url(server.restart(), decode_responses=True) as redis:
        assert redis.get("second1") == "2"
        assert redis.get("later") == ("here" if kept else None)
    server.stop()


def test_downgrade__is_refused(tmp_path: Path) -> None:
    record = {"product": "Redis", "version": [99, 0, 0], "port": None}
    (tmp_path / "server.json").write_text(json.dumps(record))
    with pytest.raises(StackError, match=r"made by Redis 99\.0\.0"):
        RedisServer(tmp_path).start()


def test_start_from_a_thread__outlives_the_thread(tmp_path: Path) -> None:
    """The death signal of Linux is bound to the thread that forked."""
    server = RedisServer(tmp_path, appendfsync="off")
    starter = Thread(target=server.start)
    starter.start()
    starter.join()
    pid = server.pid
    with Redis.from_url(server.url) as redis:
        assert redis.info("server")["process_id"] == pid
        assert server.ended() is None
    server.stop()


def test_settings(tmp_path: Path) -> None:
    with RedisServer(tmp_path, appendfsync="always") as server, Redis.from_url(server.url) as redis:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "bind": "127.0.0.1",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        assert redis.config_get(*wanted) == wanted
        assert server.unix_socket is not None
        assert server.unix_socket.is_socket()


def test_off__forgets(tmp_path: Path) -> None:
    with RedisServer(tmp_path, appendfsync="off") as server:
        with Redis.from_url(server.url) as redis:
            redis.set("key", "value")
        with Redis.from_url(server.restart()) as redis:
            assert redis.dbsize() == 0


def test_password__stands_in_the_url(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password="p@ss/word", appendfsync="off")
    with server, Redis.from_url(server.url) as redis:
        assert redis.ping()
        assert "p%40ss%2Fword" in server.url


def test_port_taken_meanwhile__another_is_found(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendfsync="off")
    server.start()
    port = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        server.start()
        assert server.port != port
    server.stop()


def test_port_taken_between_choice_and_start__is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        server = RedisServer(tmp_path, appendfsync="off")
        choose = server._choose_port
        monkeypatch.setattr(
            server, "_choose_port", lambda preferred: ports.pop() if ports else choose(None)
        )
        with server:
            assert server.port != taken.getsockname()[1]
