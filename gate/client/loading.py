"""Loads accounts that are not in Redis: one load of an organization at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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
        """Whether the account is in Redis now. Raises what the loader raises."""
        task = self._under_way.get(organization_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(organization_id))
            self._under_way[organization_id] = task
            task.add_done_callback(lambda _: self._under_way.pop(organization_id, None))
        return await asyncio.shield(task)

    async def _load(self, organization_id: str) -> bool:
        state = await self._loader(organization_id)
        if state is None:
            return False
        await self._caller.call(load, organization_id, "", (pack_account(state),))
        return True
