"""Free ports on the loopback interface."""

from __future__ import annotations

import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None) -> int:
    """`preferred` if nobody listens there, else one that the system chose.

    It may be taken before a server binds it, so the start is tried again on another.
    """
    if preferred:
        with suppress(OSError):
            return _bound(preferred)
    return _bound(0)


def _bound(port: int) -> int:
    with socket.socket() as probe:
        # Without it a port with connections that just ended would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
        chosen: int = probe.getsockname()[1]
        return chosen
