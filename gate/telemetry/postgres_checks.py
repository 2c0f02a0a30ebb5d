"""What a PostgreSQL needs to be for the gate: migrated, writable, safe against a crash."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gate.ledger.condition import COUNTED_MAX
from gate.telemetry.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.ledger.condition import Condition, ServerSettings
    from gate.telemetry.check import State

_PARENTS: Final = {
    "credit_ledger": "ensure_ledger_partitions",
    "email_send": "ensure_send_partitions",
}
#: Today and the days to come that should have a partition each.
_DAYS: Final = 3


def postgres_checks(condition: Condition) -> Iterator[Check]:
    """The checks, in the order in which a person would make them."""
    settings = condition.settings
    yield _check("version", "ok", f"PostgreSQL {settings.version}")
    if settings.is_replica:
        yield _check(
            "role",
            "fail",
            "this is a replica and takes no writes",
            "name the primary in the URL",
        )
    yield from _durability(settings)
    yield _migrations(condition)
    if condition.applied:
        yield _roles(condition)
        yield from _partitions(condition)


def _check(name: str, state: State, said: str, to_do: str = "") -> Check:
    return Check("PostgreSQL", name, state, said, to_do)


def _durability(settings: ServerSettings) -> Iterator[Check]:
    sound = True
    for name, value in (("fsync", settings.fsync), ("full_page_writes", settings.full_page_writes)):
        if value == "off":
            sound = False
            yield _check(
                name,
                "fail",
                "is off: a crash of the machine may ruin the ledger",
                f"ALTER SYSTEM SET {name} = on, then SELECT pg_reload_conf()",
            )
    if settings.synchronous_commit == "off":
        sound = False
        yield _check(
            "synchronous_commit",
            "warn",
            "is off: a crash loses what was booked last; it is booked again from the journal, "
            "operations recorded last are lost",
            "ALTER SYSTEM SET synchronous_commit = on, then SELECT pg_reload_conf()",
        )
    if sound:
        yield _check("durability", "ok", "a commit that was answered is on the disk")


def _migrations(condition: Condition) -> Check:
    if condition.migrations_fault:
        return _check(
            "migrations",
            "fail",
            condition.migrations_fault,
            "do not migrate before files and database fit each other",
        )
    if condition.pending:
        return _check(
            "migrations",
            "fail",
            f"{len(condition.pending)} to be applied: {', '.join(condition.pending)}",
            "run `gate migrate`",
        )
    return _check("migrations", "ok", f"all {condition.applied} applied, none edited")


def _roles(condition: Condition) -> Check:
    if not condition.missing_roles:
        return _check("roles", "ok", "all there")
    return _check(
        "roles",
        "warn",
        f"{', '.join(condition.missing_roles)} missing: logins have no group to be members of",
        "CREATE ROLE … NOLOGIN as a superuser, then the grants that migrations 0008 and later name",
    )


def _partitions(condition: Condition) -> Iterator[Check]:
    today = condition.settings.today
    days = [today + timedelta(days=number) for number in range(_DAYS)]
    for parent, function in _PARENTS.items():
        there = {one.day for one in condition.tables if one.parent == parent and one.attached}
        missing = [day for day in days if day not in there]
        if missing:
            names = ", ".join(f"{day}" for day in missing)
            yield _check(
                f"{parent} partitions",
                "warn",
                f"none for {names}: rows of these days go into the default one",
                f"a running reconciler makes them; by hand: SELECT {function}(current_date, 8)",
            )
        else:
            yield _check(f"{parent} partitions", "ok", f"there for today and {_DAYS - 1} days more")
    for default in condition.default_rows:
        if not default.rows:
            continue
        number = f"{default.rows:,} rows"
        if default.rows >= COUNTED_MAX:
            number = f"at least {number}"
        yield _check(
            f"{default.parent}_default",
            "warn",
            f"has {number}, from {default.first_day} on: they are read and verified as any other, "
            "and stay when old days are detached",
            "none; it grows only while days lack a partition",
        )
