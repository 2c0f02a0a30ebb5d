"""Somebody edits a live account by hand: its packed value with other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.hot.layout import GRANT, HEAD, HEAD_FIELDS, kind_code

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    Grants = list[list[int]]

#: Whoever edits is not faster than senders, so it is tried until nobody came between.
_SWAP: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_ATTEMPTS: Final = 300


def edit_account(store: redis.Redis, key: bytes, change: Callable[[bytes], bytes | None]) -> bool:
    """Replaces the value by what `change` makes of it; False if it is not there, or if that makes
    nothing of it (None)."""
    for _ in range(_ATTEMPTS):
        packed = store.get(key)
        edited = None if packed is None else change(packed)
        if edited is None:
            return False
        if store.eval(_SWAP, 1, key, packed, edited):
            return True
    return False


def give(packed: bytes, credits: int) -> bytes | None:
    """Credits more (or fewer) in the grant that burns last; posted and ceiling follow."""
    head, grants, rest = _split(packed)
    if not grants or grants[-1][0] + credits <= 0:
        return None
    grants[-1][0] += credits
    head["posted"] += credits
    head["ceiling"] = max(0, head["ceiling"] + credits)
    return _join(head, grants, rest)


def move(packed: bytes) -> bytes | None:
    """Credits move from one grant to another; all sums stay."""
    head, grants, rest = _split(packed)
    if not grants:
        return None
    if len(grants) > 1 and grants[0][0] > 1:
        grants[0][0] -= 1
        grants[1][0] += 1
    else:
        purchased, base = kind_code("purchased"), kind_code("base")
        grants[0][1] = base if grants[0][1] == purchased else purchased
    return _join(head, grants, rest)


def set_field(packed: bytes, name: str, by: int) -> bytes | None:
    """A number of the front changes, nothing else."""
    head, grants, rest = _split(packed)
    if head[name] + by < 0:
        return None
    head[name] += by
    return _join(head, grants, rest)


def _split(packed: bytes) -> tuple[dict[str, int], Grants, bytes]:
    values, position = HEAD.unpack(packed)
    head = dict(zip(HEAD_FIELDS, values, strict=True))
    grants = []
    for _ in range(head["grants"]):
        grant, position = GRANT.unpack(packed, position)
        grants.append(list(grant))
    return head, grants, packed[position:]


def _join(head: dict[str, int], grants: Grants, rest: bytes) -> bytes:
    packed = HEAD.pack(*(head[name] for name in HEAD_FIELDS))
    return packed + b"".join(GRANT.pack(*grant) for grant in grants) + rest
