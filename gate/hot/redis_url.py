"""Where Redis is: `redis://`, `rediss://` (TLS) and `unix://` URLs, parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from gate.domain.errors import BadArgument

_FORMS = "redis[s]://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=0]"
_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The parts of a URL. Printing it shows no password."""

    host: str = "localhost"
    port: int = _DEFAULT_PORT
    path: str | None = None
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0

    def __str__(self) -> str:
        user = f"{self.username}@" if self.username else ""
        if self.path is not None:
            return f"unix://{user}{self.path}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' if self.tls else ''}://{user}{host}:{self.port}/{self.db}"


def parse_redis_url(url: str) -> RedisUrl:
    """The parts of `url`; user, password and path are percent-decoded.

    Raises BadArgument, which never repeats the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused("address", "a host and a port from 1 to 65535") from error
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise _refused("scheme", _FORMS, parts.scheme)
    if parts.fragment:
        raise _refused("fragment", "none: write # in a password as %23")
    unix = parts.scheme == "unix"
    named_db = _database_option(parts)
    in_path = "" if unix else parts.path.strip("/")
    if in_path and named_db is not None:
        raise _refused("db", "once, as /db or as ?db=")
    path = unquote(parts.path) if unix else None
    if unix and (not path or path == "/" or parts.hostname):
        raise _refused("path", "an absolute path: unix:///run/redis.sock")
    if port == 0:
        raise _refused("port", "1 to 65535", 0)
    return RedisUrl(
        host=unquote(parts.hostname or "localhost"),
        port=port or _DEFAULT_PORT,
        path=path,
        tls=parts.scheme == "rediss",
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        db=_database(named_db if named_db is not None else in_path or "0"),
    )


def _database_option(parts: SplitResult) -> str | None:
    """The value of `?db=`, the one option that there is."""
    options = parse_qsl(parts.query, keep_blank_values=True)
    for name, _ in options:
        if name != "db":
            raise _refused(f"option {name}", "db is the only option")
    if len(options) > 1:
        raise _refused("option db", "db may stand once")
    return options[0][1] if options else None


def _database(text: str) -> int:
    # isdecimal alone would let other scripts' digits through.
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise _refused("db", "a number from 0", text)
    return int(text)


def _refused(part: str, allowed: str, value: object = "?") -> BadArgument:
    return BadArgument(f"redis_url {part}", value, allowed)
