"""Little-endian records of whole numbers, as the `struct` library inside Redis packs them.

A format is written as in Lua: `B` one byte, `I<n>` an unsigned number of n bytes, `d` a double.
Python's own struct has no numbers of six or seven bytes, hence this.
"""

from __future__ import annotations

import re
import struct

_ITEM = re.compile(r"I(\d)|([Bd])")
_FORMATS = {"B": "B", "I1": "B", "I2": "H", "I4": "I", "I6": "6s", "I7": "7s", "d": "d"}


class Packing:
    """One record format; `size` is its length in bytes."""

    def __init__(self, lua_format: str) -> None:
        self.lua_format = lua_format
        items = [letter or f"I{size}" for size, letter in _ITEM.findall(lua_format)]
        self._struct = struct.Struct("<" + "".join(map(_FORMATS.__getitem__, items)))
        self.size = self._struct.size
        #: Places of numbers that struct has no format for, and of doubles, which hold whole ones.
        self._long = [(at, int(item[1])) for at, item in enumerate(items) if item in ("I6", "I7")]
        self._doubles = [at for at, item in enumerate(items) if item == "d"]

    def pack(self, *values: int) -> bytes:
        """The bytes of `values`. Raises OverflowError for one that does not fit its field."""
        packed: list[int | bytes] = list(values)
        try:
            for at, size in self._long:
                packed[at] = values[at].to_bytes(size, "little")
            return self._struct.pack(*packed)
        except struct.error as error:
            raise OverflowError(str(error)) from error

    def unpack(self, data: bytes, position: int = 0) -> tuple[tuple[int, ...], int]:
        """The values that stand at `position`, and the position behind them.

        Raises ValueError if the data ends before.
        """
        end = position + self.size
        if position < 0 or len(data) < end:
            raise ValueError(f"record of {self.size} bytes cut off at byte {len(data)}")
        values = list(self._struct.unpack_from(data, position))
        for at, _ in self._long:
            values[at] = int.from_bytes(values[at], "little")
        for at in self._doubles:
            values[at] = int(values[at])
        return tuple(values), end
