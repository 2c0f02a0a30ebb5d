"""Servers for the tests: real ones, one of each kind per test process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.stack import RedisServer, resp

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis without append-only file, shared by the tests of this process."""
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="off") as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis; the scripts that it has cached stay."""
    resp.call(redis_server.port, None, "FLUSHALL", "SYNC")
    return redis_server.url
