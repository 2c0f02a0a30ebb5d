"""Hands mail to an SMTP server over a few connections that stay open."""

from __future__ import annotations

import asyncio
import smtplib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import local
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

_CONNECTIONS = 4
_TIMEOUT_S = 30.0
_CONNECTION_LOST = 421
_NOT_POSSIBLE = 553


class Verdict(NamedTuple):
    """What the server said of one message for one recipient."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """The server has the mail now."""
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        """The same may succeed later."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class Mailer:
    """Runs within `async with`. smtplib blocks, so there is a thread for each connection; more
    deliveries at once than connections wait for their turn."""

    def __init__(self, address: tuple[str, int], connections: int = _CONNECTIONS) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="gate-smtp")
        self._own = local()
        self._opened: list[smtplib.SMTP] = []

    async def deliver(self, sender: str, recipient: str, content: bytes) -> Verdict:
        """Offers one message to one recipient. `content` has CRLF at its line ends."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._deliver, sender, recipient, content
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._close)

    def _deliver(self, sender: str, recipient: str, content: bytes) -> Verdict:
        options = [] if (sender + recipient).isascii() else ["SMTPUTF8"]
        try:
            self._connection().sendmail(sender, [recipient], content, options)
        except smtplib.SMTPRecipientsRefused as refused:
            return _verdict(*refused.recipients[recipient])
        except smtplib.SMTPResponseException as said:
            return _verdict(said.smtp_code, said.smtp_error)
        except (smtplib.SMTPNotSupportedError, UnicodeError) as error:
            return Verdict(_NOT_POSSIBLE, str(error))
        except OSError as lost:  # smtplib's own errors are OSErrors too
            self._drop()
            return Verdict(_CONNECTION_LOST, str(lost) or "connection lost")
        return Verdict(250, "accepted")

    def _connection(self) -> smtplib.SMTP:
        """The connection of this thread."""
        connection: smtplib.SMTP | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = smtplib.SMTP(*self._address, "localhost", timeout=_TIMEOUT_S)
            self._own.connection = connection
            self._opened.append(connection)
        return connection

    def _drop(self) -> None:
        connection: smtplib.SMTP | None = getattr(self._own, "connection", None)
        if connection is not None:
            self._own.connection = None
            self._opened.remove(connection)
            connection.close()

    def _close(self) -> None:
        self._threads.shutdown()
        for connection in self._opened:
            with suppress(OSError):
                connection.quit()


def _verdict(code: int, said: bytes | str) -> Verdict:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return Verdict(code, " ".join(text.split()))
