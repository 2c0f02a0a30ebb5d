"""How often the ledger has what may happen once: settlements, operations, and their reversals."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.ledger.statement import load_statement
from reconciler.batch import operation_fact, settlement_fact
from reconciler.columns import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.ledger.connection import Connection
    from reconciler.batch import Known

#: An organization, and an operation or a fact of it.
Key: TypeAlias = tuple[str, str]
#: An organization, a settlement's id, its part.
Settlement: TypeAlias = tuple[str, str, int]

#: What the id of an operation begins with that takes back a repeat.
REVERSAL: Final = "rev_"

_FACT: Final = re.compile(r"settlement:(\d{1,10}):(.+)|operation:(.+)", re.DOTALL)
#: So many settlements of one organization are looked up together.
_MANY: Final = 4


async def count_facts(
    connection: Connection,
    settlements: set[Settlement],
    operations: set[Key],
    reversed_facts: set[Key],
    known: Known,
) -> None:
    """Adds to `known` how often facts stand in the ledger of the last 35 days, and what reversals
    among them reverse; of `reversed_facts`, and of what those reverse in turn, too.

    Raises Unavailable, ContractError.
    """
    more_settlements, more_operations = _by_kind(reversed_facts)
    await _count(connection, settlements | more_settlements, operations | more_operations, known)
    if known.standing:
        await _take_reversed(connection, known.standing)


async def _count(
    connection: Connection, settlements: set[Settlement], operations: set[Key], known: Known
) -> None:
    """How many deltas book each fact, and from reversals up to what they reverse."""
    above: set[Key] = set()
    seen: set[Key] = set()

    def add_settlement(organization_id: str, settlement_id: str, part: int, deltas: int) -> None:
        known.standing[organization_id, settlement_fact(settlement_id, part)] = deltas

    def add_operation(
        organization_id: str, operation_id: str, reference: str | None, deltas: int
    ) -> None:
        fact = operation_fact(operation_id)
        known.standing[organization_id, fact] = deltas
        if operation_id.startswith(REVERSAL) and reference:
            known.reverses[organization_id, fact] = reference
            above.add((organization_id, reference))

    while settlements or operations:
        for name, some in _by_number(sorted(settlements)):
            if some:
                await load_statement(name).fetch(connection, add_settlement, *columns(some))
        if operations:
            statement = load_statement("count_operations")
            await statement.fetch(connection, add_operation, *columns(sorted(operations)))
        settlements, operations = _by_kind(above - seen)
        seen |= above
        above.clear()


async def _take_reversed(connection: Connection, standing: Counter[Key]) -> None:
    def take(organization_id: str, fact: str, times: int) -> None:
        standing[organization_id, fact] -= times

    statement = load_statement("count_reversals")
    await statement.fetch(connection, take, *columns(sorted(standing)))


def _by_number(
    settlements: Sequence[Settlement],
) -> tuple[tuple[str, list[Settlement]], tuple[str, list[Settlement]]]:
    """The statements that find them, and what for: it matters how many an organization has."""
    numbers = Counter(org for org, _, _ in settlements)
    few = [one for one in settlements if numbers[one[0]] < _MANY]
    many = [one for one in settlements if numbers[one[0]] >= _MANY]
    return ("count_settlements", few), ("count_many_settlements", many)


def _by_kind(facts: Iterable[Key]) -> tuple[set[Settlement], set[Key]]:
    """Settlements and operations among facts; what is neither is left out."""
    settlements: set[Settlement] = set()
    operations: set[Key] = set()
    for org, fact in facts:
        if match := _FACT.fullmatch(fact):
            part, settlement_id, operation_id = match.groups()
            if operation_id is None:
                settlements.add((org, settlement_id, int(part)))
            else:
                operations.add((org, operation_id))
    return settlements, operations
