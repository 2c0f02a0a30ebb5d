"""Loads accounts that are not in Redis: one load of an organization at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gate.client.hold import ask_again
from gate.domain.accounts import AccountState
from gate.domain.errors import BadArgument, Unavailable
from gate.hot.commands import load
from gate.hot.layout import pack_account

if TYPE_CHECKING:
    from gate.client.loader import Loader
    from gate.hot.caller import Caller


class Loading:
    """Calls that meet the same absent account wait for one load together."""

    def __init__(self, caller: Caller, loader: Loader) -> None:
        self._caller = caller
        self._loader = loader
        self._under_way: dict[str, asyncio.Task[bool]] = {}

    async def load(self, organization_id: str) -> bool:
        """Whether the account is in Redis now. Raises what the loader raises, and Unavailable if
        the gate is closed meanwhile."""
        task = self._under_way.get(organization_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(organization_id))
            self._under_way[organization_id] = task
            task.add_done_callback(lambda task: self._ended(organization_id, task))
        await asyncio.wait((task,))
        if task.cancelled():
            raise Unavailable("closed", "the gate was closed")
        return task.result()

    async def aclose(self) -> None:
        """Ends the loads under way."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, organization_id: str, task: asyncio.Task[bool]) -> None:
        del self._under_way[organization_id]
        if not task.cancelled():
            task.exception()  # counts as looked at, if those who waited are all gone

    async def _load(self, organization_id: str) -> bool:
        state = await self._loader(organization_id)
        if state is None or state is True:
            return state is True
        if not isinstance(state, AccountState):
            raise BadArgument("loader", state, "a coroutine function to AccountState or None")
        if state.organization_id != organization_id:
            raise BadArgument("loader", state.organization_id, f"the account of {organization_id}")
        packed = pack_account(state)
        await ask_again(lambda: self._caller.call(load, organization_id, "", (packed,)))
        return True
