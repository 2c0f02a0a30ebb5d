"""What must be right before a connection is used, and what a person reads when it is not."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from gate.domain.errors import BadArgument, ContractError, Unavailable
from gate.hot.script import Script
from gate.hot.transport import Transport
from tests.hot.conftest import COUNT, ECHO, answered_again, first_refusal, lua
from tests.hot.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from gate.stack import RedisServer
    from tests.hot.conftest import Connect

PASSWORD = "p@ss/w:rd#%"
ENCODED = "p%40ss%2Fw%3Ard%23%25"


async def test_unix_socket_database_and_name(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    transport = await connect(f"unix://{redis_server.unix_socket}?db=2", client_name="sender-7")
    assert await transport.call(COUNT, ("k",), 1) == 1
    assert b"name=sender-7 " in await transport.execute("CLIENT", "INFO")
    assert await (await connect(redis_url)).execute("EXISTS", "k") == 0
    assert await (await connect(f"{redis_url[:-2]}/2")).execute("EXISTS", "k") == 1


async def test_limited_user__needs_the_scripts_and_the_keys_alone(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    """INFO, CLIENT SETNAME and SCRIPT LOAD are forbidden, and the gate works without them."""
    admin = await connect(redis_url)
    await admin.execute("SCRIPT", "FLUSH")
    rules = ("on", f">{PASSWORD}", "~gate:*", "+evalsha", "+eval", "+incr")
    await admin.execute("ACL", "SETUSER", "sender", *rules)
    try:
        transport = await connect(f"redis://sender:{ENCODED}@127.0.0.1:{redis_server.port}")
        assert await transport.call(COUNT, ("gate:k",), 1) == 1
        with pytest.raises(ContractError, match="count: the ACL of this user"):
            await transport.call(COUNT, ("other",), 1)
        with pytest.raises(ContractError, match="ACL"):
            await transport.call(lua("return redis.call('GET', KEYS[1])"), ("gate:k",), 1)
        with pytest.raises(ContractError, match="user and password") as caught:
            await connect(f"redis://sender:wrong@127.0.0.1:{redis_server.port}")
        assert "wrong@" not in str(caught.value)
        with pytest.raises(ContractError, match="SELECT: the ACL"):
            await connect(f"redis://sender:{ENCODED}@127.0.0.1:{redis_server.port}/1")
    finally:
        await admin.execute("ACL", "DELUSER", "sender")


async def test_password(connect: Connect, redis_server: RedisServer, redis_url: str) -> None:
    admin = await connect(redis_url)
    with pytest.raises(ContractError, match="take it out of the URL"):
        await connect(f"redis://:{ENCODED}@127.0.0.1:{redis_server.port}")
    await admin.execute("CONFIG", "SET", "requirepass", PASSWORD)
    try:
        with pytest.raises(ContractError, match="put it into the URL"):
            await connect(redis_url)
        with pytest.raises(ContractError, match="correct the URL"):
            await connect(f"redis://:wrong@127.0.0.1:{redis_server.port}")
        transport = await connect(f"redis://:{ENCODED}@127.0.0.1:{redis_server.port}")
        assert await transport.execute("PING") == b"PONG"
    finally:
        await admin.execute("CONFIG", "SET", "requirepass", "")


async def test_password_changed_meanwhile__calls_say_so_and_attempts_go_on(
    connect: Connect, redis_server: RedisServer, redis_url: str
) -> None:
    admin, transport = await connect(redis_url), await connect(redis_url, connections=1)
    client_id = await transport.execute("CLIENT", "ID")
    await admin.execute("CONFIG", "SET", "requirepass", PASSWORD)
    await admin.execute("CLIENT", "KILL", "ID", client_id)
    try:
        refusal = await first_refusal(lambda: transport.execute("PING"))
        assert "put it into the URL" in str(refusal)
    finally:
        await admin.execute("CONFIG", "SET", "requirepass", "")
    await answered_again(transport)
    assert transport.reconnects == 1


async def test_database_out_of_range(connect: Connect, redis_url: str) -> None:
    with pytest.raises(ContractError, match="lower the number in the URL"):
        await connect(f"{redis_url[:-2]}/9999")


async def test_too_old(connect: Connect, redis_server: RedisServer) -> None:
    async with Proxy(redis_server.port) as proxy:
        proxy.change = lambda data: re.sub(rb"(redis|valkey)_version:\d", rb"\1_version:6", data)
        with pytest.raises(ContractError, match=r"6\.\S+ is too old: [78]\.0 is the minimum"):
            await connect(proxy.url)


async def test_other_sha(redis_url: str) -> None:
    wrong = Script("reserve", b"#!lua\nreturn 1", b"0" * 40)
    with pytest.raises(ContractError, match="SHA-1 of reserve"):
        await Transport.connect(redis_url, [wrong])


@pytest.mark.parametrize(
    ("banner", "answer", "error", "says"),
    [
        (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", ContractError, "does not speak the Redis"),
        (b"220 mail.example.org ESMTP\r\n", b"500 what?\r\n", ContractError, "does not speak"),
        (b"-ERR max number of clients reached\r\n", None, Unavailable, "maximum|max number"),
        (b"-DENIED Redis is running in protected mode\r\n", None, ContractError, "protected mode"),
        (b"", b"+OK\r\n", ContractError, "does not say that it is Redis"),
        (b"", b"-LOADING Redis is loading\r\n", Unavailable, "loading"),
        (b"", b"", Unavailable, "200 ms"),
        (b"", None, Unavailable, "closed the connection"),
    ],
)
async def test_not_a_redis(
    connect: Connect, banner: bytes, answer: bytes | None, error: type[Exception], says: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(banner)
        if answer is not None:
            while commands := await reader.read(65536):
                writer.write(answer * len(re.findall(rb"^\*\d", commands, re.MULTILINE)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(error, match=says) as caught:
        await connect(f"redis://me:secret@127.0.0.1:{port}/0"[:-2], connect_timeout_ms=200)
    assert f"redis://me@127.0.0.1:{port}/0" in str(caught.value)
    assert "secret" not in str(caught.value)
    server.close()
    await server.wait_closed()


async def test_nobody_there(connect: Connect, tmp_path: Path, unused_port: int) -> None:
    for url in (f"redis://127.0.0.1:{unused_port}", f"unix://{tmp_path}/none.sock"):
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await connect(url)
        assert caught.value.reason == "connection"


@pytest.fixture
async def unused_port() -> int:
    """A port on which nobody listens any more."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_connect__cancelled_leaves_nothing_open(redis_server: RedisServer) -> None:
    """An open socket would be a ResourceWarning, which is an error here."""
    async with Proxy(redis_server.port) as proxy:
        proxy.answers.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await Transport.connect(proxy.url, [ECHO])


async def test_connect__needs_a_connection(redis_url: str) -> None:
    with pytest.raises(BadArgument, match="at least 1"):
        await Transport.connect(redis_url, [], connections=0)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server at 127.0.0.1 and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context()
    if shutil.which("openssl"):
        key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
        new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        what = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        paths = ["-keyout", str(key), "-out", str(cert)]
        subprocess.run([*new.split(), *what, *paths], check=True, capture_output=True)
        server.load_cert_chain(cert, key)
        client.load_verify_locations(cert)
    else:
        trustme = pytest.importorskip("trustme")
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.configure_trust(client)
    return server, client


async def test_tls(
    connect: Connect,
    redis_server: RedisServer,
    redis_url: str,
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = certificate
    async with Proxy(redis_server.port, tls=server) as proxy:
        transport = await connect(proxy.url, ssl_context=client)
        calls = [transport.call(ECHO, (n,), 0) for n in range(500)]
        assert await asyncio.gather(*calls) == [[b"echo", b"%d" % n] for n in range(500)]
        with pytest.raises(ContractError, match="certificate is not trusted"):
            await connect(proxy.url)
        await transport.aclose()
    with pytest.raises((ContractError, Unavailable), match="rediss://127"):
        await connect(f"rediss{redis_url[5:]}", ssl_context=client, connect_timeout_ms=200)
