"""The settings: one table, from which the options, `--help` and `.env.example` are made.

An option of the command line wins over a variable of the environment, that over the default. A
variable that is set to nothing counts as not set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX
from gate.hot.redis_url import parse_redis_url
from reconciler.log import hide_passwords

_PARTITIONS: Final = (1, 2, 4, 8, 16, 32, 64)
_LEVELS: Final = ("debug", "info", "warning", "error")
_SWITCH: Final = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_DATABASE_URL: Final = (
    "postgresql://user:password@host:port/database, with / ? # @ in a password percent-encoded"
)
#: One of the hosts that a URL may list; empty: a socket in the file system.
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^][:]*)(:\d{1,5})?")


class _Hidden:
    """Stands in messages for a value that may hold a password."""

    def __repr__(self) -> str:
        return "…"


class Kind(NamedTuple):
    """What values a setting takes. `parse` raises ValueError; `fits` judges what it made, or what
    was given as a value."""

    metavar: str
    allowed: str
    parse: Callable[[str], Any]
    fits: Callable[[Any], bool]
    is_secret: bool = False


class Setting(NamedTuple):
    """A row of the table. `default` None: it must be given."""

    name: str
    variable: str
    kind: Kind
    default: Any
    help: str

    @property
    def option(self) -> str:
        """As it is written on the command line."""
        return "--" + self.name.replace("_", "-")

    def read(self, source: str, text: str) -> Any:
        """The value that `text` says. Raises BadArgument, which names `source`, the variable or
        option that it came from, and the allowed range."""
        try:
            value = self.kind.parse(text)
        except ValueError as error:
            raise self._refused(source, text) from (None if self.kind.is_secret else error)
        if not self.kind.fits(value):
            raise self._refused(source, text)
        return value

    def check(self, value: object) -> None:
        """Raises BadArgument for a value outside of the range."""
        if not self.kind.fits(value):
            raise self._refused(self.variable, value)

    def _refused(self, source: str, value: object) -> BadArgument:
        if self.kind.is_secret:
            value = _Hidden()
        elif isinstance(value, str):  # somebody may have mixed up two variables
            value = hide_passwords(value)
        return BadArgument(source, value, self.kind.allowed)


def _whole(low: int, high: int) -> Kind:
    return Kind(
        metavar="N",
        allowed=f"a whole number from {low:,} to {high:,}",
        parse=int,
        fits=lambda value: type(value) is int and low <= value <= high,
    )


def _seconds(low: float, high: float) -> Kind:
    return Kind(
        metavar="S",
        allowed=f"{low:,g} to {high:,} seconds",
        parse=float,
        fits=lambda value: type(value) in (int, float) and low <= value <= high,
    )


def _one_of(metavar: str, *values: Any) -> Kind:
    return Kind(
        metavar=metavar,
        allowed="one of " + ", ".join(map(str, values)),
        parse=type(values[0]),
        fits=lambda value: type(value) is type(values[0]) and value in values,
    )


def _switch() -> Kind:
    def parse(text: str) -> bool:
        if text.lower() not in _SWITCH:
            raise ValueError
        return _SWITCH[text.lower()]

    return Kind("", "1 or 0, true or false, yes or no, on or off", parse, lambda v: type(v) is bool)


def _text(metavar: str, allowed: str) -> Kind:
    return Kind(metavar, allowed, str, lambda value: type(value) is str and value.strip() != "")


def _url(allowed: str, check: Callable[[str], bool]) -> Kind:
    def fits(value: object) -> bool:
        try:
            return type(value) is str and check(value)
        except ValueError:
            return False

    return Kind("URL", allowed, str, fits, is_secret=True)


def _is_database_url(url: str) -> bool:
    """Where a password is not percent-encoded, parts of it would be taken for a host, a port or a
    database, and be told in messages."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return (
        parts.scheme in ("postgresql", "postgres")
        and all(_HOST.fullmatch(host) for host in hosts)
        and "@" not in parts.path + parts.query
        and not parts.fragment
    )


def _is_redis_url(url: str) -> bool:
    parse_redis_url(url)
    return True


def _setting(variable: str, kind: Kind, default: Any, help: str) -> Any:
    return field(
        default=MISSING if default is None else default,
        repr=not kind.is_secret,
        metadata={"variable": variable, "kind": kind, "help": help},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values. Printing them shows no URL. Raises BadArgument for what is out of range."""

    redis_url: str = _setting(
        "REDIS_URL",
        _url(
            "redis[s]://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=0]",
            _is_redis_url,
        ),
        "redis://127.0.0.1:6379/0",
        "the Redis with the accounts and journals",
    )
    database_url: str = _setting(
        "PG_URL", _url(_DATABASE_URL, _is_database_url), None, "the PostgreSQL with the ledger"
    )
    partitions: int = _setting(
        "GATE_PARTITIONS",
        _one_of("N", *_PARTITIONS),
        64,
        "partitions of a Redis that holds no accounts yet",
    )
    batch_max: int = _setting(
        "GATE_BATCH_MAX", _whole(1, 50_000), 5_000, "deltas of a partition booked at once, at most"
    )
    poll_ms: int = _setting(
        "GATE_POLL_MS", _whole(1, 10_000), 20, "pause when nothing is left to book, milliseconds"
    )
    trim_margin_s: float = _setting(
        "GATE_TRIM_MARGIN_S",
        _seconds(0, 86_400),
        60,
        "how long booked deltas stay in the journal, for a PostgreSQL that loses its tail",
    )
    lease_ttl_s: float = _setting(
        "GATE_LEASE_TTL_S",
        _seconds(0.2, 60),
        3,
        "a process that has not been seen for so long loses its partitions to others",
    )
    drift_limit_credits: int = _setting(
        "GATE_DRIFT_LIMIT_CREDITS",
        _whole(0, CREDITS_MAX),
        100_000,
        "an account that differs by more is stopped for a person instead of being reloaded",
    )
    reloads_per_hour_max: int = _setting(
        "GATE_RELOADS_PER_HOUR_MAX",
        _whole(0, 1_000),
        3,
        "an account that needs more reloads within an hour is stopped for a person",
    )
    drift_pause_s: float = _setting(
        "GATE_DRIFT_PAUSE_S",
        _seconds(0, 86_400),
        60,
        "pause between two sweeps that compare live accounts with the ledger",
    )
    dry_run: bool = _setting(
        "GATE_DRY_RUN", _switch(), False, "report what would be repaired, repair and forget nothing"
    )
    sends_retention_days: int = _setting(
        "GATE_SENDS_RETENTION_DAYS",
        _whole(1, 36_500),
        90,
        "rows of email_send are kept for so many days",
    )
    host: str = _setting(
        "GATE_RECONCILER_HOST",
        _text("HOST", "a name or address of this machine"),
        "127.0.0.1",
        "where /health and /metrics are served",
    )
    port: int = _setting(
        "GATE_RECONCILER_PORT",
        _whole(0, 65_535),
        8024,
        "the port of /health and /metrics; 0: a free one, which is logged",
    )
    away_max_s: float = _setting(
        "GATE_AWAY_MAX_S",
        _seconds(0, 86_400),
        10,
        "/health answers 503 when Redis or PostgreSQL has been away for longer",
    )
    lag_max_s: float = _setting(
        "GATE_LAG_MAX_S",
        _seconds(0, 86_400),
        60,
        "/health answers 503 when booking is further behind",
    )
    stop_grace_s: float = _setting(
        "GATE_STOP_GRACE_S",
        _seconds(0, 600),
        10,
        "how long work may take to end after SIGTERM",
    )
    log_level: str = _setting(
        "GATE_LOG_LEVEL", _one_of("LEVEL", *_LEVELS), "info", "the least severe messages to log"
    )

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            setting.check(getattr(self, setting.name))

    @classmethod
    def read(cls, environ: Mapping[str, str], given: Mapping[str, str | bool | None]) -> Self:
        """From variables, and from options by the settings' names (None: not given).

        Raises BadArgument, which names the variable or the option and the allowed range.
        """
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            option, text = given.get(setting.name), environ.get(setting.variable, "").strip()
            if isinstance(option, bool):
                values[setting.name] = option
            elif option is not None:
                values[setting.name] = setting.read(setting.option, option)
            elif text:
                values[setting.name] = setting.read(setting.variable, text)
            elif setting.default is None:
                source = f"{setting.option} or {setting.variable}"
                raise BadArgument(source, None, setting.kind.allowed)
        return cls(**values)


#: The table, in the order of `--help`.
SETTINGS: Final = tuple(
    Setting(
        name=one.name,
        variable=one.metadata["variable"],
        kind=one.metadata["kind"],
        default=None if one.default is MISSING else one.default,
        help=one.metadata["help"],
    )
    for one in fields(Settings)
)
