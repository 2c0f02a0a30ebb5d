"""A TCP proxy before Redis that holds, cuts and changes what passes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


class Proxy:
    """Listens on a loopback port (or on `path`) and passes everything on to `port`.

    `requests` and `answers` are gates: cleared, nothing passes in that direction. `change` sees
    each piece of an answer; None cuts the connection instead, in the middle of that piece.
    """

    def __init__(
        self, port: int, *, tls: ssl.SSLContext | None = None, path: Path | None = None
    ) -> None:
        self.requests = asyncio.Event()
        self.answers = asyncio.Event()
        self.requests.set()
        self.answers.set()
        self.change: Callable[[bytes], bytes | None] = lambda data: data
        self._to = port
        self._tls = tls
        self._path = path
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        if self._path is not None:
            return f"unix://{self._path}"
        port = self._server.sockets[0].getsockname()[1]
        return f"redis{'s' if self._tls else ''}://127.0.0.1:{port}"

    def cut(self) -> None:
        """Resets every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._path)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        for pump in (
            self._pump(reader, back, self.requests, lambda data: data),
            self._pump(there, writer, self.answers, lambda data: self.change(data)),
        ):
            task = asyncio.get_running_loop().create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
        change: Callable[[bytes], bytes | None],
    ) -> None:
        try:
            while data := await reader.read(65536):
                await gate.wait()
                changed = change(data)
                if changed is None:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    break
                writer.write(changed)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
