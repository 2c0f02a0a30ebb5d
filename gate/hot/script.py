"""Lua scripts as they are sent: file, includes resolved, SHA-1.

A line `-- @include name` stands for the text of `lua/lib/name.lua`, at that place and in that
block, so that what is rarely needed costs nothing until it is.
"""

from __future__ import annotations

import re
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from gate.assets import lua_dir
from gate.domain.errors import ContractError

_INCLUDE = re.compile(r"^[ \t]*-- @include (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*\n", re.MULTILINE)


class Script(NamedTuple):
    """One verb as Redis runs it. `sha` is the SHA-1 of `source` in 40 hexadecimal digits."""

    name: str
    source: bytes
    sha: bytes


def flatten(path: Path, lib: Path, within: tuple[str, ...] = ()) -> str:
    """The text of a Lua file with its includes resolved and whole-line comments left out.

    Raises ContractError for an include that is missing or includes itself.
    """
    if path.stem in within:
        raise ContractError(f"lua include cycle: {' > '.join((*within, path.stem))}")
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise ContractError(f"lua file not found: {path.name}") from error

    def include(match: re.Match[str]) -> str:
        return flatten(lib / f"{match[1]}.lua", lib, (*within, path.stem)).rstrip("\n")

    return _COMMENT.sub("", _INCLUDE.sub(include, text))


def load_script(name: str, directory: Path | None = None) -> Script:
    """The script of verb `name` from `directory` (default: the lua/ of this library)."""
    directory = directory or lua_dir()
    source = flatten(directory / f"{name}.lua", directory / "lib").encode()
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest().encode())
