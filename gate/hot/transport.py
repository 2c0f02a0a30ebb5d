"""The hot path to Redis: all calls of a process, pipelined over few connections.

No call has a task, a lock or a timer of its own, and nothing that may have run is ever sent again.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from gate.domain.errors import BadArgument, ContractError, GateError, Unavailable
from gate.hot.calls import AnswerLost, Script, evalsha_prefix, fail, pack, plain_call
from gate.hot.connection import Connection, Loss
from gate.hot.handshake import Endpoint, open_connection
from gate.hot.redis_url import parse_redis_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from gate.hot.calls import Argument, Call

__all__ = ["AnswerLost", "Script", "Transport"]

_BACKOFF_MIN_S, _BACKOFF_MAX_S = 0.010, 2.0


class Transport:
    """Few pipelined connections to one Redis. Bound to the loop it was made in; not thread-safe.

    Calls go over the first connection that has room; the others are for when it is full or lost.

    A lost connection is made anew in the background, after a pause with full jitter (10 ms,
    doubling to 2 s). While there is none at all, calls wait for the first attempt, up to their
    deadline, and are sent if it succeeds; after it has failed, calls fail at once with
    Unavailable("connection") and the last error, until one attempt succeeds.

    `calls` counts the calls accepted, `reconnects` the connections made anew.
    """

    def __init__(self, endpoint: Endpoint, in_flight_max: int) -> None:
        """Use `connect`."""
        self.calls = 0
        self.reconnects = 0
        self._endpoint = endpoint
        self._in_flight_max = in_flight_max
        self._loop = get_running_loop()
        self._ready: list[Connection] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._abandoned_before = 0
        self._closed = False
        self._last_error: GateError = Unavailable("connection", "not connected")
        #: Calls that wait for the first attempt after a loss; None when that has failed.
        self._waiting: list[Call] | None = None
        self._give_up: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(
        cls,
        url: str,
        scripts: Sequence[Script],
        *,
        connections: int = 2,
        in_flight_max: int = 4096,
        deadline_ms: int = 1000,
        connect_timeout_ms: int = 2000,
        client_name: str = "creditgate",
        ssl_context: ssl.SSLContext | None = None,
    ) -> Self:
        """Opens all connections and loads `scripts` into Redis; `in_flight_max` is for each.

        Raises BadArgument for the URL, Unavailable if Redis cannot be reached, and ContractError
        for what a person must put right (password, ACL, version, database, not a Redis).
        """
        endpoint = Endpoint(
            url=parse_redis_url(url),
            scripts=tuple(scripts),
            client_name=client_name,
            ssl_context=ssl_context,
            connect_timeout_s=connect_timeout_ms / 1000,
            deadline_s=deadline_ms / 1000,
        )
        if connections < 1:
            raise BadArgument("connections", connections, "at least 1")
        self = cls(endpoint, in_flight_max)
        opening = [self._open() for _ in range(connections)]
        try:
            for opened in await asyncio.gather(*opening, return_exceptions=True):
                if isinstance(opened, BaseException):
                    raise opened
                self._keepers.append(self._loop.create_task(self._keep(opened)))
        except BaseException:
            await self.aclose()
            raise
        return self

    def call(
        self,
        script: Script,
        arguments: tuple[Argument, ...],
        key_count: int,
        on_abandoned: Callable[[object], None] | None = None,
    ) -> asyncio.Future[Any]:
        """Runs `script`; `arguments` are its `key_count` keys and then the rest.

        The future's result is the reply. It fails with Unavailable if the script did not run,
        AnswerLost if it may have, and ContractError or BadArgument if Redis or the script refuses.
        Cancelling the future ends the waiting alone: a call not yet written is then not sent; the
        reply to one that was goes to `on_abandoned` unless it is an error. A task that is cancelled
        in the very turn in which the answer came finds that in the future, which is then done and
        not cancelled; what to do with it is up to the task.

        Raises TypeError for an argument that is neither text nor a whole number, and ContractError
        in a loop other than the transport's.
        """
        prefix, cut = evalsha_prefix(script.sha, key_count, len(arguments))
        packed = prefix + pack(arguments)[cut:]
        future = self._loop.create_future()
        self._send((future, packed, monotonic(), on_abandoned, script, arguments, key_count))
        return future

    def execute(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Runs any command; the future fails as that of `call` does."""
        future = self._loop.create_future()
        self._send(plain_call(future, arguments))
        return future

    async def aclose(self) -> None:
        """Refuses new calls, waits for those in flight (up to the deadline), closes."""
        self._check_loop()
        self._closed = True
        for keeper in self._keepers:
            keeper.cancel()
        self._stop_waiting(Unavailable("closed", "the gate was closed"))
        drains = [self._loop.create_task(one.drain()) for one in self._ready]
        if drains:
            _, late = await asyncio.wait(drains, timeout=self._endpoint.deadline_s)
            for drain in late:
                drain.cancel()
        for connection in list(self._ready):
            connection.lose(Loss("the gate was closed"))
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.sleep(0)  # the turn in which the sockets are closed

    @property
    def in_flight(self) -> int:
        """Calls that have been accepted and not answered, cancelled ones included."""
        return sum(one.in_flight for one in self._ready) + len(self._waiting or ())

    @property
    def abandoned(self) -> int:
        """Answers that came after their caller had been cancelled."""
        return self._abandoned_before + sum(one.abandoned for one in self._ready)

    # -- sending

    def _send(self, call: Call) -> None:
        if get_running_loop() is not self._loop:
            self._check_loop()
        if self._closed or not self._ready:
            self._send_without_connection(call)
            return
        # The first with room, always: one connection makes fewer and larger writes, and spreading
        # the same calls over two costs 2 to 15 % of the rate (measured, 128 to 1,024 in flight).
        for connection in self._ready:
            if len(connection.pending) + len(connection.unwritten) < self._in_flight_max:
                self.calls += 1
                connection.send(call)
                return
        limit = f"{self._in_flight_max} calls are in flight on each connection"
        fail(call[0], Unavailable("busy", limit))

    def _send_without_connection(self, call: Call) -> None:
        if self._closed:
            fail(call[0], Unavailable("closed", "the gate was closed"))
        elif self._waiting is None:
            fail(call[0], _unavailable(self._last_error))
        elif len(self._waiting) >= self._in_flight_max:
            fail(call[0], Unavailable("busy", f"{self._in_flight_max} calls wait for Redis"))
        else:
            self.calls += 1
            self._waiting.append(call)

    def _check_loop(self) -> None:
        if get_running_loop() is not self._loop:
            raise ContractError("this gate belongs to another event loop: make one in each loop")

    # -- connections

    async def _open(self) -> Connection:
        connection = await open_connection(self._endpoint, self._lost)
        self._ready.append(connection)
        return connection

    async def _keep(self, connection: Connection) -> None:
        """Replaces a connection whenever it is lost."""
        while True:
            await connection.closed
            connection = await self._reopen()
            self.reconnects += 1
            waiting, self._waiting = self._waiting, None
            self._stop_waiting(self._last_error)
            for call in waiting or ():
                connection.send(call)

    async def _reopen(self) -> Connection:
        pause = _BACKOFF_MIN_S
        while True:
            await asyncio.sleep(random.uniform(0, pause))
            try:
                return await self._open()
            except GateError as error:
                self._last_error = error
                if not self._ready:
                    self._stop_waiting(error)
            pause = min(pause * 2, _BACKOFF_MAX_S)

    def _lost(self, connection: Connection, unwritten: Sequence[Call]) -> None:
        """Takes a connection out; what it had not written goes to another one, or waits."""
        if connection in self._ready:
            self._ready.remove(connection)
            self._abandoned_before += connection.abandoned
            if connection.lost is not None:
                self._last_error = Unavailable(connection.lost.reason, connection.lost.detail)
            if not self._ready and not self._closed:
                self._waiting = []
                self._give_up = self._loop.call_later(
                    self._endpoint.deadline_s, self._stop_waiting, self._last_error
                )
        self.calls -= len(unwritten)  # `_send` counts them again
        for call in unwritten:
            self._send(call)

    def _stop_waiting(self, error: GateError) -> None:
        waiting, self._waiting = self._waiting, None
        if self._give_up is not None:
            self._give_up.cancel()
            self._give_up = None
        for call in waiting or ():
            fail(call[0], _unavailable(error))


def _unavailable(error: GateError) -> Unavailable:
    """A new error that says what `error` says: one object is not raised in many places."""
    if not isinstance(error, Unavailable):
        return Unavailable("connection", str(error))
    return Unavailable(error.reason, error.detail)
