"""Little-endian records of whole numbers, as the `struct` library inside Redis packs them.

A format is written as in Lua: `B` one byte, `I<n>` an unsigned number of n bytes, `d` a double.
Python's own struct has no numbers of six or seven bytes, hence this.
"""

from __future__ import annotations

import re
import struct

_ITEM = re.compile(r"I(\d)|([Bd])")


class Packing:
    """One record format; `size` is its length in bytes."""

    def __init__(self, lua_format: str) -> None:
        self.lua_format = lua_format
        self._sizes = [
            int(size) if size else 1 if letter == "B" else 0
            for size, letter in _ITEM.findall(lua_format)
        ]
        self.size = sum(size or 8 for size in self._sizes)

    def pack(self, *values: int) -> bytes:
        """The bytes of `values`. Raises OverflowError for one that does not fit its field."""
        return b"".join(
            value.to_bytes(size, "little") if size else struct.pack("<d", value)
            for size, value in zip(self._sizes, values, strict=True)
        )

    def unpack(self, data: bytes, position: int = 0) -> tuple[tuple[int, ...], int]:
        """The values that stand at `position`, and the position behind them.

        Raises ValueError if the data ends before.
        """
        values = []
        for size in self._sizes:
            end = position + (size or 8)
            item = data[position:end]
            if len(item) < end - position:
                raise ValueError(f"record of {self.size} bytes cut off at byte {len(data)}")
            if size:
                values.append(int.from_bytes(item, "little"))
            else:
                values.append(int(struct.unpack("<d", item)[0]))
            position = end
        return tuple(values), position
