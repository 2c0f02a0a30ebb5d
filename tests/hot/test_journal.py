"""Deltas as they are read from the journal: fast, and nothing that makes no sense."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.errors import ContractError
from gate.hot.journal import DELTA, ENTRIES, KINDS, LEG, SOURCES, Delta, Leg, read_delta
from tests.property.profile import profile

NEVER = 2**48 - 1
YEAR_9999_ENDS = 253_402_300_799_999
FLAGS = ("late", "unknown", "is_part", "froze")

Fields = dict[bytes, bytes]


def pack_more(*texts: bytes) -> bytes:
    sizes = zip((1, 2, 4, 4), texts, strict=True)
    return b"".join(len(text).to_bytes(size, "little") + text for size, text in sizes)


def written(delta: Delta) -> Fields:
    """The fields of a delta, from lua/README.md, section 6."""
    codes = {name: code for code, name in ENTRIES.items()}
    packed = DELTA.pack(
        KINDS.index(delta.kind) + 1,
        sum(getattr(delta, name) << bit for bit, name in enumerate(FLAGS)),
        *(delta.epoch, delta.seq, delta.posted, delta.held, delta.at_ms, delta.part),
        len(delta.legs),
    )
    for leg in delta.legs:
        packed += LEG.pack(codes[leg.entry], SOURCES.index(leg.source), *leg[2:])
    texts = [delta.reference, delta.reason, "\n".join(delta.expired_ids)]
    reference, reason, expired = (text.encode() for text in texts)
    more = pack_more(reference, reason, delta.sends, expired)
    return {
        b"o": delta.organization_id.encode(),
        b"i": delta.id.encode(),
        b"d": packed,
        b"m": more if any(more) else b"",
    }


def read_slowly(fields: Fields) -> Delta | None:
    """One value after the other, each looked at; None for what makes no sense."""
    at, sound = 0, True

    def take(letter: str) -> int:
        nonlocal at, sound
        size = {"B": 1, "d": 8}.get(letter) or int(letter)
        piece = fields[b"d"][at : at + size]
        at += size
        if len(piece) < size:
            sound = False
            return 0
        if letter != "d":
            return int.from_bytes(piece, "little")
        (number,) = struct.unpack("<d", piece)
        if not math.isfinite(number) or number != int(number) or abs(number) > 2**53:
            sound = False
            return 0
        return int(number)

    def text(raw: bytes) -> str:
        nonlocal sound
        try:
            decoded = raw.decode()
        except UnicodeDecodeError:
            sound = False
            return ""
        sound = sound and "\0" not in decoded
        return decoded

    kind, flags, epoch, seq, posted, held, at_ms, part, count = map(take, "BB46dd64B")
    sound = sound and 1 <= kind <= len(KINDS) and flags < 16 and at_ms <= YEAR_9999_ENDS
    legs = []
    for _ in range(count if sound else 0):
        entry, source, amount, period_no, version, expires_at = map(take, "BBd446")
        if entry not in ENTRIES or source >= len(SOURCES):
            return None
        sound = sound and (expires_at <= YEAR_9999_ENDS or expires_at == NEVER)
        legs.append(Leg(ENTRIES[entry], SOURCES[source], amount, period_no, version, expires_at))
    sound = sound and at == len(fields[b"d"])

    more, texts = fields[b"m"], []
    for size in (1, 2, 4, 4) if more else ():
        length = int.from_bytes(more[:size], "little")
        sound = sound and len(more) >= size + length
        texts.append(more[size : size + length])
        more = more[size + length :]
    sound = sound and not more
    reference, reason, sends, expired = texts or [b""] * 4
    sound = sound and max(len(fields[b"o"]), len(fields[b"i"])) <= 128
    shown = [one.decode(errors="replace").replace("\0", "\ufffd") for one in (reference, reason)]
    said = [text(one) for one in (fields[b"o"], fields[b"i"], expired)]
    if not sound:
        return None
    flagged = [bool(flags & 1 << bit) for bit in range(4)]
    return Delta(
        *(said[0], said[1], KINDS[kind - 1], *flagged),
        *(epoch, seq, posted, held, at_ms, part, tuple(legs)),
        *(*shown, sends, tuple(said[2].split("\n")) if expired else ()),
    )


def read_or_none(fields: Fields) -> Delta | None:
    try:
        return read_delta(fields)
    except ContractError:
        return None


WHOLE = st.integers(-(2**53), 2**53)
UINT32 = st.integers(0, 2**32 - 1)
IDS = st.text("abZ9._:@/+=-", max_size=128)
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=60)
LEGS = st.builds(
    Leg,
    st.sampled_from([*ENTRIES.values()]),
    st.sampled_from(SOURCES),
    WHOLE,
    UINT32,
    UINT32,
    st.one_of(st.just(NEVER), st.integers(0, YEAR_9999_ENDS)),
)
DELTAS = st.builds(
    Delta,
    organization_id=IDS,
    id=IDS,
    kind=st.sampled_from(KINDS),
    late=st.booleans(),
    unknown=st.booleans(),
    is_part=st.booleans(),
    froze=st.booleans(),
    epoch=UINT32,
    seq=st.integers(0, 2**48 - 1),
    posted=WHOLE,
    held=WHOLE,
    at_ms=st.integers(0, YEAR_9999_ENDS),
    part=UINT32,
    legs=st.lists(LEGS, max_size=4).map(tuple),
    reference=TEXTS,
    reason=TEXTS,
    sends=st.binary(max_size=60),
    expired_ids=st.lists(IDS.filter(bool), max_size=3).map(tuple),
)


@st.composite
def damaged(draw: st.DrawFn) -> Fields:
    """A delta in which a few bytes are other ones, too many, or gone."""
    fields = written(draw(DELTAS))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([b"d", b"d", b"d", b"m", b"o", b"i"]))
        value = fields[name]
        begin = draw(st.integers(0, len(value)))
        put = draw(st.one_of(st.sampled_from([b"", b"\0", b"\xff", b"\xf0\x7f"]), st.binary()))
        end = begin + draw(st.sampled_from([len(put), len(put), 0, 1]))
        fields[name] = value[:begin] + put + value[end:]
    return fields


@given(DELTAS)
@profile(200)
def test_what_is_written_is_read(delta: Delta) -> None:
    assert read_delta(written(delta)) == delta == read_slowly(written(delta))


@given(damaged())
@profile(500)
def test_damaged__is_read_as_the_slow_reader_does_or_refused(fields: Fields) -> None:
    assert read_or_none(fields) == read_slowly(fields)


LEG_OF_ONE = Leg("email_sent", "base", -1, 3, 7, NEVER)
PLAIN = Delta(
    *("org_a", "eml_1", "committed", False, False, False, False),
    *(1, 8, 41, 5, 1_800_000_000_000, 0, (LEG_OF_ONE,), "", "", b"", ()),
)
POSTED, HELD, AT_MS, COUNT = 12, 20, 28, 38
LEG_ENTRY, LEG_SOURCE, LEG_AMOUNT, LEG_EXPIRES_AT = 39, 40, 41, 57


def plain(place: int, value: bytes) -> Fields:
    """PLAIN with other bytes at a place of `d`."""
    fields = written(PLAIN)
    packed = fields[b"d"]
    assert place + len(value) <= len(packed)
    return fields | {b"d": packed[:place] + value + packed[place + len(value) :]}


NUMBERS = [float("nan"), float("inf"), float("-inf"), 0.5, -41.25, 2.0**53 + 2, -1e300]
NO_INSTANT = (YEAR_9999_ENDS + 1).to_bytes(6, "little")


@pytest.mark.parametrize(
    "fields",
    [
        *[plain(at, struct.pack("<d", n)) for at in (POSTED, HELD, LEG_AMOUNT) for n in NUMBERS],
        plain(AT_MS, NO_INSTANT),
        plain(AT_MS, b"\xff" * 6),
        plain(LEG_EXPIRES_AT, NO_INSTANT),
        plain(0, b"\0"),
        plain(0, bytes([len(KINDS) + 1])),
        plain(1, b"\x10"),
        plain(LEG_ENTRY, b"\0"),
        plain(LEG_ENTRY, b"\x08"),
        plain(LEG_SOURCE, bytes([len(SOURCES)])),
        plain(COUNT, b"\0"),
        plain(COUNT, b"\2"),
        written(PLAIN) | {b"d": b""},
        written(PLAIN) | {b"d": written(PLAIN)[b"d"][:-1]},
        written(PLAIN) | {b"d": written(PLAIN)[b"d"] + b"\0"},
        written(PLAIN) | {b"o": b"org\0a"},
        written(PLAIN) | {b"i": b"eml\0"},
        written(PLAIN) | {b"i": b"\xff"},
        written(PLAIN) | {b"i": b"a" * 129},
        written(PLAIN) | {b"m": pack_more(b"", b"", b"", b"a\n\0")},
        written(PLAIN) | {b"m": pack_more(b"a", b"", b"", b"") + b"\0"},
        written(PLAIN) | {b"m": b"\0\0"},
        {name: value for name, value in written(PLAIN).items() if name != b"m"},
        {},
    ],
)
def test_no_sense__is_refused(fields: Fields) -> None:
    with pytest.raises(ContractError, match="journal entry cannot be read"):
        read_delta(fields)


@pytest.mark.parametrize(
    ("place", "value", "change"),
    [
        (AT_MS, YEAR_9999_ENDS.to_bytes(6, "little"), {"at_ms": YEAR_9999_ENDS}),
        (POSTED, struct.pack("<d", -(2.0**53)), {"posted": -(2**53)}),
        (HELD, struct.pack("<d", -0.0), {"held": 0}),
        (LEG_EXPIRES_AT, bytes(6), {"legs": (LEG_OF_ONE._replace(expires_at_ms=0),)}),
    ],
)
def test_the_outermost_values_are_read(place: int, value: bytes, change: dict[str, Any]) -> None:
    assert read_delta(plain(place, value)) == PLAIN._replace(**change)


def test_sends__are_opaque() -> None:
    delta = PLAIN._replace(sends=b"\0\xff", expired_ids=("a", "b"))
    assert read_delta(written(delta)) == delta
