"""A call on its way: what is written, what is kept until the answer, and how it fails."""

from __future__ import annotations

from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from hiredis import pack_command

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

Argument: TypeAlias = bytes | str | int

#: A command in the protocol of Redis. Raises TypeError for other types of arguments.
pack: Callable[[tuple[Argument, ...]], bytes] = pack_command  # type: ignore[assignment]


class Script(Protocol):
    """A Lua script as it is sent; `sha` is the SHA-1 of `source` in 40 hexadecimal digits."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> bytes: ...
    @property
    def sha(self) -> bytes: ...


class AnswerLost(Exception):
    """The call was, or may have been, sent, and no answer will come: it may have run."""


#: future, packed command, start (s, monotonic), on_abandoned, script (None: a plain command),
#: arguments, number of keys. A plain tuple: any class costs three times as much to make.
Call: TypeAlias = tuple[
    "asyncio.Future[Any]",
    bytes,
    float,
    "Callable[[object], None] | None",
    Script | None,
    "tuple[Argument, ...]",
    int,
]

#: Stands in place of the number of keys in a call that is not to be sent a second time.
SECOND_TIME: Final = -1


def plain_call(future: asyncio.Future[Any], arguments: tuple[Argument, ...]) -> Call:
    """Any command as a call. Raises TypeError for an argument that is not text or a number."""
    return (future, pack(arguments), monotonic(), None, None, arguments, 0)


@lru_cache(maxsize=1024)
def evalsha_prefix(sha: bytes, key_count: int, size: int) -> tuple[bytes, int]:
    """For a script with `size` arguments: the packed command up to them, and the length of the
    header to cut off when they are packed alone. Saves a fifth of the packing.
    """
    head = pack((b"EVALSHA", sha, key_count)).removeprefix(b"*3\r\n")
    return b"*%d\r\n%b" % (3 + size, head), len(b"*%d\r\n" % size)


def fail(future: asyncio.Future[Any], error: Exception) -> None:
    """Gives `error` to whoever still waits; silent if nobody ever looks."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # counts as looked at: no "exception was never retrieved" on stderr
