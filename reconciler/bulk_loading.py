"""Loads accounts into Redis page by page: their rows are read, packed and given to `load`."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.domain.outcomes import Loaded
from gate.hot.commands import load
from gate.hot.keys import organization_keys, tag_of
from gate.hot.layout import pack_account
from gate.ledger.accounts import load_accounts
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.rebuild_progress import progress
from reconciler.row_packing import AccountRow, pack_row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from gate.domain.accounts import AccountState
    from reconciler.context import Context

PAGE: Final = 1_000
#: Pages under way at the same time: one is read from PostgreSQL while Redis loads others.
_UNDER_WAY: Final = 3


class _Page(NamedTuple):
    """Accounts of one partition to load, and the end of its journal, read after they were seen to
    be absent."""

    partition: int
    journal_end: str
    organization_ids: Sequence[str]


def pages(names: Sequence[str]) -> list[Sequence[str]]:
    """The names, PAGE by PAGE."""
    return [names[begin : begin + PAGE] for begin in range(0, len(names), PAGE)]


async def load_all(
    context: Context, absent: Mapping[int, Sequence[str]], ends: Mapping[int, str]
) -> Counter[str]:
    """The partitions by turns, so that what was used last comes first in all of them."""
    lists = [
        [_Page(part, ends[part], names) for names in pages(all_names)]
        for part, all_names in absent.items()
    ]
    in_turn = iter([page for round_ in zip_longest(*lists) for page in round_ if page is not None])
    done = Counter[str]()

    async def load_next() -> None:
        for page in in_turn:
            if context.stop.is_set():
                return
            done.update(await _load_page(context, page))
            tell(page.partition, done["loaded"])

    with progress(sum(map(len, absent.values()))) as tell:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_UNDER_WAY):
                    group.create_task(load_next())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    context.metrics.loads.inc(done["loaded"])
    return done


async def _load_page(context: Context, page: _Page) -> Counter[str]:
    async with borrowed(context.pool) as connection:
        records = await connection.fetch(
            load_statement("load_account_texts").sql,
            page.partition,
            page.journal_end,
            page.organization_ids,
        )
    tag, call = tag_of(page.partition, context.meta.partitions), context.transport.call
    script, key_count = load.script, load.key_count

    def load_into(organization_id: str, packed: bytes) -> Awaitable[list[Any]]:
        keys = load.select_keys(organization_keys(organization_id, tag))
        return call(script, (*keys, packed), key_count)

    done, loading, special = Counter[str](), [], []
    for row in map(AccountRow._make, (record.values() for record in records)):
        packed = pack_row(row) if row.answer == "ready" else None
        if packed is not None:
            loading.append(load_into(row.organization_id, packed))
        elif row.answer == "ready":
            special.append(row.organization_id)
        else:
            done[row.answer] += 1
    if special:
        states = await _special(context, page, special, done)
        loading += [load_into(state.organization_id, pack_account(state)) for state in states]
    for answer in loading:
        try:
            outcome = load.read("", "", await answer)
        except ContractError as error:
            done["failed"] += 1
            context.log.error("cannot load", reason=str(error))
        else:
            done["loaded" if isinstance(outcome, Loaded) else "present"] += 1
    return done


async def _special(
    context: Context, page: _Page, names: Sequence[str], done: Counter[str]
) -> list[AccountState]:
    """Accounts whose rows are no plain ones, read as any loader reads them."""

    def refused(error: ContractError) -> None:
        done["failed"] += 1
        context.log.error("cannot load", reason=str(error))

    async with borrowed(context.pool) as connection:
        return await load_accounts(
            connection, page.partition, page.journal_end, names, refused=refused
        )
