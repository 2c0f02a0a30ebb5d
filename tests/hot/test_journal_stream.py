"""A partition's journal as a stream: reading on, where it ends, trimming, and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import Gate
from gate.domain.errors import ContractError
from gate.hot import journal_stream
from gate.hot.journal_stream import (
    StreamEntry,
    delta_of,
    digest,
    entry_order,
    forget_marks,
    last_entry_id,
    read_from,
    trim,
    trim_script,
)
from tests.property.profile import profile
from tests.support.accounts import account

if TYPE_CHECKING:
    from gate.hot.transport import Transport
    from tests.hot.conftest import Connect

KEY = b"gate:{afj}:journal"
FIELDS = (b"o", b"org_a", b"i", b"eml_1", b"d", b"\0\xff", b"m", b"")

#: More than one node of a stream holds, by the server's own settings.
MANY = 1_000
NODE_MAX = 100


async def fill(transport: Transport, count: int) -> None:
    """Entries 1-0, 2-0, … with FIELDS."""
    for number in range(1, count + 1):
        await transport.execute("XADD", KEY, f"{number}-0", *FIELDS)


async def ids(transport: Transport) -> list[str]:
    return [entry.entry_id for entry in await read_from(transport, KEY, None, 10 * MANY)]


async def test_read_from__is_inclusive_and_in_order(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    assert await read_from(transport, KEY, None, 10) == []
    await fill(transport, 12)
    assert [one.entry_id for one in await read_from(transport, KEY, None, 2)] == ["1-0", "2-0"]
    behind = await read_from(transport, KEY, "9-0", 3)
    assert behind == [StreamEntry(f"{number}-0", FIELDS) for number in (9, 10, 11)]
    assert (await read_from(transport, KEY, "8-1", 1))[0].entry_id == "9-0"
    assert await read_from(transport, KEY, "13-0", 1) == []


async def test_delta_of__is_what_the_verbs_wrote(redis_url: str) -> None:
    async with Gate.connect(redis_url) as gate:
        await gate.load(account("org_a"))
        await gate.spend("org_a", 7, spend_id="eml_1", reference="news")
        journal = gate.caller.keys_of("org_a").journal
        entries = await read_from(gate.caller.transport, journal, None, 10)
        assert await last_entry_id(gate.caller.transport, journal) == entries[-1].entry_id
    loaded, spent = map(delta_of, entries)
    assert (loaded.kind, loaded.seq, loaded.posted) == ("loaded", 1, 1_000)
    assert (spent.kind, spent.id, spent.posted, spent.reference) == ("spent", "eml_1", 993, "news")


def test_delta_of__no_sense_is_refused() -> None:
    with pytest.raises(ContractError):
        delta_of(StreamEntry("1-0", FIELDS))


async def test_last_entry_id__outlives_the_entries(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    assert await last_entry_id(transport, KEY) == "0-0"
    await fill(transport, 3)
    assert await last_entry_id(transport, KEY) == "3-0"
    await transport.execute("XDEL", KEY, "3-0")
    assert await last_entry_id(transport, KEY) == "3-0"
    await transport.execute("XTRIM", KEY, "MAXLEN", 0)
    assert await last_entry_id(transport, KEY) == "3-0"
    await transport.execute("DEL", KEY)
    assert await last_entry_id(transport, KEY) == "0-0"


async def test_foreign_value__is_refused(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    await transport.execute("SET", KEY, "mine")
    for call in (
        read_from(transport, KEY, None, 1),
        last_entry_id(transport, KEY),
        trim(transport, KEY, "1-0", b""),
        forget_marks(transport, KEY, ["op_1"]),
    ):
        with pytest.raises(ContractError, match="foreign value"):
            await call
    assert await transport.execute("GET", KEY) == b"mine"


def test_entry_order__is_by_number() -> None:
    texts = ["1800000000000-0", "10-0", "9-10", "9-9", "0-0"]
    assert sorted(texts, key=entry_order) == ["0-0", "9-9", "9-10", "10-0", "1800000000000-0"]
    assert entry_order("9-10") == (9, 10)


@pytest.mark.parametrize("text", ["", "-", "+", "9", "9-", "a-0", "1-2-3"])
def test_entry_order__of_no_id_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="no id of a journal entry"):
        entry_order(text)


# -- digests


@given(st.lists(st.binary(max_size=6), max_size=8), st.lists(st.binary(max_size=6), max_size=8))
@profile(200)
def test_digest__is_equal_for_equal_fields_only(one: list[bytes], other: list[bytes]) -> None:
    first, second = StreamEntry("1-0", tuple(one)), StreamEntry("2-0", tuple(other))
    assert (digest(first) == digest(second)) == (one == other)


def test_digest__tells_where_a_field_ends() -> None:
    cut = [(b"ab", b"c"), (b"a", b"bc"), (b"abc", b""), (b"", b"abc"), (b"abc",)]
    assert len({digest(StreamEntry("1-0", fields)) for fields in cut}) == len(cut)
    assert len(digest(StreamEntry("1-0", FIELDS))) == 20


# -- trimming


async def test_trim__leaves_the_entry_and_what_follows(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    await fill(transport, MANY)
    removed = await trim(transport, KEY, "950-0", digest(StreamEntry("950-0", FIELDS)))
    assert 950 - 1 - NODE_MAX < removed < 950
    assert await ids(transport) == [f"{number}-0" for number in range(removed + 1, MANY + 1)]
    assert await trim(transport, KEY, "950-0", digest(StreamEntry("950-0", FIELDS))) == 0
    assert await last_entry_id(transport, KEY) == f"{MANY}-0"


async def test_trim__takes_out_so_many_at_most(
    connect: Connect, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = await connect(redis_url)
    await fill(transport, MANY)
    monkeypatch.setattr(journal_stream, "TRIMMED_MAX", 3 * NODE_MAX)
    said = digest(StreamEntry(f"{MANY}-0", FIELDS))
    removed = [await trim(transport, KEY, f"{MANY}-0", said) for _ in range(6)]
    assert max(removed) <= 3 * NODE_MAX
    assert removed[-1] == 0
    assert MANY - NODE_MAX <= sum(removed) < MANY


@pytest.mark.parametrize(
    ("entry_id", "fields"),
    [
        ("950-0", (*FIELDS[:-1], b"x")),
        ("950-0", FIELDS[:-2]),
        ("950-0", (FIELDS[2:] + FIELDS[:2])),
        ("950-0", ()),
        ("950-1", FIELDS),
        ("950-1", ()),
        ("2000-0", FIELDS),
    ],
)
async def test_trim__entry_that_is_not_there_or_another_one_changes_nothing(
    connect: Connect, redis_url: str, entry_id: str, fields: tuple[bytes, ...]
) -> None:
    transport = await connect(redis_url)
    await fill(transport, MANY)
    assert await trim(transport, KEY, entry_id, digest(StreamEntry(entry_id, fields))) == 0
    assert await transport.execute("XLEN", KEY) == MANY


@pytest.mark.parametrize(
    "fields",
    [
        (b"", b""),
        (b"\0" * 300, b"\r\n$-1\r\n", b"\xff\xfe", b"a" * 70_000),
        (b"d", bytes(range(256)), b"d", b"twice"),
        (b"12", b"-7"),
    ],
)
async def test_trim__redis_makes_the_same_digest_of_any_bytes(
    connect: Connect, redis_url: str, fields: tuple[bytes, ...]
) -> None:
    transport = await connect(redis_url)
    await fill(transport, 2 * NODE_MAX)
    await transport.execute("XADD", KEY, "1000-0", *fields)
    (entry,) = await read_from(transport, KEY, "1000-0", 1)
    assert entry.fields == fields
    assert await trim(transport, KEY, entry.entry_id, digest(entry)) >= NODE_MAX


async def test_trim__no_stream_stays_none(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    assert await trim(transport, KEY, "1-0", digest(StreamEntry("1-0", FIELDS))) == 0
    assert await transport.execute("EXISTS", KEY) == 0


async def test_trim__frees_memory_when_there_is_none(connect: Connect, redis_url: str) -> None:
    transport = await connect(redis_url)
    await fill(transport, MANY)
    await transport.execute("SCRIPT", "LOAD", trim_script().source)
    await transport.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        said = digest(StreamEntry(f"{MANY}-0", FIELDS))
        assert await trim(transport, KEY, f"{MANY}-0", said) > 0
    finally:
        await transport.execute("CONFIG", "SET", "maxmemory", 0)


# -- marks


async def test_forget_marks__takes_out_those_and_no_other(connect: Connect, redis_url: str) -> None:
    transport, key = await connect(redis_url), b"gate:{afj}:o:org_a"
    await transport.execute("HSET", key, "op_1", "x", "op_2", "x", "op_3", "x")
    await forget_marks(transport, key, [])
    await forget_marks(transport, key, ["op_1", "op_3", "op_unknown"])
    assert await transport.execute("HKEYS", key) == [b"op_2"]
