"""What a Redis needs to be for the gate: keeps everything, evicts nothing, takes writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.hot.layout import LAYOUT
from gate.telemetry.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.hot.server_facts import ServerFacts
    from gate.telemetry.check import State

_FULL_WARN: Final = 0.80
_FULL_FAIL: Final = 0.95
_JOURNALS_WARN: Final = 0.50
#: Journals smaller than this are no matter, whatever else is in memory.
_JOURNALS_SMALL_BYTES: Final = 64 * 2**20
_MB: Final = 2**20


def redis_checks(facts: ServerFacts) -> Iterator[Check]:
    """The checks, in the order in which a person would make them."""
    yield from _meta(facts)
    info = facts.info
    if info is None:
        yield _check(
            "INFO",
            "warn",
            "this user may not ask for INFO",
            "allow it (ACL: +info), or check by hand: noeviction, AOF on and its last write ok",
        )
    else:
        yield _version(info)
        yield from _mode(info)
        yield from _memory(info, facts.journal_bytes)
        yield from _persistence(info)
        yield from _torn_tail(info)
    yield from _fsync(info, facts.config)
    if info is not None:
        yield _replication(info, facts.config)


def _check(name: str, state: State, said: str, to_do: str = "") -> Check:
    return Check("Redis", name, state, said, to_do)


def _meta(facts: ServerFacts) -> Iterator[Check]:
    if facts.meta_fault:
        yield _check("gate:meta", "fail", facts.meta_fault, "see what is in this database")
    elif facts.meta is not None:
        exceptions = len(facts.meta.exceptions)
        moved = f", {exceptions:,} organizations placed by hand" if exceptions else ""
        yield _check(
            "gate:meta", "ok", f"layout {LAYOUT}, {facts.meta.partitions} partitions{moved}"
        )
    elif facts.foreign_keys:
        yield _check(
            "gate:meta",
            "warn",
            f"no gate has used this database, and it holds {facts.foreign_keys:,} keys",
            "see that this is the right URL, or lost accounts are loaded anew by `gate rebuild`",
        )
    else:
        yield _check(
            "gate:meta",
            "warn",
            "no gate has used this database yet: it is empty",
            "none, if it is new; else `gate rebuild` loads the accounts from PostgreSQL",
        )


def _version(info: Mapping[str, str]) -> Check:
    # One that is too old refused the connection.
    if info.get("server_name") == "valkey":
        return _check("version", "ok", f"Valkey {info.get('valkey_version', '?')}")
    return _check("version", "ok", f"Redis {info.get('redis_version', '?')}")


def _mode(info: Mapping[str, str]) -> Iterator[Check]:
    if info.get("redis_mode") == "cluster":
        yield _check(
            "mode",
            "fail",
            "this is a node of a Cluster, for which this release has no client",
            "use a single Redis, or one with replicas",
        )
    if info.get("loading") == "1":
        yield _check("loading", "fail", "Redis is loading its data", "wait until it has")


def _memory(info: Mapping[str, str], journal_bytes: int | None) -> Iterator[Check]:
    policy = info.get("maxmemory_policy", "?")
    if policy == "noeviction":
        yield _check("maxmemory-policy", "ok", policy)
    else:
        yield _check(
            "maxmemory-policy",
            "fail",
            f"is {policy}: at its limit Redis throws accounts, holds and unbooked deltas away",
            "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    used, limit = _whole(info, "used_memory"), _whole(info, "maxmemory")
    if not limit:
        yield _check(
            "maxmemory",
            "warn",
            f"is not set, {_size(used)} are used: the system kills a Redis that takes too much",
            "set maxmemory to what the machine can spare: there new work is refused, and none lost",
        )
    else:
        share = used / limit
        state: State = "ok" if share < _FULL_WARN else "warn" if share < _FULL_FAIL else "fail"
        yield _check(
            "maxmemory",
            state,
            f"{_size(used)} of {_size(limit)} are used ({share:.0%})",
            "" if state == "ok" else "raise it: at the limit all new work is refused",
        )
    if journal_bytes is not None:
        most = limit or max(used, 1)
        heavy = journal_bytes > max(_JOURNALS_SMALL_BYTES, most * _JOURNALS_WARN)
        yield _check(
            "journals",
            "warn" if heavy else "ok",
            f"take {_size(journal_bytes)}",
            "see with `gate status` whether they are booked and trimmed" if heavy else "",
        )


def _persistence(info: Mapping[str, str]) -> Iterator[Check]:
    if info.get("aof_enabled") != "1":
        yield _check(
            "appendonly",
            "fail",
            "is off: a restart forgets accounts, holds and unbooked deltas",
            "CONFIG SET appendonly yes, and the same in redis.conf",
        )
    for name, field in (
        ("last AOF write", "aof_last_write_status"),
        ("last AOF rewrite", "aof_last_bgrewrite_status"),
        ("last RDB save", "rdb_last_bgsave_status"),
    ):
        status = info.get(field, "ok")
        if status == "ok":
            yield _check(name, "ok", "went well")
        else:
            yield _check(
                name, "fail", f"failed ({status})", "see Redis's log; most often its disk is full"
            )


def _torn_tail(info: Mapping[str, str]) -> Iterator[Check]:
    """A tail torn in the middle of a script is not cut whole, and hides what is written behind it
    from the next start."""
    if info.get("aof_enabled") != "1" or "aof_rewrites" not in info:
        return
    # One that found no file at its start has no base file either.
    if _whole(info, "aof_base_size") and not _whole(info, "aof_rewrites"):
        yield _check(
            "AOF tail",
            "warn",
            "the AOF was not written anew since Redis started: a tail that was torn by a crash "
            "before may hide from the next start what is written now",
            "BGREWRITEAOF once after each start; before it, redis-check-aof --fix",
        )
    else:
        yield _check("AOF tail", "ok", "begun or written anew since Redis started: not torn")


def _fsync(info: Mapping[str, str] | None, config: Mapping[str, str] | None) -> Iterator[Check]:
    if config is None:
        yield _check(
            "appendfsync",
            "warn",
            "could not be read: CONFIG is forbidden here, as managed services do",
            "check by hand that it is everysec or always, and how many replicas a write waits for",
        )
        return
    if info is not None and info.get("aof_enabled") != "1":
        return
    policy = config.get("appendfsync", "?")
    if policy == "always":
        yield _check("appendfsync", "ok", "always: a power loss loses nothing that was answered")
    elif policy == "everysec":
        yield _check("appendfsync", "ok", "everysec: a power loss loses about two seconds at most")
    else:
        yield _check(
            "appendfsync",
            "warn",
            f"is {policy}: a power loss loses what the system had not written, often 30 seconds",
            "CONFIG SET appendfsync everysec, and the same in redis.conf",
        )


def _replication(info: Mapping[str, str], config: Mapping[str, str] | None) -> Check:
    if info.get("role") != "master":
        return _check(
            "role",
            "fail",
            "this is a replica and takes no writes",
            "name the primary in the URL",
        )
    replicas = _whole(info, "connected_slaves")
    if not replicas:
        return _check("replicas", "ok", "none: a lost disk loses what is not booked yet")
    follow = "1 replica follows" if replicas == 1 else f"{replicas} replicas follow"
    if config is not None and config.get("min-replicas-to-write", "0") == "0":
        return _check(
            "replicas",
            "warn",
            f"{follow}, and min-replicas-to-write is 0: a primary that is cut off goes on "
            "admitting, and a failover loses that",
            "CONFIG SET min-replicas-to-write 1, and the same in redis.conf",
        )
    return _check("replicas", "ok", follow)


def _whole(info: Mapping[str, str], name: str) -> int:
    value = info.get(name, "0")
    return int(value) if value.isdigit() else 0


def _size(number: int) -> str:
    return f"{number / _MB:,.1f} MB" if number < 1024 * _MB else f"{number / (1024 * _MB):,.1f} GB"
