"""What Python reads by constants of its own is what the Lua writes: holds, accounts, deltas."""

from __future__ import annotations

import re
import struct

import pytest

from gate.hot import inspection, journal, live_account
from tests.contract.test_layout import LIB, constant


def test_hold_records() -> None:
    credits_max = int(constant("holds.lua", "HOLD_CREDITS_MAX"))
    assert int(constant("holds.lua", "HOLD_ERA")) == inspection._HOLD_ERA_MS
    assert constant("detail.lua", "HOLD_DETAIL") == inspection._HOLD_DETAIL.lua_format
    assert (credits_max + 1) * 2 == inspection._HOLD_SHIFT
    shifts = re.findall(r"(?:%|/|\*) (\d{5})\b", (LIB / "detail.lua").read_text())
    assert {int(shift) for shift in shifts} == {inspection._HOLD_SHIFT}


@pytest.mark.parametrize(
    ("record", "names"),
    [
        ("REST", live_account.REST_FIELDS),
        ("TERMS", live_account.TERMS_FIELDS),
        ("LONGER", live_account.LONGER_FIELDS),
    ],
)
def test_fields_of_the_account_are_named_in_the_order_of_lua(record: str, names: list[str]) -> None:
    """The number of thresholds, always the last, is a local variable in Lua, named either way."""
    text = (LIB / "account.lua").read_text()
    found = re.search(rf"((?:[\w.]+,\s+)+[\w.]+)\s*=\s*struct\.unpack\({record},", text)
    assert found
    stated = [one.strip().rpartition(".")[2] for one in found[1].split(",")]
    stated = ["thresholds" if one == "count" else one for one in stated if one != "position"]
    assert stated == names


@pytest.mark.parametrize(
    ("fast", "record"), [(journal._DELTA, journal.DELTA), (journal._LEG, journal.LEG)]
)
def test_fast_records_are_the_records(fast: struct.Struct, record: journal.Packing) -> None:
    same = {"I6": "6s", "I4": "I"}
    items = re.findall(r"I\d|B|d", record.lua_format)
    assert fast.format == "<" + "".join(same.get(item, item) for item in items)
    assert fast.size == record.size
