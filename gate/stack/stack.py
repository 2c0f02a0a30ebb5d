"""The servers that the gate needs, as one thing: those given by URL and those started here."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, Self

from gate.stack.errors import StackError
from gate.stack.nats import NatsServer
from gate.stack.postgres import PostgresServer
from gate.stack.redis import AppendFsync, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from gate.stack.server import Server

Service = Literal["redis", "postgres", "nats"]
SERVICES: tuple[Service, ...] = ("redis", "postgres", "nats")

_URL_VARIABLES: dict[Service, str] = {
    "redis": "REDIS_URL",
    "postgres": "PG_URL",
    "nats": "NATS_URL",
}
_WATCH_INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class StackUrls:
    """Where the servers are; empty for a service that was not asked for and not given."""

    redis_url: str
    pg_url: str
    nats_url: str


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """`GATE_DATA_DIR`, else `.gate` in the current directory."""
    return Path(environ.get("GATE_DATA_DIR") or ".gate").absolute()


class Stack:
    """Starts what has no URL in the environment; stops it in the opposite order.

    `redis`, `postgres` and `nats` are the servers started here, None where a URL was given.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        services: Sequence[Service] = SERVICES,
        environ: Mapping[str, str] = os.environ,
        appendfsync: AppendFsync = "everysec",
        report: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._given = {service: environ.get(_URL_VARIABLES[service], "") for service in SERVICES}
        self._production = environ.get("NODE_ENV") == "production"
        self._report = report

        def embedded(service: Service) -> bool:
            return service in services and not self._given[service]

        self.redis = (
            RedisServer(data_dir / "redis", appendfsync=appendfsync, environ=environ)
            if embedded("redis")
            else None
        )
        self.postgres = (
            PostgresServer(data_dir / "postgres", environ=environ) if embedded("postgres") else None
        )
        self.nats = NatsServer(data_dir / "nats", environ=environ) if embedded("nats") else None

    @property
    def servers(self) -> dict[Service, Server]:
        """The servers of this stack, in the order of their start."""
        all_servers: dict[Service, Server | None] = {
            "redis": self.redis,
            "postgres": self.postgres,
            "nats": self.nats,
        }
        return {service: server for service, server in all_servers.items() if server}

    def start(self) -> StackUrls:
        """Start every server and say where all are; on a failure none is left running."""
        servers = self.servers
        if servers and self._production:
            missing = ", ".join(_URL_VARIABLES[service] for service in servers)
            raise StackError(f"NODE_ENV=production does not use embedded servers: set {missing}")
        urls = dict(self._given)
        try:
            for service, server in servers.items():
                self._report(f"starting {server.name} in {server.data_dir}")
                urls[service] = server.start()
        except BaseException:
            self.stop()
            raise
        return StackUrls(urls["redis"], urls["postgres"], urls["nats"])

    def stop(self) -> None:
        """Stop what was started here; what was given by URL is left alone."""
        for server in reversed(self.servers.values()):
            server.stop()

    def watch(self) -> NoReturn:
        """Wait; raise as soon as a server has ended by itself. Signals end it as exceptions."""
        while True:
            for server in self.servers.values():
                if ended := server.ended():
                    raise ended
            time.sleep(_WATCH_INTERVAL_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
