"""Where the Lua scripts and the migrations are, in a wheel and in a checkout alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "_assets"
_ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent


def lua_dir() -> Path:
    """The folder of the Lua scripts."""
    return _ROOT / "lua"


def migrations_dir() -> Path:
    """The folder of the SQL migrations."""
    return _ROOT / "migrations"
