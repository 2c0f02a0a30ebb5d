"""Scripts and transports for the tests of the hot path."""

from __future__ import annotations

from contextlib import AsyncExitStack
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gate.hot.script import Script
from gate.hot.transport import Transport

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


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens transports that are closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def opener(url: str, **options: Any) -> Transport:
            transport = await Transport.connect(url, SCRIPTS, **options)
            stack.push_async_callback(transport.aclose)
            return transport

        yield opener
