"""Accounts for tests, and everything that a Redis holds."""

from __future__ import annotations

from typing import Any

import redis

from gate import AccountState, Grant

RATE_ENOUGH = 1_000_000_000

_DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('DUMP', key)
end
return found
"""


def account(organization_id: str = "org_a", credits: int = 1000, **terms: Any) -> AccountState:
    """An account of `credits` that no rate holds back, unless `terms` say so."""
    grants = [Grant(kind="base", credits=credits)] if credits else []
    terms = {"rate_per_second": RATE_ENOUGH, "grants": grants, **terms}
    return AccountState(organization_id, **terms)


def dump(url: str) -> dict[bytes, bytes]:
    """Every key of a Redis with its serialized value."""
    with redis.Redis.from_url(url, protocol=2) as client:
        found = client.eval(_DUMP, 0)
    return dict(zip(found[::2], found[1::2], strict=True))
