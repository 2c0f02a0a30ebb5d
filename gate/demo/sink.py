"""A mail server on the loopback interface that takes mail and keeps nothing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from types import TracebackType

    from aiosmtpd.smtp import Envelope, Session

_LOOPBACK = "127.0.0.1"
_MESSAGE_BYTES_MAX = 512 * 1024 * 1024

_OK = "250 2.0.0 OK"
_REFUSED = "550 5.1.1 No such mailbox"
_LATER = "451 4.7.1 Please try again"


class Sink:
    """Runs within `async with`. Refuses for good who is called `bounce`, asks `later` to come back
    the first time (both with or without a +detail), and takes everything else.

    `accepted`: recipients whose mail was taken. A demo's mail is its own witness.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self._asked_back: set[tuple[str, str]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, while it runs."""
        if self._server is None:
            raise RuntimeError("the sink is not running: use `async with`")
        host, port = self._server.sockets[0].getsockname()
        return host, port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._session, _LOOPBACK, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()

    def _session(self) -> SMTP:
        return SMTP(
            self,
            data_size_limit=_MESSAGE_BYTES_MAX,
            enable_SMTPUTF8=True,
            hostname="localhost",  # else it would ask the name service
            loop=asyncio.get_running_loop(),
        )

    # -- the hooks of aiosmtpd, which finds them by their names

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[Any]
    ) -> str:
        """Takes or refuses one recipient."""
        name = address.partition("@")[0].partition("+")[0].lower()
        if name == "bounce":
            return _REFUSED
        asked = (envelope.mail_from or "", address)
        if name == "later" and asked not in self._asked_back:
            self._asked_back.add(asked)
            return _LATER
        envelope.rcpt_tos.append(address)
        return _OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Takes one message."""
        self.accepted += len(envelope.rcpt_tos)
        return _OK
