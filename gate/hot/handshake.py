"""From a URL to a connection that is ready for calls, or an error that says what to put right."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, NamedTuple

from gate.domain.errors import ContractError, GateError, Unavailable
from gate.hot.calls import AnswerLost, Script, fail
from gate.hot.connection import Connection, Loss
from gate.hot.redis_errors import ErrorReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.hot.calls import Call
    from gate.hot.redis_url import RedisUrl

#: The first versions whose scripts have flags, refuse at `maxmemory` before they run, and name
#: the place of an error.
REDIS_MIN = (7, 0)
VALKEY_MIN = (8, 0)


class Endpoint(NamedTuple):
    """Where to connect and what to say there. `deadline_s` is for the calls that follow."""

    url: RedisUrl
    scripts: Sequence[Script]
    client_name: str
    ssl_context: ssl.SSLContext | None
    connect_timeout_s: float
    deadline_s: float


async def open_connection(
    endpoint: Endpoint, on_lost: Callable[[Connection, Sequence[Call]], None]
) -> Connection:
    """A connection that is authenticated, in its database and has the scripts.

    `on_lost` is told of losses after that. Raises Unavailable if another attempt may succeed, and
    ContractError if only a person can help: password, ACL, version, TLS, or not a Redis at all.
    Both name the URL without its password.
    """
    connection: Connection | None = None
    try:
        async with asyncio.timeout(endpoint.connect_timeout_s):
            connection = await _connect(endpoint)
            await _greet(connection, endpoint)
        if connection.lost is not None:
            raise AnswerLost(connection.lost.detail)
    except BaseException as error:
        reason = _explain(error, connection, endpoint)
        if connection is not None:
            connection.lose(Loss("gave up connecting"))
        if reason is None:
            raise
        raise reason from (error if reason is not error else error.__cause__)
    connection.hand_over(endpoint.deadline_s, on_lost)
    return connection


async def _connect(endpoint: Endpoint) -> Connection:
    loop, url = asyncio.get_running_loop(), endpoint.url

    def make() -> Connection:
        return Connection(loop, endpoint.connect_timeout_s, _fail_rest)

    if url.path is not None:
        return (await loop.create_unix_connection(make, url.path))[1]
    context = endpoint.ssl_context or ssl.create_default_context() if url.tls else None
    return (await loop.create_connection(make, url.host, url.port, ssl=context))[1]


def _fail_rest(connection: Connection, unwritten: Sequence[Call]) -> None:
    for call in unwritten:
        fail(call[0], AnswerLost(connection.lost.detail if connection.lost else ""))


async def _greet(connection: Connection, endpoint: Endpoint) -> None:
    url = endpoint.url
    if url.password is not None:
        # Alone: Redis 8.2 leaves a refused AUTH of a pipeline unanswered.
        who = (url.username,) if url.username else ()
        await connection.execute("AUTH", *who, url.password)
    # One round trip for all the rest.
    server = connection.execute("INFO", "server")
    select = connection.execute("SELECT", url.db) if url.db else None
    name = connection.execute("CLIENT", "SETNAME", endpoint.client_name)
    loads = [connection.execute("SCRIPT", "LOAD", script.source) for script in endpoint.scripts]
    if await _permitted(server):
        _check_version(server.result())
    if select is not None:
        await select
    await _permitted(name)
    for script, load in zip(endpoint.scripts, loads, strict=True):
        # Without the permission to load, EVAL brings each script along when it is first called.
        if await _permitted(load) and load.result() != script.sha:
            raise ContractError(f"Redis and this library disagree on the SHA-1 of {script.name}")


async def _permitted(command: asyncio.Future[object]) -> bool:
    """Whether the ACL let a command pass that the gate can do without. Raises other errors."""
    try:
        await command
    except ContractError as error:
        if _reply_text(error).startswith("NOPERM"):
            return False
        raise
    return True


def _check_version(answer: object) -> None:
    if not isinstance(answer, bytes) or b"redis_version:" not in answer:
        raise ContractError("what answers does not say that it is Redis or Valkey")
    lines = (line.partition(":") for line in answer.decode(errors="replace").splitlines())
    server = {name: value.strip() for name, _, value in lines}
    valkey = server.get("server_name") == "valkey"
    product, least = ("Valkey", VALKEY_MIN) if valkey else ("Redis", REDIS_MIN)
    version = server.get("valkey_version" if valkey else "redis_version", "")
    try:
        found = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return  # a build with a name instead of a number: whoever made it knows
    if found < least:
        wanted = ".".join(map(str, least))
        raise ContractError(f"{product} {version} is too old: {wanted} is the minimum")


def _explain(
    error: BaseException, connection: Connection | None, endpoint: Endpoint
) -> GateError | None:
    """What went wrong at this URL; None for what is not about the connection."""
    where = str(endpoint.url)
    if isinstance(error, TimeoutError):
        ms = round(endpoint.connect_timeout_s * 1000)
        return Unavailable("connection", f"{where} does not answer within {ms} ms")
    if isinstance(error, AnswerLost) and connection is not None and connection.lost is not None:
        loss = connection.lost
        detail = f"{where}: {loss.detail}"
        return ContractError(detail) if loss.hopeless else Unavailable(loss.reason, detail)
    if isinstance(error, (Unavailable, ContractError)):
        error.args = (f"{where}: {_fix(_reply_text(error)) or error}",)
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return ContractError(f"{where}: its certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return ContractError(f"{where} does not speak TLS as expected: {error.reason or error}")
    if isinstance(error, (OSError, UnicodeError)):  # the latter for names that no host can have
        return Unavailable("connection", f"{where} cannot be reached: {error}")
    return None


def _reply_text(error: BaseException) -> str:
    reply = error.__cause__
    return reply.text if isinstance(reply, ErrorReply) else ""


def _fix(text: str) -> str | None:
    """What to change when Redis refuses at the door; None where `error_from` has said it."""
    if "without any password configured" in text:
        return "Redis has no password: take it out of the URL"
    if "DB index is out of range" in text:
        return f"Redis does not have this database: lower the number in the URL [{text}]"
    return None
