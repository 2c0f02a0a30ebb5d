"""One pipelined connection: writes once per turn of the loop, matches replies in order.

It knows nothing of addresses, handshakes and other connections; see `handshake` and `transport`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from hiredis import ProtocolError, Reader

from gate.domain.errors import Unavailable
from gate.hot.calls import SECOND_TIME, AnswerLost, Argument, Call, fail, pack, plain_call
from gate.hot.redis_errors import ErrorReply, error_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Bytes that the kernel did not take yet, beyond which calls stay here, unwritten.
#: Calls that are written before the turn of the loop ends; measured: 1.6 times the rate at 64 in
#: flight, where client and Redis otherwise take turns, and no loss at 512.
_BATCH = 24
_WRITE_BUFFER_BYTES_MAX = 1 << 20
#: A call is late when it is found late twice: a process that stood still for a while finds the
#: answers that came meanwhile in its socket, and shall read them first.
_SECOND_LOOK_S = 0.01
_NOTHING: Final = object()


class Loss(NamedTuple):
    """Why a connection was lost. `hopeless`: another attempt will end the same way."""

    detail: str
    reason: str = "connection"
    hopeless: bool = False


class Connection(asyncio.Protocol):
    """A socket with calls in flight. Bound to its event loop; not thread-safe.

    `pending` has been written and waits for answers, `unwritten` waits to be written. When the
    connection is lost, `pending` fails with AnswerLost, and `on_lost(connection, unwritten)` gets
    the rest: nobody has seen it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadline_s: float,
        on_lost: Callable[[Connection, Sequence[Call]], None],
    ) -> None:
        self.pending: deque[Call] = deque()
        self.unwritten: list[Call] = []
        self.abandoned = 0
        #: Why it was lost; None while it lives.
        self.lost: Loss | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._deadline_s = deadline_s
        self._on_lost = on_lost
        self._socket: asyncio.Transport | None = None
        self._paused = False
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._found_late = False
        self._drained: asyncio.Future[None] | None = None
        reader = Reader(replyError=ErrorReply, notEnoughData=_NOTHING)
        self._feed, self._gets = reader.feed, reader.gets

    @property
    def in_flight(self) -> int:
        """Calls accepted and not answered, cancelled ones included."""
        return len(self.pending) + len(self.unwritten)

    def send(self, call: Call) -> None:
        """Writes `call` at the end of this turn of the loop, together with others; a batch that is
        large enough goes at once, so that Redis works on it while the next one is made."""
        self.unwritten.append(call)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        elif len(self.unwritten) >= _BATCH and not self._paused and self.lost is None:
            self._write()

    def execute(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Sends a command. The future fails with the errors of `error_from`, or AnswerLost."""
        future = self._loop.create_future()
        self.send(plain_call(future, arguments))
        return future

    async def drain(self) -> None:
        """Returns when nothing is in flight any more."""
        if self.pending or self.unwritten:
            self._drained = self._loop.create_future()
            await self._drained

    def hand_over(
        self, deadline_s: float, on_lost: Callable[[Connection, Sequence[Call]], None]
    ) -> None:
        """With nothing in flight: from now on this deadline counts, `on_lost` hears of a loss."""
        self._deadline_s = deadline_s
        self._on_lost = on_lost
        if self._timer is not None:  # it was set by the deadline before
            self._timer.cancel()
            self._timer = None

    def lose(self, loss: Loss) -> None:
        """Gives the connection up; the first reason counts."""
        if self.lost is not None:
            return
        self.lost = loss
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.abort()
        written, self.pending = self.pending, deque()
        unwritten, self.unwritten = self.unwritten, []
        for call in written:
            fail(call[0], AnswerLost(loss.detail))
        self._settle(self.closed)
        self._settle(self._drained)
        self._on_lost(self, unwritten)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)  # uvloop's have classes of their own
        self._socket.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(Loss(f"Redis closed the connection: {exc or 'end of data'}"))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._feed(data)
        gets, pending = self._gets, self.pending
        try:
            while (reply := gets()) is not _NOTHING:
                if not pending:
                    self._unasked(reply)
                    return
                call = pending.popleft()
                future = call[0]
                if type(reply) is ErrorReply:
                    self._refused(call, reply)
                elif not future.done():
                    future.set_result(reply)
                else:
                    self._abandon(call, reply)
        except ProtocolError as error:
            detail = f"what answers does not speak the Redis protocol: {error}"
            self.lose(Loss(detail, hopeless=True))
        if self._drained is not None:
            self._look_for_end()

    # -- within

    def _flush(self) -> None:
        self._flush_due = False
        if not self._paused or self.lost is not None:
            self._write()

    def _write(self) -> None:
        # Who was cancelled before the call was written has changed nothing.
        calls = [call for call in self.unwritten if not call[0].done()]
        self.unwritten.clear()
        if self.lost is not None:
            self._on_lost(self, calls)
            return
        if not calls or self._socket is None:
            self._look_for_end()
            return
        self.pending.extend(calls)
        self._socket.write(b"".join([call[1] for call in calls]))
        if self._timer is None:
            self._timer = self._loop.call_later(self._deadline_s, self._look_at_oldest)

    def _look_at_oldest(self) -> None:
        """The one timer: sleeps until the oldest call in flight is due, ends when there is none."""
        self._timer = None
        if not self.pending:
            self._found_late = False
            return
        left = self.pending[0][2] + self._deadline_s - monotonic()
        if left > 0:
            self._found_late = False
        elif self._found_late:
            ms = round(self._deadline_s * 1000)
            self.lose(Loss(f"Redis gave no answer within {ms} ms"))
            return
        else:
            self._found_late = True
            left = _SECOND_LOOK_S
        self._timer = self._loop.call_later(left, self._look_at_oldest)

    def _refused(self, call: Call, reply: ErrorReply) -> None:
        future, _, started, on_abandoned, script, arguments, key_count = call
        if future.done():
            return
        if script is None:
            fail(future, error_from(reply, str(arguments[0])))
        elif reply.text.startswith("NOSCRIPT") and key_count != SECOND_TIME:
            # Nothing ran; EVAL brings the script along, and Redis knows it from then on.
            packed = pack((b"EVAL", script.source, key_count, *arguments))
            self.send((future, packed, started, on_abandoned, script, (), SECOND_TIME))
        else:
            fail(future, error_from(reply, script.name))

    def _abandon(self, call: Call, reply: object) -> None:
        """The one who asked was cancelled meanwhile; the answer goes to `on_abandoned`."""
        self.abandoned += 1
        on_abandoned = call[3]
        if on_abandoned is not None:
            # In a turn of its own: what it raises goes to the loop's exception handler.
            self._loop.call_soon(on_abandoned, reply)

    def _unasked(self, reply: object) -> None:
        if isinstance(reply, ErrorReply):  # such as "max number of clients", before any command
            error = error_from(reply, "connect")
            if isinstance(error, Unavailable):
                self.lose(Loss(reply.text, error.reason))
            else:
                self.lose(Loss(str(error), hopeless=True))
        else:
            self.lose(Loss(f"Redis answered what nobody asked: {reply!r:.60}", hopeless=True))

    def _look_for_end(self) -> None:
        if not self.pending and not self.unwritten:
            self._settle(self._drained)

    @staticmethod
    def _settle(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)
