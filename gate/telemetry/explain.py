"""Collects what Redis and PostgreSQL know of one id: a hold, spend, message or operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import GateError
from gate.domain.limits import ms_instant
from gate.hot.keys import partition_of, tag_of
from gate.hot.trace import read_trace, search_journal
from gate.hot.visit import meta_if_there, redis_now_ms, visiting
from gate.ledger.lookup import find, find_organizations, read_cursors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from gate.hot.meta import Meta
    from gate.hot.trace import Sighting, Trace
    from gate.hot.transport import Transport
    from gate.ledger.lookup import Found

#: Where the organization is not known, this many entries of each journal are searched.
_SEARCHED_EACH: Final = 5_000


class NotFound(GateError):
    """Nobody knows the id any more, or nobody ever did."""

    code = "gate.not_found"


class SeveralKnowIt(GateError):
    """Ids are unique within an organization alone."""

    code = "gate.several_know_it"


class TraceOf(NamedTuple):
    """What Redis has of one of the ids."""

    id: str
    trace: Trace


class Facts(NamedTuple):
    """What was found. `live` and `unbooked` are empty where Redis could not be looked at, `found`
    is None where PostgreSQL could not; `notes` say so. `now` None: Redis was not asked."""

    organization_id: str
    id: str
    now: datetime | None
    live: tuple[TraceOf, ...]
    unbooked: tuple[Sighting, ...]
    found: Found | None
    notes: tuple[str, ...]


async def collect(
    redis_url: str | None, database_url: str | None, id: str, organization_id: str | None
) -> Facts:
    """What is known of an id. `organization_id` None: it is looked for first.

    One server may be away, or not named (None): then the other one is asked. Raises NotFound,
    SeveralKnowIt, SearchTooLong, and Unavailable or ContractError if neither can be asked.
    """
    if redis_url is None and database_url is None:
        raise GateError("neither Redis nor PostgreSQL was named: give REDIS_URL and PG_URL")
    asking = _Asking(redis_url, database_url, id)
    if organization_id is None:
        organization_id = await asking.find_organization()
    return await asking.ask(organization_id)


class _Asking:
    def __init__(self, redis_url: str | None, database_url: str | None, id: str) -> None:
        self._redis_url = redis_url
        self._database_url = database_url
        self._id = id
        self._cursors: Mapping[int, str] = {}
        self._failures: list[GateError] = []
        self._notes: list[str] = []

    async def find_organization(self) -> str:
        names: set[str] = set()
        if self._database_url is not None:
            try:
                names.update(await find_organizations(self._database_url, self._id))
                self._cursors = await read_cursors(self._database_url)
            except GateError as error:
                if self._redis_url is None:
                    raise
                # With the organization, it may be found all the same.
                self._failures.append(error)
        if not names and self._redis_url is not None:
            names.update(await self._organizations_in_journals(self._redis_url))
        if len(names) > 1:
            shown = ", ".join(sorted(names)[:10]) + (", …" if len(names) > 10 else "")
            raise SeveralKnowIt(
                f"several organizations know {self._id} ({shown}): choose one with --organization"
            )
        if not names:
            if self._failures:
                raise self._failures[0]
            places = "ledger, messages, operations and quarantine in PostgreSQL"
            if self._redis_url is not None:
                journals = "the journals in Redis"
                places = journals if self._database_url is None else f"{places}, and {journals}"
            raise NotFound(
                f"{self._id} is not known to {places}. An open hold is found with --organization "
                f"alone. {_REMEMBERED}"
            )
        return names.pop()

    async def ask(self, organization_id: str) -> Facts:
        self._failures.clear()
        found = await self._ask_postgres(organization_id)
        ids = found.ids if found is not None else (self._id,)
        now, live, unbooked = await self._ask_redis(organization_id, ids)
        if len(self._failures) == 2:
            raise self._failures[0]
        facts = Facts(organization_id, self._id, now, live, unbooked, found, tuple(self._notes))
        if not _anything(facts):
            raise NotFound(self._not_found(organization_id, facts))
        return facts

    def _not_found(self, organization_id: str, facts: Facts) -> str:
        places = []
        if facts.now is not None:
            places.append("Redis (open holds, settled ids, marks of operations, unbooked journal)")
        if facts.found is not None:
            places.append("PostgreSQL (ledger, messages, operations, quarantine)")
        said = (
            f"{' and '.join(places) or 'nobody'} knows nothing of {self._id} of {organization_id}"
        )
        return ". ".join([said, *self._notes, _REMEMBERED])

    async def _ask_postgres(self, organization_id: str) -> Found | None:
        if self._database_url is None:
            self._note("PostgreSQL was not named: give --database-url or PG_URL")
            return None
        try:
            # The cursors first: what is booked meanwhile is then seen twice, and not missed.
            self._cursors = await read_cursors(self._database_url)
            found = await find(self._database_url, organization_id, self._id)
        except GateError as error:
            self._failures.append(error)
            self._notes.append(f"PostgreSQL could not be asked: {error}")
            return None
        if found.by_reference is None:
            self._notes.append("entries that bear it as a reference were not searched to the end")
        return found

    async def _ask_redis(
        self, organization_id: str, ids: tuple[str, ...]
    ) -> tuple[datetime | None, tuple[TraceOf, ...], tuple[Sighting, ...]]:
        if self._redis_url is None:
            self._note("Redis was not named: give --redis-url or REDIS_URL")
            return None, (), ()
        try:
            async with visiting(self._redis_url) as transport:
                meta = await meta_if_there(transport)
                if meta is None:
                    self._note("no gate has used this Redis: it has no gate:meta")
                    return None, (), ()
                now_ms = await redis_now_ms(transport)
                live = [
                    TraceOf(id, await read_trace(transport, meta, organization_id, id, now_ms))
                    for id in ids
                ]
                unbooked = await self._search(transport, meta, organization_id, ids)
        except GateError as error:
            self._failures.append(error)
            self._notes.append(f"Redis could not be asked: {error}")
            return None, (), ()
        return ms_instant(now_ms), tuple(live), unbooked

    async def _search(
        self, transport: Transport, meta: Meta, organization_id: str, ids: Collection[str]
    ) -> tuple[Sighting, ...]:
        partition = meta.exceptions.get(organization_id)
        if partition is None:
            partition = partition_of(organization_id, meta.partitions)
        tag = tag_of(partition, meta.partitions)
        # Reversals bear these as their reference.
        names = {*ids, *(f"settlement:0:{id}" for id in ids), *(f"operation:{id}" for id in ids)}
        search = await search_journal(
            transport, tag, self._cursors.get(partition, ""), names, organization_id
        )
        if not search.is_complete:
            self._notes.append("the journal is longer than what was searched of it")
        return search.sightings

    async def _organizations_in_journals(self, url: str) -> set[str]:
        async with visiting(url) as transport:
            meta = await meta_if_there(transport)
            names: set[str] = set()
            for partition in range(meta.partitions if meta is not None else 0):
                search = await search_journal(
                    transport,
                    tag_of(partition, meta.partitions if meta is not None else 1),
                    self._cursors.get(partition, ""),
                    (self._id,),
                    searched_max=_SEARCHED_EACH,
                )
                names.update(one.delta.organization_id for one in search.sightings)
        return names

    def _note(self, said: str) -> None:
        self._notes.append(said)
        self._failures.append(GateError(said))


_REMEMBERED: Final = (
    "Redis remembers a settled id for 10 to 20 minutes, look-ups in PostgreSQL reach back 35 days"
)


def _anything(facts: Facts) -> bool:
    found = facts.found
    live = any(any(part is not None for part in one.trace) for one in facts.live)
    booked = found is not None and any(
        (found.entries, found.by_reference, found.sends, found.operations, found.quarantined)
    )
    return live or booked or bool(facts.unbooked)
