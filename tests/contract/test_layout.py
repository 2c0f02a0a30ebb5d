"""The packed records, limits and tables are the same in Lua, Python and the README."""

from __future__ import annotations

import re
from binascii import crc_hqx

import pytest

from gate.assets import lua_dir
from gate.domain import limits
from gate.hot import journal, layout
from gate.hot.keys import TAGS
from gate.hot.packing import Packing

LIB = lua_dir() / "lib"


def constant(file: str, name: str) -> str:
    """What `local name = '...'` or `local a, name = 1, '...'` says in a file of lua/lib."""
    for names, values in re.findall(
        r"^local ([\w, ]+) = (.+?)(?: --.*)?$", (LIB / file).read_text(), re.M
    ):
        listed = [one.strip() for one in names.split(",")]
        if name in listed:
            return re.findall(r"'[^']*'|[^,\s]+", values)[listed.index(name)].strip("'")
    raise AssertionError(f"{file} has no {name}")


@pytest.mark.parametrize("name", ["HEAD", "REST", "COMING", "TERMS", "LONGER"])
def test_account_records(name: str) -> None:
    assert constant("account.lua", name) == getattr(layout, name).lua_format


def test_delta_records() -> None:
    assert constant("delta.lua", "DELTA") == journal.DELTA.lua_format
    assert constant("delta.lua", "LEG") == journal.LEG.lua_format
    assert constant("fields.lua", "GRANT") == layout.GRANT.lua_format
    assert int(constant("fields.lua", "LAYOUT")) == layout.LAYOUT


def test_the_places_of_the_hot_path_are_those_of_the_head() -> None:
    """Each `NN name` of the table in fields.lua is where HEAD has that field, counted from 1."""
    text = (LIB / "account.lua").read_text()
    names = re.search(r"(a\.layout,.*?) =\s*struct\.unpack\(HEAD", text, re.S)
    assert names
    fields = [one.strip().removeprefix("a.") for one in names[1].split(",")]
    fields = [*fields[:-2], "grants"]
    items = re.findall(r"I\d|B|d", layout.HEAD.lua_format)
    places, at = {}, 1
    for field, item in zip(fields, items, strict=True):
        places[field] = (at, item)
        at += Packing(item).size
    assert at == layout.HEAD.size + 1

    table = (LIB / "fields.lua").read_text()
    stated = re.findall(r"(\d+) ([a-z_]+) (I\d|B|d)(?=\s)", table)
    assert len(stated) >= 20
    for place, name, item in stated:
        name = {"next_change_at": "next_change"}.get(name, name)
        assert places[name] == (int(place), item), name


def slice_of(start: int, stop: int) -> str:
    """The format of the head and the first grant from byte `start` to before byte `stop`."""
    found, at = "", 1
    for item in re.findall(r"I\d|B|d", layout.HEAD.lua_format + layout.GRANT.lua_format):
        if start <= at < stop:
            found += item
        at += Packing(item).size
    return f"<{found}"


@pytest.mark.parametrize(
    ("file", "start", "stop"),
    [
        ("lib/read_admission.lua", 1, 91),
        ("lib/read_front.lua", 1, 127),
        ("reserve.lua", 59, 84),
        ("spend.lua", 59, 84),
        ("lib/extend_credits.lua", 59, 84),
        ("lib/reserve_due.lua", 16, 28),
        ("pace.lua", 59, 73),
        ("commit.lua", 73, 84),
        ("release.lua", 73, 84),
        ("lib/settle.lua", 84, 120),
        ("lib/append.lua", 91, 105),
    ],
)
def test_what_the_hot_path_reads_and_writes_are_parts_of_the_head(
    file: str, start: int, stop: int
) -> None:
    formats = re.findall(r"struct\.(?:un)?pack\('(<[^']+)'", (lua_dir() / file).read_text())
    assert slice_of(start, stop) in formats


def test_the_named_places_are_those_of_their_fields() -> None:
    places = dict(zip(layout.HEAD_FIELDS, starts_of(layout.HEAD), strict=True))
    named = {
        "AT_NEXT_EXPIRY": "next_expiry",
        "AT_DUE": "due",
        "AT_RATE": "rate_second",
        "AT_EPOCH": "epoch",
        "AT_GENERATION": "generation",
        "AT_BACKLOG": "backlog_second",
        "AT_SEEN": "seen_us",
        "AT_HELD": "held",
        "AT_CEILING": "ceiling",
        "AT_SEQ": "seq",
        "AT_POSTED": "posted",
    }
    for name, field in named.items():
        assert int(constant("fields.lua", name)) == places[field], name


def starts_of(packing: Packing) -> list[int]:
    """Where each item begins, counted from 1."""
    items = re.findall(r"I\d|B|d", packing.lua_format)
    return [1 + sum(Packing(one).size for one in items[:i]) for i in range(len(items))]


def test_limits_are_the_same_numbers() -> None:
    assert int(constant("fields.lua", "CREDITS_MAX")) == limits.CREDITS_MAX
    assert int(constant("fields.lua", "COST_MAX")) == limits.COST_MAX
    assert int(constant("fields.lua", "NEVER")) == limits.NEVER_MS
    reserve = (LIB / "reserve_arguments.lua").read_text()
    assert f"{limits.TTL_MS_MIN}, {limits.TTL_MS_MAX}" in reserve
    assert f"1, {limits.CREDITS_MAX}" in reserve
    refuse = (LIB / "refuse.lua").read_text()
    assert f"<= {limits.TEXT_BYTES_MAX}" in refuse
    assert f"<= {limits.SENDS_BYTES_MAX}" in refuse


def test_tags_are_spread_over_the_slots_and_stand_in_the_readme() -> None:
    """Tag i lies in slots 256 * i to 256 * i + 255; lib/delta.lua counts on three letters."""
    assert [crc_hqx(tag.encode(), 0) % 16_384 // 256 for tag in TAGS] == list(range(64))
    assert {len(tag) for tag in TAGS} == {3}
    listed = re.findall(
        r"^    ((?:[a-z]{3} ){15}[a-z]{3})$", (lua_dir() / "README.md").read_text(), re.M
    )
    assert " ".join(listed).split() == list(TAGS)


def test_codes_of_deltas_are_those_of_the_readme() -> None:
    text = (lua_dir() / "README.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and line.count("|") == 12
    ][2:]
    kinds = {int(row[0]): row[1] for row in rows if row[0]}
    entries = {int(row[6]): row[7].split(":")[0] for row in rows if row[6]}
    sources = {int(row[9]): row[10].split(" ")[0] for row in rows if row[9]}
    assert kinds == dict(enumerate(journal.KINDS, 1))
    assert entries == journal.ENTRIES
    assert sources == dict(enumerate(journal.SOURCES))
