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
    assert int(constant("fields.lua", "GRANT_SIZE")) == layout.GRANT.size
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
    assert at == int(constant("fields.lua", "AT_GRANTS")) == layout.HEAD.size + 1

    table = (LIB / "fields.lua").read_text()
    stated = re.findall(r"(\d+) ([a-z_]+) (I\d|B|d)(?=\s)", table)
    assert len(stated) >= 20
    for place, name, item in stated:
        name = {"next_change_at": "next_change"}.get(name, name)
        assert places[name] == (int(place), item), name


def slice_of(start: int, stop: int) -> str:
    """The format of the head's fields from byte `start` to before byte `stop`."""
    found, at = "<", 1
    for item in re.findall(r"I\d|B|d", layout.HEAD.lua_format):
        if start <= at < stop:
            found += item
        at += Packing(item).size
    return found


def test_the_formats_of_the_hot_path_are_parts_of_the_head() -> None:
    at = {
        name: int(constant("fields.lua", name))
        for name in ("AT_ADMISSION", "AT_RATE_STATE", "AT_BOOKS", "AT_GRANTS")
    }
    behind = int(constant("fields.lua", "BEHIND_RATE_STATE"))
    assert constant("fields.lua", "ADMISSION") == slice_of(at["AT_ADMISSION"], 72)
    assert constant("fields.lua", "RATE_STATE") == slice_of(at["AT_RATE_STATE"], behind)
    grant = layout.GRANT.lua_format.removeprefix("<")
    assert (
        constant("fields.lua", "BOOKS_AND_GRANT")
        == slice_of(at["AT_BOOKS"], at["AT_GRANTS"]) + grant
    )


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
