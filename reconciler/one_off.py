"""Commands that do one thing and end: `rebuild` and `drift`."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Final

from reconciler.metrics import Metrics
from reconciler.startup import Once, connected_context

if TYPE_CHECKING:
    import argparse

    from reconciler.log import Log
    from reconciler.settings import Settings

_MODULES: Final = {"rebuild": "reconciler.rebuild", "drift": "reconciler.drift_command"}
_EXIT_INTERRUPTED: Final = 130


async def perform(
    args: argparse.Namespace, settings: Settings, log: Log, stop: asyncio.Event
) -> int:
    """Run `args.command` with a context of its own; its exit code. When `stop` is set it may end by
    itself for a while, and is cancelled then. Raises Unavailable, ContractError."""
    command = import_module(_MODULES[args.command])
    async with connected_context(
        settings,
        metrics=Metrics(),
        log=log,
        stop=stop,
        patience=Once(),
        migrate_first=False,
    ) as context:
        task: asyncio.Task[int] = asyncio.ensure_future(command.run(context, args))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not task.done():
            await asyncio.wait((task,), timeout=settings.stop_grace_s)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        return _EXIT_INTERRUPTED if task.cancelled() else await task
