"""Scripts and transports for the tests of the hot path."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from gate.domain.errors import Unavailable
from gate.hot.script import Script
from gate.hot.transport import AnswerLost, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Connect = Callable[..., Awaitable[Transport]]


def lua(body: str, name: str = "test") -> Script:
    """A script as the library makes them."""
    source = f"#!lua\n{body}".encode()
    return Script(name, source, sha1(source).hexdigest().encode())


#: Answers its one argument.
ECHO = lua("return {'echo', ARGV[1]}", "echo")
#: Counts how often it ran, under its one key.
COUNT = lua("return redis.call('INCR', KEYS[1])", "count")
SCRIPTS = (ECHO, COUNT)


async def answered_again(transport: Transport) -> None:
    """Returns when a call gets through again."""
    async with asyncio.timeout(5):
        while True:
            try:
                assert await transport.call(ECHO, ("x",), 0) == [b"echo", b"x"]
            except (Unavailable, AnswerLost):
                await asyncio.sleep(0.001)  # the pause before the next try, not a wait for luck
            else:
                return


async def first_refusal(call: Callable[[], Awaitable[object]]) -> Unavailable:
    """Calls until Redis refuses, and returns the refusal."""
    async with asyncio.timeout(5):
        while True:
            try:
                await call()
            except Unavailable as refusal:
                return refusal


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens transports that are closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def opener(url: str, **options: Any) -> Transport:
            transport = await Transport.connect(url, SCRIPTS, **options)
            stack.push_async_callback(transport.aclose)
            return transport

        yield opener
