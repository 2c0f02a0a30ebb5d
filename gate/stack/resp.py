"""One Redis command over a connection of its own: enough to see a server start. Not a client."""

from __future__ import annotations

import socket

import hiredis

from gate.stack.ports import LOOPBACK

_TIMEOUT_S = 5.0
_INFO_TIMEOUT_S = 0.5
_READ_BYTES = 65_536


class NotAnswering(Exception):
    """Nobody listens, or the answer is an error."""


def call(port: int, password: str | None, *command: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Send one command and return its answer as text."""
    commands = [command] if password is None else [("AUTH", password), command]
    reader = hiredis.Reader(encoding="utf-8", errors="replace")
    try:
        with socket.create_connection((LOOPBACK, port), timeout_s) as connection:
            answer = None
            for words in commands:
                # Its stub allows tuples of one word only.
                connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
                answer = _read(connection, reader)
    except OSError as error:
        raise NotAnswering(str(error)) from error
    return str(answer)


def info(port: int, password: str | None, section: str) -> dict[str, str]:
    """The fields of a section of INFO; none when nobody answers."""
    try:
        text = call(port, password, "INFO", section, timeout_s=_INFO_TIMEOUT_S)
    except NotAnswering:
        return {}
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines if name}


def _read(connection: socket.socket, reader: hiredis.Reader) -> object:
    # `gets` answers False until a whole reply is there; no reply used here is a false.
    while (reply := reader.gets()) is False:
        received = connection.recv(_READ_BYTES)
        if not received:
            raise NotAnswering("the connection was closed")
        reader.feed(received)
    if isinstance(reply, hiredis.ReplyError):
        raise NotAnswering(str(reply))
    return reply
