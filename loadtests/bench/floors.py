"""Floor scripts: for each verb the `redis.call`s of its common path, with the sizes of its common
path, and no logic. What a verb takes beyond its floor is what deciding costs.

Each was written by reading the verb in `lua/`: same keys and arguments, same commands in the same
order, values and replies of the same length. Change them together: the run says so when a verb and
its floor did not call the same.
"""

from __future__ import annotations

from hashlib import sha1

from gate.hot.journal import DELTA, LEG
from gate.hot.script import Script

_ORGANIZATION = "org_bench_0000000000"
assert len(_ORGANIZATION) == 20

_GET = "local packed = redis.call('GET', KEYS[1])"
_SET = "redis.call('SET', KEYS[1], packed)"
_TIME = "redis.call('TIME')"
_ZSCORE = "redis.call('ZSCORE', KEYS[3], ARGV[1])"
_SETTLED = "redis.call('HGET', KEYS[5], ARGV[1])\nredis.call('HGET', KEYS[6], ARGV[1])"
_REMEMBER = "redis.call('HSET', KEYS[5], ARGV[1], '\\1\\2\\3\\4\\5')"
_REMEMBER_NEW = "redis.call('HSETNX', KEYS[5], ARGV[1], '\\1\\2\\3\\4\\5')"
_BEFORE = "redis.call('HGET', KEYS[6], ARGV[1])"
_ZREM = "redis.call('ZREM', KEYS[3], ARGV[1])"


def _xadd(id: str, legs: int, more: str) -> str:
    delta = "d" * (DELTA.size + LEG.size * legs)
    return (
        f"redis.call('XADD', KEYS[2], '*', 'o', '{_ORGANIZATION}', 'i', {id}, 'd', '{delta}',"
        f" 'm', '{more}')"
    )


def _zadd(score: int, flag: str = "") -> str:
    return f"redis.call('ZADD', KEYS[3], {flag}{score}, ARGV[1])"


_JOURNAL = _xadd("ARGV[1]", 1, "")
_COMMITTED = "return { 'committed', 1, 0, 899999999, 123456, 0, 0 }"
_PEEKED = (
    "return { 'account', 'reserved', '', 0, 1, 899999999, '', 'active', 899999999, 0, 0, 0, 0,"
    " 123456, 1, 123456, 1, 1, 1764000000000, 1766000000000, 0, 600000000, 0, 1000000000, 0,"
    " 1000000000, 1000000000, 0, 0, 0, 0, 10, 10000, 281474976710655, 1766000000000,"
    " { 1, 300000000, 281474976710655, 2, 300000000, 281474976710655,"
    " 3, 300000000, 1790000000000 },"
    " { 2, 1768000000000, 300000000, 0, 0, 3, 1770000000000, 300000000, 0, 0 } }"
)

#: Bytes of `sends` in a record; `m` has 11 bytes of lengths around them.
SENDS_BYTES = 120

_SPEND = [_GET, _TIME, _BEFORE, _REMEMBER_NEW, _JOURNAL, _SET, _COMMITTED]
_FLOORS: dict[str, tuple[str, list[str]]] = {
    "spend": ("", _SPEND),
    "spend_replayed": (
        "",
        [_GET, _TIME, _BEFORE, _REMEMBER_NEW, _SETTLED.split("\n")[0], _COMMITTED],
    ),
    "spend_with_holds_open": ("", [_GET, _TIME, _ZSCORE, *_SPEND[2:]]),
    "spend_three_limits": ("", _SPEND),
    "reserve": (
        "",
        [
            *(_GET, _TIME, _SETTLED, _zadd(983040000000002, "'NX', "), _SET),
            "return { 'reserved', 1, 1764000000000, 899999999, 10, 0 }",
        ],
    ),
    "reserve_denied": (
        "",
        [
            _GET,
            _TIME,
            _ZSCORE,
            _SETTLED,
            "return { 'insufficient', 899999999, 1000000000, 1764000000 }",
        ],
    ),
    "extend": (
        "",
        [
            *(_GET, _TIME, _ZSCORE, _zadd(993040000000002)),
            "return { 'extended', 1, 1764000000000, 899999999 }",
        ],
    ),
    "commit": (
        " flags=allow-oom",
        [_GET, _TIME, _ZSCORE, _JOURNAL, _REMEMBER, _SET, _ZREM, _COMMITTED],
    ),
    "release": (
        " flags=allow-oom",
        [_GET, _TIME, _ZSCORE, _REMEMBER, _SET, _ZREM, "return { 'released', 1, 'released', 0 }"],
    ),
    "pace": (" flags=allow-oom", [_GET, _TIME, _SET, "return { 'paced', 1000000000 }"]),
    "peek": (" flags=no-writes", [_GET, _TIME, _PEEKED]),
    "record": (
        " flags=allow-oom",
        [
            _GET,
            _TIME,
            _xadd("''", 0, "m" * (SENDS_BYTES + 11)),
            _SET,
            "return { 'recorded', 123456 }",
        ],
    ),
}

#: All of them; `spend` and `reserve` in several situations.
CASES = tuple(_FLOORS)

_BASE = [_TIME, _GET, _SET, _JOURNAL]


def _script(name: str, flags: str, lines: list[str]) -> Script:
    source = "\n".join([f"#!lua{flags}", *lines]).encode()
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest().encode())


def floor(case: str) -> Script:
    """The floor script of a case."""
    flags, lines = _FLOORS[case]
    return _script(f"floor of {case}", flags, lines)


#: What any admission with a journal cannot do without: two keys and an id go in, a 1 comes out.
BASE = _script("TIME + GET + SET + XADD", "", [*_BASE, "return 1"])
#: The same commands in a call that looks like a settlement: keys, arguments and reply of the verb.
BASE_CALL = _script("TIME + GET + SET + XADD, keys and reply alike", "", [*_BASE, _COMMITTED])
