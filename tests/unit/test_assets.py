"""Scripts and migrations are found from a checkout and from a wheel."""

from __future__ import annotations

from gate import assets


def test_folders_are_there() -> None:
    assert (assets.lua_dir() / "README.md").is_file()
    assert (assets.migrations_dir() / "README.md").is_file()
