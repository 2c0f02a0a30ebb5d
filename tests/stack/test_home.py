"""Data is not handed to a server that would misread it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.stack import StackError
from gate.stack.binaries import Binary
from gate.stack.home import Home


def binary(product: str, *version: int) -> Binary:
    return Binary(Path("/somewhere/server"), product, version)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.write(binary("Redis", 8, 2, 3), 6379)
    return home


def test_same_or_newer__is_admitted(home: Home) -> None:
    home.admit(binary("Redis", 8, 2, 1), 2)
    home.admit(binary("Redis", 9, 0, 0), 2)
    home.admit(binary("Redis", 8, 0, 0), 1)


def test_downgrade__is_refused(home: Home) -> None:
    with pytest.raises(StackError, match=r"made by Redis 8\.2\.3 .*is Redis 7\.0\.15.* older"):
        home.admit(binary("Redis", 7, 0, 15), 2)


def test_other_product__is_refused(home: Home) -> None:
    with pytest.raises(StackError, match="another product"):
        home.admit(binary("Valkey", 9, 0, 0), 2)


def test_unreadable_record__is_refused(home: Home) -> None:
    (home.path / "server.json").write_text("{")
    with pytest.raises(StackError, match="cannot be read"):
        home.read()
