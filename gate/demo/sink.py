"""A mail server on the loopback interface that takes mail and keeps nothing of it.

It runs as a process of its own, as a mail server does, and so takes no time from the sender:
`python -m gate.demo.sink` prints its port, and at the end of its input how much it took.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from aiosmtpd.smtp import SMTP

from gate.demo.errors import DemoError

if TYPE_CHECKING:
    from types import TracebackType

    from aiosmtpd.smtp import Envelope, Session

_LOOPBACK = "127.0.0.1"
_MESSAGE_BYTES_MAX = 512 * 1024 * 1024

_OK = "250 2.0.0 OK"
_REFUSED = "550 5.1.1 No such mailbox"
_LATER = "451 4.7.1 Please try again"


class Sink:
    """The sink's process, within `async with`. `address` is host and port; `accepted`, known after
    the block, is for how many recipients it took mail: a witness beside the sender."""

    def __init__(self) -> None:
        self.address = (_LOOPBACK, 0)
        self.accepted = 0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gate.demo.sink"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for the sender, which ends the sink when its mail is through.
            start_new_session=True,
        )
        self.address = (_LOOPBACK, await self._read_number())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        if error is None:
            self.accepted = await self._read_number()
        await self._process.wait()

    async def _read_number(self) -> int:
        line = b""
        if self._process is not None and self._process.stdout is not None:
            line = await self._process.stdout.readline()
        if not line:
            raise DemoError("the mail sink ended by itself")
        return int(line)


class Handler:
    """What the sink does. Refuses for good who is called `bounce`, asks `later` to come back the
    first time (both with or without a +detail), and takes everything else."""

    def __init__(self) -> None:
        self.accepted = 0
        self._asked_back: set[tuple[str, str]] = set()

    def session(self) -> SMTP:
        """A protocol for one connection."""
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


async def serve() -> None:
    """Takes mail until standard input ends, which it also does when the sender dies."""
    handler = Handler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(handler.session, _LOOPBACK, 0)
    _say(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    _say(handler.accepted)


def _say(number: int) -> None:
    with suppress(BrokenPipeError):  # a sender that died
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    asyncio.run(serve())
