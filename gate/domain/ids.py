"""Ids: a prefix that says of what, then time-sortable and unique across processes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from os import urandom
from time import time

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: The characters of an id in the order of ASCII, so that ids sort as their bytes do.
_SORTABLE = bytes.maketrans(
    _BASE64, b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
)


def new_id(prefix: str) -> str:
    """A new id: `<prefix>_` and 16 characters, milliseconds since 1970 and 48 random bits.

    Short, because Redis remembers every settled one for minutes. Prefixes: hld hold or spend, esn
    send, opn operation, pln plan, sub subscription, cld ledger entry, inv invoice, btx transaction.
    """
    return _written(prefix, int(time() * 1000).to_bytes(6, "big") + urandom(6))


def new_ids(prefix: str) -> Iterator[str]:
    """Ids made one after another, each greater than the one before: the random bits are drawn once
    and counted up, which is faster than new_id and as good for ids that are written together."""
    number = int.from_bytes(int(time() * 1000).to_bytes(6, "big") + urandom(6), "big")
    for one in count(number):
        yield _written(prefix, one.to_bytes(12, "big"))


def _written(prefix: str, packed: bytes) -> str:
    return f"{prefix}_{b64encode(packed).translate(_SORTABLE).decode()}"
