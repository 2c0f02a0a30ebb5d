"""Ids: a prefix that says of what, then time-sortable and unique across processes."""

from __future__ import annotations

from os import urandom
from time import time


def new_id(prefix: str) -> str:
    """A new id: `<prefix>_`, milliseconds since 1970 and 56 random bits in hexadecimal digits.

    Prefixes: hld hold or spend, esn send, opn operation, pln plan, sub subscription, cld ledger
    entry, inv invoice, btx transaction.
    """
    return f"{prefix}_{int(time() * 1000):011x}{urandom(7).hex()}"
