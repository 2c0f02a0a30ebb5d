"""`gate rebuild`: loads the accounts that Redis lacks, in bulk, those used last first.

First everything is booked that the journals hold; of an emptied Redis that finds the fork and marks
the accounts. Then accounts are seen to be absent, and only then the journals' ends are read: so one
end of a partition does for all of its accounts, and no page waits until the loads of the one before
are booked. The names are kept in memory for that, about 100 bytes each.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from itertools import zip_longest
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gate.domain.accounts import (
    FROZEN_REASONS,
    GRANT_KINDS,
    GRANTS_MAX,
    STATUSES,
    UINT32_MAX,
    AccountState,
    ComingPeriod,
    FrozenReason,
    Status,
    Terms,
    check_coming,
)
from gate.domain.errors import BadArgument, ContractError, GateError
from gate.domain.limits import CREDITS_MAX, NEVER_MS, check_id, instant_ms
from gate.domain.outcomes import Loaded
from gate.hot.calls import AnswerLost
from gate.hot.commands import load
from gate.hot.journal_stream import START, entry_order, last_entry_id
from gate.hot.keys import journal_key, organization_keys, tag_of
from gate.hot.layout import (
    GRANT,
    HEAD,
    HEAD_FIELDS,
    REST,
    kind_code,
    pack_account,
    pack_coming,
    reason_code,
    status_code,
)
from gate.hot.live_account import REST_FIELDS
from gate.ledger.accounts import CreditsLeft, load_accounts
from gate.ledger.transaction import borrowed
from reconciler.consumer import Consumer
from reconciler.reading import read_cursors

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.hot.packing import Packing
    from reconciler.context import Context

PAGE: Final = 1_000
#: Pages under way at the same time: one is read from PostgreSQL while Redis loads others.
_UNDER_WAY: Final = 3
#: What was behind in one pass (the journal forked again) is looked at in the next.
_PASSES: Final = 3
_TELL_EVERY_S: Final = 3.0
#: Distinct terms and calendars, which thousands of accounts share.
_SHARED_MAX: Final = 4_096
#: What AccountState allows.
_SEQ_MAX: Final = 2**48 - 2
_PERCENT_MAX: Final = 10_000

_LIST_NAMES: Final = """
SELECT organization_id FROM account
WHERE partition = $1 AND (epoch > 0 OR $2) AND ($3::text[] IS NULL OR organization_id = ANY ($3))
ORDER BY last_delta_at DESC NULLS LAST
"""
# Terms, calendars and grants as text: the first two are decoded once for all that share them.
_LOAD_ROWS: Final = """
SELECT organization_id, answer, epoch, seq, overage, debt, used, warned_percent, allowance, status,
       frozen_reason, grace_until, period_no, starts_at, ends_at, terms::text AS terms,
       coming::text AS coming, grants::text AS grants
FROM load_accounts($1, $2, $3)
"""


class _Page(NamedTuple):
    """Accounts of one partition to load, and the end of its journal, read after they were seen to
    be absent."""

    partition: int
    journal_end: str
    organization_ids: Sequence[str]


async def run(context: Context, args: argparse.Namespace) -> int:
    """Load what is absent: of `args.organizations`, else of all that were ever loaded, else, with
    `args.all`, of all. The exit code: 0, or 1 if some were not loaded.

    Raises GateError; what is loaded by then stays, and the next run goes on.
    """
    wanted = list(dict.fromkeys(args.organizations)) or None
    started = monotonic()
    try:
        async with _leased(context):
            done = await _rebuild(context, wanted, everything=args.all or wanted is not None)
    except AnswerLost as error:
        raise GateError(f"Redis: {error}; run it again: what is loaded stays") from error
    missed = done["failed"] + done["behind"] + done["unknown"]
    sys.stdout.write(
        f"loaded {done['loaded']:,} accounts in {done['load_ms'] / 1000:.1f} s"
        f" ({_rate(done['loaded'], done['load_ms'] / 1000)}), {monotonic() - started:.1f} s with"
        f" booking; {done['present']:,} were in Redis, {missed:,} were not loaded\n"
    )
    return 1 if missed or context.stop.is_set() else 0


async def _rebuild(
    context: Context, wanted: Sequence[str] | None, *, everything: bool
) -> Counter[str]:
    """Counts of accounts: loaded, present, failed, behind, unknown; and load_ms."""
    consumer, done = Consumer(context), Counter[str]()
    for number in range(_PASSES):
        done["behind"] = 0
        await _book(context, consumer)
        absent: dict[int, list[str]] = {}
        known: list[str] = []
        for part in range(context.meta.partitions):
            names = await _list_names(context, part, wanted, everything=everything)
            absent[part] = await _absent(context, part, names)
            known += names
        if number == 0:
            done["present"] = len(known) - sum(map(len, absent.values()))
            unknown = sorted({*(wanted or ())} - {*known})
            done["unknown"] = len(unknown)
            if unknown:
                sys.stderr.write(f"no account: {', '.join(unknown)}\n")
        ends = await _book(context, consumer)
        started = monotonic()
        done += await _load_all(context, absent, ends)
        done["load_ms"] += round((monotonic() - started) * 1000)
        if not done["behind"] or context.stop.is_set():
            break
    await _book(context, consumer)
    return done


@asynccontextmanager
async def _leased(context: Context) -> AsyncIterator[None]:
    """Other reconcilers leave partitions to this process meanwhile. They may book them all the
    same, and so may this one theirs: the cursors decide."""
    end = asyncio.Event()
    leasing = asyncio.create_task(context.leases.run(end))
    try:
        yield
    finally:
        end.set()
        await leasing


async def _book(context: Context, consumer: Consumer) -> dict[int, str]:
    """Books what the journals hold now; their ends, by partition."""
    partitions = range(context.meta.partitions)
    keys = [journal_key(tag_of(part, context.meta.partitions)) for part in partitions]
    asking = [last_entry_id(context.transport, key) for key in keys]
    ends = dict(zip(partitions, await asyncio.gather(*asking), strict=True))
    behind, told_at = [*partitions], monotonic()
    while behind and not context.stop.is_set():
        if monotonic() - told_at >= _TELL_EVERY_S:
            told_at = monotonic()
            sys.stderr.write(f"booking the journals of {len(behind)} partitions\n")
        await consumer.tick(behind)
        async with borrowed(context.pool) as connection:
            cursors = await read_cursors(connection, behind)
        booked = {part: one.entry_id or START for part, one in cursors.items()}
        behind = [
            part
            for part in behind
            if entry_order(booked.get(part, START)) < entry_order(ends[part])
        ]
    return ends


# -- what is absent


async def _list_names(
    context: Context, partition: int, wanted: Sequence[str] | None, *, everything: bool
) -> list[str]:
    async with borrowed(context.pool) as connection:
        rows = await connection.fetch(_LIST_NAMES, partition, everything, wanted)
    return [row["organization_id"] for row in rows]


async def _absent(context: Context, partition: int, names: Sequence[str]) -> list[str]:
    """Those of an emptied Redis in few commands."""
    transport = context.transport
    account = organization_keys("", tag_of(partition, context.meta.partitions)).account
    absent: list[str] = []
    for page in _pages(names):
        keys = [account + name.encode() for name in page]
        count = await transport.execute("EXISTS", *keys)
        if count == 0:
            absent += page
        elif count < len(page):
            there = await asyncio.gather(*(transport.execute("EXISTS", key) for key in keys))
            absent += [name for name, is_there in zip(page, there, strict=True) if not is_there]
    return absent


def _pages(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[begin : begin + PAGE] for begin in range(0, len(names), PAGE)]


# -- loading


async def _load_all(
    context: Context, absent: Mapping[int, Sequence[str]], ends: Mapping[int, str]
) -> Counter[str]:
    """The partitions by turns, so that what was used last comes first in all of them."""
    lists = [
        [_Page(part, ends[part], names) for names in _pages(all_names)]
        for part, all_names in absent.items()
    ]
    pages = iter([page for round_ in zip_longest(*lists) for page in round_ if page is not None])
    done = Counter[str]()

    async def load_next() -> None:
        for page in pages:
            if context.stop.is_set():
                return
            done.update(await _load_page(context, page))
            tell(page.partition, done["loaded"])

    with _progress(sum(map(len, absent.values()))) as tell:
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
            _LOAD_ROWS, page.partition, page.journal_end, page.organization_ids
        )
    tag, call = tag_of(page.partition, context.meta.partitions), context.transport.call
    script, key_count = load.script, load.key_count

    def load_into(organization_id: str, packed: bytes) -> Awaitable[list[Any]]:
        keys = load.select_keys(organization_keys(organization_id, tag))
        return call(script, (*keys, packed), key_count)

    done, loading, special = Counter[str](), [], []
    for row in map(_Row._make, (record.values() for record in records)):
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


# -- from a row to bytes. An AccountState and `pack_account` take 50 µs of this process, this takes
# 7; the budget for all that a rebuild does with an account, in three processes, is 50.


class _Row(NamedTuple):
    """The columns of _LOAD_ROWS; but for the first two they are None unless ready."""

    organization_id: str
    answer: str
    epoch: int
    seq: int
    overage: int
    debt: int
    used: int
    warned_percent: int
    allowance: int
    status: Status
    frozen_reason: FrozenReason | None
    grace_until: datetime | None
    period_no: int
    starts_at: datetime | None
    ends_at: datetime | None
    terms: str
    coming: str
    grants: str


class _Pattern(NamedTuple):
    """The packed form of an account that has these terms and nothing else, in pieces. `head` and
    `rest` are numbers with the bytes of the records, so that fields are set by adding to them."""

    head: int
    rest: int
    warn_at: bytes
    longer: bytes


def _bits(packing: Packing, names: Sequence[str]) -> dict[str, int]:
    """By how many bits each field of a record stands from its begin."""
    bits, bit = {}, 0
    for name, (digit, letter) in zip(
        names, re.findall(r"I(\d)|([Bd])", packing.lua_format), strict=True
    ):
        bits[name] = bit
        bit += 8 * (int(digit) if digit else {"B": 1, "d": 8}[letter])
    return bits


_HEAD: Final = _bits(HEAD, HEAD_FIELDS)
_EPOCH, _PERIOD_NO, _SEQ = _HEAD["epoch"], _HEAD["period_no"], _HEAD["seq"]
_USED, _GRANTS = _HEAD["used"], _HEAD["grants"]
_REST: Final = _bits(REST, REST_FIELDS)
_STATUS, _REASON, _WARNED = _REST["status"], _REST["reason"], _REST["warned"]
_OVERAGE, _DEBT, _ALLOWANCE = _REST["overage"], _REST["debt"], _REST["warn_basis"]
_STARTS_AT, _ENDS_AT, _GRACE_UNTIL = _REST["started_at"], _REST["ends_at"], _REST["grace_until"]
_GRANT: Final = _bits(GRANT, ("left", "source", "expires_at"))
_SOURCE, _EXPIRES_AT = _GRANT["source"], _GRANT["expires_at"]

_STATUS_CODES: Final = {status: status_code(status) for status in STATUSES}
_REASON_CODES: Final = {reason: reason_code(reason) for reason in (None, *FROZEN_REASONS)}
_KIND_CODES: Final = {kind: kind_code(kind) for kind in GRANT_KINDS}

_TERMS: Final = tuple(Terms.__dataclass_fields__)
_terms_decoder = msgspec.json.Decoder(Terms)
_coming_decoder = msgspec.json.Decoder(tuple[ComingPeriod, ...])
_grants_decoder = msgspec.json.Decoder(list[CreditsLeft])


def pack_row(row: _Row) -> bytes | None:
    """What `pack_account` makes of the account that a row says; None for one that has to be looked
    at more closely: out of range, or with grants that an account cannot have."""
    try:
        check_id("organization_id", row.organization_id)
        pattern = _pattern(row.terms)
        coming = _calendar(row.coming, row.period_no, row.ends_at)
        grants = _grants_decoder.decode(row.grants)
        if not _is_plain(row, grants):
            return None
        head = (
            pattern.head
            + (row.epoch << _EPOCH)
            + (row.period_no << _PERIOD_NO)
            + (row.seq << _SEQ)
            + (row.used << _USED)
            + (len(grants) << _GRANTS)
        )
        rest = (
            pattern.rest
            + (_STATUS_CODES[row.status] << _STATUS)
            + (_REASON_CODES[row.frozen_reason] << _REASON)
            + (row.warned_percent << _WARNED)
            + (row.overage << _OVERAGE)
            + (row.debt << _DEBT)
            + (row.allowance << _ALLOWANCE)
            + (_instant_or_0(row.starts_at) << _STARTS_AT)
            + (instant_ms("ends_at", row.ends_at) << _ENDS_AT)
            + (_instant_or_0(row.grace_until) << _GRACE_UNTIL)
        )
        packed = [head.to_bytes(HEAD.size, "little")]
        for grant in grants:
            expires_at = instant_ms("expires_at", grant.expires_at)
            number = (
                grant.credits + (_KIND_CODES[grant.kind] << _SOURCE) + (expires_at << _EXPIRES_AT)
            )
            packed.append(number.to_bytes(GRANT.size, "little"))
    except (BadArgument, msgspec.ValidationError):
        return None
    packed += (rest.to_bytes(REST.size, "little"), pattern.warn_at, coming, pattern.longer)
    return b"".join(packed)


def _is_plain(row: _Row, grants: Sequence[CreditsLeft]) -> bool:
    """Whether every number fits its field, as the checks of AccountState see to."""
    credits = [grant.credits for grant in grants]
    numbers = (row.overage, row.debt, row.used, row.allowance)
    return (
        len(credits) <= GRANTS_MAX
        and min(credits, default=1) > 0
        and min(numbers) >= 0
        and max(sum(credits), *numbers) <= CREDITS_MAX
        and 1 <= row.epoch <= UINT32_MAX
        and 1 <= row.period_no <= UINT32_MAX
        and 0 <= row.seq <= _SEQ_MAX
        and 0 <= row.warned_percent <= _PERCENT_MAX
    )


def _instant_or_0(at: datetime | None) -> int:
    return 0 if at is None else instant_ms("instant", at)


@lru_cache(_SHARED_MAX)
def _pattern(terms: str) -> _Pattern:
    decoded = _terms_decoder.decode(terms)
    state = AccountState("any", **{name: getattr(decoded, name) for name in _TERMS})
    packed = pack_account(state)
    end_of_rest = HEAD.size + REST.size
    end_of_warn_at = end_of_rest + 2 * len(decoded.warn_at)
    head = int.from_bytes(packed[: HEAD.size], "little")
    rest = int.from_bytes(packed[HEAD.size : end_of_rest], "little")
    return _Pattern(
        head - (state.epoch << _EPOCH) - (state.period_no << _PERIOD_NO),
        rest - (status_code(state.status) << _STATUS) - (NEVER_MS << _ENDS_AT),
        packed[end_of_rest:end_of_warn_at],
        packed[end_of_warn_at + len(pack_coming(())) :],
    )


@lru_cache(_SHARED_MAX)
def _calendar(coming: str, period_no: int, ends_at: datetime | None) -> bytes:
    decoded = _coming_decoder.decode(coming)
    check_coming(decoded, period_no, ends_at)
    return pack_coming(decoded)


# -- how far it is


def _rate(accounts: int, seconds: float) -> str:
    return f"{accounts / max(seconds, 0.001):,.0f}/s"


@contextmanager
def _progress(accounts: int) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that takes a partition and how many accounts are loaded."""
    if not sys.stderr.isatty():
        yield _lines(accounts)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    except ModuleNotFoundError:
        yield _lines(accounts)
        return
    started = monotonic()
    columns = (
        TextColumn("loading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}, partition {task.fields[partition]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("loading", total=accounts, rate="", partition="-")

        def tell(partition: int, loaded: int) -> None:
            rate = _rate(loaded, monotonic() - started)
            bar.update(task, completed=loaded, rate=rate, partition=partition)

        yield tell


def _lines(accounts: int) -> Callable[[int, int], None]:
    started = told_at = monotonic()

    def tell(partition: int, loaded: int) -> None:
        nonlocal told_at
        if monotonic() - told_at >= _TELL_EVERY_S:
            told_at = monotonic()
            rate = _rate(loaded, told_at - started)
            sys.stderr.write(
                f"loaded {loaded:,} of {accounts:,} accounts ({rate}), partition {partition}\n"
            )

    return tell
