"""A blocking Redis connection that sends whole batches: only what runs in Redis counts."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Self

import hiredis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from gate.stack import RedisServer

_PENDING = object()
#: Commands in flight: enough that Redis never waits, few enough that no buffer fills.
DEPTH = 128


class Wire:
    """One socket. Raises hiredis.ReplyError for an error reply."""

    def __init__(self, server: RedisServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader(notEnoughData=_PENDING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def call(self, *words: bytes | str | int) -> Any:
        """One command and its answer."""
        return self.run([hiredis.pack_command(words)])[0]  # type: ignore[arg-type]

    def run(self, packed: Sequence[bytes]) -> list[Any]:
        """Packed commands, pipelined, and their answers."""
        replies: list[Any] = []
        for start in range(0, len(packed), DEPTH):
            batch = packed[start : start + DEPTH]
            self._socket.sendall(b"".join(batch))
            replies += [self._next() for _ in batch]
        return replies

    def info(self, section: str) -> dict[str, str]:
        """The fields of a section of INFO."""
        lines = self.call("INFO", section).decode().splitlines()
        pairs = (line.partition(":") for line in lines if ":" in line)
        return {name: value for name, _, value in pairs}

    def _next(self) -> Any:
        while (reply := self._reader.gets()) is _PENDING:
            received = self._socket.recv(1 << 18)
            if not received:
                raise ConnectionError("Redis closed the connection")
            self._reader.feed(received)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply
