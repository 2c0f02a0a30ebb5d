"""The gate: every verb of a sender, on the caller's event loop."""

from __future__ import annotations

import os
from asyncio import CancelledError
from collections.abc import Generator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from gate.client.hold import Hold
from gate.client.loading import Loading
from gate.domain.accounts import AccountState
from gate.domain.errors import BadArgument, ContractError
from gate.domain.ids import new_id
from gate.domain.limits import (
    COST_MAX,
    CREDITS_MAX,
    TTL_MS_MAX,
    TTL_MS_MIN,
    check_id,
    check_text,
    check_whole,
)
from gate.domain.outcomes import (
    CommitOutcome,
    ExtendOutcome,
    LoadOutcome,
    NotLoaded,
    PaceOutcome,
    RecordOutcome,
    ReleaseOutcome,
    Reserved,
    ReserveOutcome,
    SpendOutcome,
)
from gate.domain.sends import Send, pack_sends
from gate.hot.caller import Caller
from gate.hot.commands import (
    COMMANDS,
    commit,
    extend,
    load,
    pace,
    peek,
    record,
    release,
    reserve,
    spend,
)
from gate.hot.layout import pack_account
from gate.hot.meta import read_meta
from gate.hot.transport import Transport
from gate.hot.wanted import WANTED_MAX, want

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    from gate.client.database_loader import DatabaseLoader
    from gate.client.loader import Loader
    from gate.hot.calls import Argument
    from gate.hot.command import Command
    from gate.hot.commands.peek import PeekOutcome

Answer = TypeVar("Answer")

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
PARTITIONS_ALLOWED = (1, 2, 4, 8, 16, 32, 64)
CONNECTIONS_MAX = 1_000
IN_FLIGHT_MAX = 1_000_000
TIMEOUT_MS_MAX = 3_600_000


class HoldRef(NamedTuple):
    """A hold by its name, where its receipt is not at hand. `credits` is what it was granted, so
    that a commit knows its amount even when the hold is gone."""

    organization_id: str
    hold_id: str
    credits: int


class Gate:
    """Admission, live. Made by `Gate.connect`; one for each event loop, for all its tasks.

    Every verb but `pace` and `record` may be asked again with the same id, and then changes
    nothing. All raise BadArgument before anything is sent, Unavailable if nothing ran, and
    OutcomeUnknown if it may have run. A cancelled call may have happened.
    """

    def __init__(
        self,
        caller: Caller,
        loader: Loader | None = None,
        database_loader: DatabaseLoader | None = None,
    ) -> None:
        """Use `Gate.connect`."""
        self._caller = caller
        self._database_loader = database_loader
        find = database_loader if loader is None else loader
        self._loading = Loading(caller, find) if find is not None else None
        self._wanted: set[str] = set()
        self._wanted_since = 0.0

    @classmethod
    def connect(
        cls,
        redis_url: str | None = None,
        *,
        database_url: str | None = None,
        loader: Loader | None = None,
        load_timeout_ms: int = 2000,
        partitions: int = 64,
        connections: int = 2,
        in_flight_max: int = 4096,
        deadline_ms: int = 1000,
        connect_timeout_ms: int = 2000,
        client_name: str = "creditgate",
        ssl_context: ssl.SSLContext | None = None,
    ) -> Connecting:
        """A gate to `redis_url` (default: REDIS_URL, else loopback): await it, or `async with` it.

        Accounts that are not in Redis are loaded from PostgreSQL at `database_url` (default:
        PG_URL; "": none), which is first connected to when one is missing, or by `loader`, which
        wins. A call that meets such an account may take `load_timeout_ms` longer, for a ledger that
        is behind; then, or where PostgreSQL is away, it raises Unavailable with reason `loading`.
        An organization that PostgreSQL does not know is NotLoaded. Without either, NotLoaded comes
        back, and a reconciler is asked to load the account.

        `partitions` counts for a Redis that holds no accounts yet. `in_flight_max` is for each
        connection, `deadline_ms` for each call. Raises BadArgument, Unavailable, ContractError.
        """
        if type(partitions) is not int or partitions not in PARTITIONS_ALLOWED:
            raise BadArgument("partitions", partitions, "a power of two up to 64")
        check_whole("connections", connections, 1, CONNECTIONS_MAX)
        check_whole("in_flight_max", in_flight_max, 1, IN_FLIGHT_MAX)
        check_whole("deadline_ms", deadline_ms, 1, TIMEOUT_MS_MAX)
        check_whole("connect_timeout_ms", connect_timeout_ms, 1, TIMEOUT_MS_MAX)
        check_whole("load_timeout_ms", load_timeout_ms, 1, TIMEOUT_MS_MAX)
        check_id("client_name", client_name)
        if loader is not None and not callable(loader):
            raise BadArgument("loader", loader, "None or a coroutine function")
        if redis_url is None:
            redis_url = os.environ.get("REDIS_URL") or DEFAULT_REDIS_URL
        elif type(redis_url) is not str:
            raise BadArgument("redis_url", "…", "None or text")
        url = redis_url
        loader_url = _database_url(database_url)
        make_loader = _database_loader() if loader_url and loader is None else None

        async def open_gate() -> Gate:
            transport = await Transport.connect(
                url,
                [command.script for command in COMMANDS],
                connections=connections,
                in_flight_max=in_flight_max,
                deadline_ms=deadline_ms,
                connect_timeout_ms=connect_timeout_ms,
                client_name=client_name,
                ssl_context=ssl_context,
            )
            try:
                meta = await read_meta(transport, partitions)
            except BaseException:
                await transport.aclose()
                raise
            caller = Caller(transport, meta)
            if make_loader is None:
                return cls(caller, loader)
            database_loader = make_loader(
                caller, loader_url, timeout_ms=load_timeout_ms, client_name=client_name
            )
            return cls(caller, database_loader=database_loader)

        return Connecting(open_gate)

    @property
    def caller(self) -> Caller:
        """The verbs below this class, for tools that need the others too."""
        return self._caller

    async def aclose(self) -> None:
        """Refuses new calls, waits for those in flight, closes. Loads under way end."""
        if self._loading is not None:
            await self._loading.aclose()
        if self._database_loader is not None:
            await self._database_loader.aclose()
        await self._caller.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # -- holds

    async def reserve(
        self,
        organization_id: str,
        credits: int = 1,
        *,
        hold_id: str | None = None,
        ttl_ms: int = 300_000,
        min_credits: int | None = None,
        cost: int | None = None,
        reference: str | None = None,
        sends: Sequence[Send] | None = None,
    ) -> ReserveOutcome:
        """Sets `credits` aside for `ttl_ms` (1 s to 7 days), all or nothing; with `min_credits`, as
        many as fit.

        `cost`: rate tokens, default as many as credits are granted, 0 none. Without `hold_id` one
        is made, and the hold is released if this call is cancelled.
        """
        check_whole("credits", credits, 1, CREDITS_MAX)
        check_whole("ttl_ms", ttl_ms, TTL_MS_MIN, TTL_MS_MAX)
        own_id = hold_id is None
        if hold_id is None:
            hold_id = new_id("hld")
        else:
            check_id("hold_id", hold_id)
        arguments: tuple[Argument, ...] = (hold_id, credits, ttl_ms)
        simple = min_credits is None and cost is None and reference is None and sends is None
        if not simple:
            if min_credits is not None:
                check_whole("min_credits", min_credits, 1, credits)
            arguments += (
                min_credits or 0,
                _cost(cost, credits),
                check_text("reference", reference),
            )
            arguments += (pack_sends(sends),)
        else:
            _cost(None, credits)
        try:
            return await self._call(reserve, organization_id, hold_id, arguments)
        except CancelledError:
            if own_id:
                self._abandon(organization_id, hold_id)
            raise

    async def extend(
        self,
        hold: Reserved | HoldRef,
        *,
        to_credits: int | None = None,
        ttl_ms: int | None = None,
    ) -> ExtendOutcome:
        """The hold shall have at least `to_credits`, and live at least `ttl_ms` from now."""
        if to_credits is None and ttl_ms is None:
            raise BadArgument("to_credits", None, "to_credits, ttl_ms or both")
        if to_credits is not None:
            check_whole("to_credits", to_credits, 1, CREDITS_MAX)
        if ttl_ms is not None:
            check_whole("ttl_ms", ttl_ms, TTL_MS_MIN, TTL_MS_MAX)
        _check_hold(hold)
        arguments = (hold.hold_id, to_credits or 0, ttl_ms or 0)
        return await self._call(extend, hold.organization_id, hold.hold_id, arguments)

    async def commit(
        self,
        hold: Reserved | HoldRef,
        credits: int | None = None,
        *,
        final: bool = True,
        part: int | None = None,
        sends: Sequence[Send] | None = None,
    ) -> CommitOutcome:
        """Settles a hold for `credits` (None: all of it); never refused for lack of credits.

        Less returns the rest; up to max(held, 1,000) more is charged as well. `final=False` settles
        part 1, 2, … and keeps the hold open with the rest.
        """
        _check_hold(hold)
        if credits is not None:
            check_whole("credits", credits, 0, CREDITS_MAX)
        check_whole("hold.credits", hold.credits, 0, CREDITS_MAX)
        arguments: tuple[Argument, ...]
        arguments = (hold.hold_id, -1 if credits is None else credits, hold.credits)
        if final is not True or part is not None or sends is not None:
            if type(final) is not bool:
                raise BadArgument("final", final, "True or False")
            if not final and (credits is None or part is None):
                missing = "credits" if credits is None else "part"
                raise BadArgument(missing, None, "needed for a part that is not final")
            if part is not None:
                check_whole("part", part, 1, COST_MAX)
            arguments += (int(final), part or 0, "", pack_sends(sends))
        return await self._call(commit, hold.organization_id, hold.hold_id, arguments)

    async def release(
        self,
        hold: Reserved | HoldRef,
        *,
        reason: str | None = None,
        sends: Sequence[Send] | None = None,
    ) -> ReleaseOutcome:
        """Settles a hold for nothing. A release that overtakes its reserve closes the id."""
        _check_hold(hold)
        arguments: tuple[Argument, ...] = (hold.hold_id,)
        if reason is not None or sends is not None:
            arguments += (check_text("reason", reason), pack_sends(sends))
        return await self._call(release, hold.organization_id, hold.hold_id, arguments)

    def hold(
        self,
        organization_id: str,
        credits: int = 1,
        *,
        hold_id: str | None = None,
        ttl_ms: int = 300_000,
        min_credits: int | None = None,
        cost: int | None = None,
        reference: str | None = None,
    ) -> Hold:
        """A hold as a context: raises Denied, else commits at the end, or releases on an error."""
        own_id = hold_id is None
        id = new_id("hld") if hold_id is None else hold_id
        return Hold(
            self,
            reserve=lambda: self.reserve(
                organization_id,
                credits,
                hold_id=id,
                ttl_ms=ttl_ms,
                min_credits=min_credits,
                cost=cost,
                reference=reference,
            ),
            abandon=(lambda: self._abandon(organization_id, id)) if own_id else None,
        )

    # -- without a hold

    async def spend(
        self,
        organization_id: str,
        credits: int = 1,
        *,
        spend_id: str | None = None,
        cost: int | None = None,
        reference: str | None = None,
        sends: Sequence[Send] | None = None,
    ) -> SpendOutcome:
        """Reserve and commit in one call; remembered for ten minutes. 0 credits are allowed."""
        check_whole("credits", credits, 0, CREDITS_MAX)
        if spend_id is None:
            spend_id = new_id("hld")
        else:
            check_id("spend_id", spend_id)
        arguments: tuple[Argument, ...] = (spend_id, credits)
        if cost is not None or reference is not None or sends is not None:
            arguments += (_cost(cost, credits), check_text("reference", reference))
            arguments += (pack_sends(sends),)
        else:
            _cost(None, credits)
        return await self._call(spend, organization_id, spend_id, arguments)

    async def record(self, organization_id: str, sends: Sequence[Send]) -> RecordOutcome:
        """Journals sends that cost nothing: skips, denials, dry runs, later bounces."""
        packed = pack_sends(sends)
        if not packed:
            raise BadArgument("sends", sends, "at least one Send")
        return await self._call(record, organization_id, "", (packed,))

    async def pace(self, organization_id: str, cost: int = 1) -> PaceOutcome:
        """Takes rate tokens only, to draw from a large hold. Asked twice, it takes twice."""
        check_whole("cost", cost, 1, COST_MAX)
        return await self._call(pace, organization_id, "", (cost,))

    async def peek(self, organization_id: str, credits: int = 1) -> PeekOutcome:
        """The account as it is now, and whether `credits` would be admitted. Writes nothing."""
        check_whole("credits", credits, 1, CREDITS_MAX)
        return await self._call(peek, organization_id, "", (credits,))

    async def load(self, state: AccountState) -> LoadOutcome:
        """Puts an account into Redis if it is not there."""
        if not isinstance(state, AccountState):
            raise BadArgument("state", state, "an AccountState")
        return await self._caller.call(load, state.organization_id, "", (pack_account(state),))

    # -- inside

    async def _call(
        self,
        command: Command[Answer],
        organization_id: str,
        id: str,
        arguments: tuple[Argument, ...],
    ) -> Answer:
        answer = await self._caller.call(command, organization_id, id, arguments)
        if type(answer) is not NotLoaded:
            return answer
        if self._loading is None:
            self._want(organization_id)
            return answer
        if not await self._loading.load(organization_id):
            return answer
        return await self._caller.call(command, organization_id, id, arguments)

    def _want(self, organization_id: str) -> None:
        """Asks a reconciler to load an account, once in a second at most. Not awaited."""
        now = monotonic()
        if now - self._wanted_since >= 1:
            self._wanted_since = now
            self._wanted.clear()
        if organization_id not in self._wanted and len(self._wanted) < WANTED_MAX:
            self._wanted.add(organization_id)
            want(self._caller.transport, self._caller.meta.tag(organization_id), organization_id)

    def _abandon(self, organization_id: str, hold_id: str) -> None:
        """Releases what a cancelled reserve may have opened under an id that nobody else knows.

        Not awaited; where the release comes before its reserve, that opens nothing.
        """
        keys = release.select_keys(self._caller.keys_of(organization_id))
        arguments: tuple[Argument, ...] = (*keys, hold_id, "abandoned")
        self._caller.transport.call(release.script, arguments, release.key_count)


def _check_hold(hold: Reserved | HoldRef) -> None:
    if not isinstance(hold, (Reserved, HoldRef)):
        raise BadArgument("hold", hold, "a Reserved or a HoldRef")
    check_id("hold.hold_id", hold.hold_id)


def _cost(cost: int | None, credits: int) -> int:
    if cost is not None:
        return check_whole("cost", cost, 0, COST_MAX)
    if credits > COST_MAX:
        raise BadArgument("cost", cost, f"0 to {COST_MAX:,}, given when credits are more than that")
    return -1


def _database_url(url: object) -> str:
    """Where accounts are loaded from; empty: nowhere. Never shown: it may bear a password."""
    if url is None:
        url = os.environ.get("PG_URL", "")
    if type(url) is str and (not url or url.startswith(("postgresql://", "postgres://"))):
        return url
    allowed = (
        "postgresql://…, None for PG_URL, which begins like that too, or an empty text for none"
    )
    raise BadArgument("database_url", "…", allowed)


def _database_loader() -> type[DatabaseLoader]:
    """What only a gate that loads from PostgreSQL needs, an extra among it."""
    try:
        from gate.client.database_loader import DatabaseLoader
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise ContractError(
            "asyncpg is missing, by which accounts are loaded from PostgreSQL (database_url or "
            "PG_URL): pip install 'creditgate[ledger]', or give database_url=\"\""
        ) from error
    return DatabaseLoader


class Connecting:
    """A gate on its way: `await` it for a gate to close yourself, or use it in `async with`."""

    def __init__(self, open_gate: Callable[[], Any]) -> None:
        self._open_gate = open_gate
        self._gate: Gate | None = None

    def __await__(self) -> Generator[Any, None, Gate]:
        gate: Generator[Any, None, Gate] = self._open_gate().__await__()
        return gate

    async def __aenter__(self) -> Gate:
        self._gate = await self
        return self._gate

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._gate is not None:
            await self._gate.aclose()
