"""The append-only file of Redis: where its commands end, and what is lost where it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Command(NamedTuple):
    """A command as it stands in the file. `block`: where the transaction that it belongs to begins
    and None where it belongs to none."""

    begin: int
    end: int
    words: tuple[bytes, ...]
    block: int | None


def growing_file(data_dir: Path) -> Path:
    """The file that Redis appends to now."""
    folder = data_dir / "appendonlydir"
    lines = (folder / "appendonly.aof.manifest").read_text().splitlines()
    (*_, last) = (line for line in lines if " type i" in line)
    return folder / last.split()[1]


def read_commands(data: bytes) -> Iterator[Command]:
    """The commands of a file, up to where it is torn."""
    position, block = 0, None
    while position < len(data):
        begin = position
        try:
            if data[begin : begin + 1] == b"#":
                position = data.index(b"\n", begin) + 1
                continue
            count, position = _number(data, begin, b"*")
            words = []
            for _ in range(count):
                length, position = _number(data, position, b"$")
                words.append(data[position : position + length])
                position += length + 2
        except ValueError:
            return
        if position > len(data):
            return
        if words[0].upper() == b"MULTI":
            block = begin
        yield Command(begin, position, tuple(words), block)
        if words[0].upper() == b"EXEC":
            block = None


def lost_entries(commands: list[Command], cut_at: int) -> list[tuple[bytes, ...]]:
    """The fields of the journal entries that are not in the file once it is cut: a transaction
    counts only as a whole."""
    ends = {one.block: one.end for one in commands if one.words[0].upper() == b"EXEC"}
    return [
        one.words[3:]
        for one in commands
        if one.words[0].upper() == b"XADD" and _end(one, ends) > cut_at
    ]


def _end(command: Command, ends: dict[int | None, int]) -> int:
    return command.end if command.block is None else ends.get(command.block, 1 << 62)


def _number(data: bytes, position: int, mark: bytes) -> tuple[int, int]:
    end = data.index(b"\r\n", position)
    if data[position : position + 1] != mark:
        raise ValueError("not a command")
    return int(data[position + 1 : end]), end + 2
