"""Which URLs name a Redis, and that no password is ever shown."""

from __future__ import annotations

import pytest

from gate.domain.errors import BadArgument
from gate.hot.redis_url import RedisUrl, parse_redis_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://", RedisUrl()),
        ("redis://localhost", RedisUrl()),
        ("redis://h:7000/3", RedisUrl(host="h", port=7000, db=3)),
        ("redis://h?db=3", RedisUrl(host="h", db=3)),
        ("redis://h/?db=3", RedisUrl(host="h", db=3)),
        ("rediss://h", RedisUrl(host="h", tls=True)),
        ("redis://:pw@h", RedisUrl(host="h", password="pw")),
        ("redis://me:p%40%2F%3A%23@h", RedisUrl(host="h", username="me", password="p@/:#")),
        ("redis://[::1]:7000/0", RedisUrl(host="::1", port=7000)),
        ("unix:///run/r.sock?db=2", RedisUrl(path="/run/r.sock", db=2)),
        ("unix:///run/a%20b.sock", RedisUrl(path="/run/a b.sock")),
        ("unix://me:pw@/r.sock", RedisUrl(path="/r.sock", username="me", password="pw")),
    ],
)
def test_parse__accepted(url: str, parts: RedisUrl) -> None:
    assert parse_redis_url(url) == parts


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://h", "scheme"),
        ("localhost:6379", "scheme"),
        ("redis://h:0", "port"),
        ("redis://h:70000", "address"),
        ("redis://[::1", "address"),
        ("redis://h/one", "db"),
        ("redis://h/-1", "db"),
        ("redis://h/٣", "db"),
        ("redis://h/1/2", "db"),
        ("redis://h/1?db=2", "db"),
        ("redis://h?db=1&db=2", "option db"),
        ("redis://h?ssl_cert_reqs=none", "option ssl_cert_reqs"),
        ("redis://h/0#top", "fragment"),
        ("unix://", "path"),
        ("unix:///", "path"),
        ("unix://run/r.sock", "path"),
    ],
)
def test_parse__refused_names_the_part(url: str, part: str) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_redis_url(url)
    assert caught.value.field == f"redis_url {part}"


@pytest.mark.parametrize(
    "url", ["redis://me:secret@h:1/2", "rediss://:secret@[::1]", "unix://me:secret@/r.sock?db=1"]
)
def test_shown__without_password(url: str) -> None:
    parts = parse_redis_url(url)
    assert "secret" not in f"{parts} {parts!r}"
    assert parse_redis_url(str(parts)).db == parts.db


def test_refused__does_not_show_the_password() -> None:
    with pytest.raises(BadArgument) as caught:
        parse_redis_url("redis://me:secret@h:99999/0")
    assert "secret" not in str(caught.value)
