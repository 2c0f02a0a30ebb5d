"""All that a reconciler does at the same time, each by its own pace."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from reconciler import drift, gauges
from reconciler.consumer import Consumer
from reconciler.operations import send_operations
from reconciler.reload import reload_partition
from reconciler.sweeps import expire_overdue, preload_periods, serve_wanted, touch_due
from reconciler.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.context import Context

Worker: TypeAlias = "tuple[str, Callable[[], Awaitable[None]]]"


def workers(context: Context) -> list[Worker]:
    """Names and coroutine functions. Each works until `context.stop` is set; to return earlier is a
    bug. One that fails with what passes by itself is started again."""
    workers: list[Worker] = [
        ("booking", Consumer(context).run),
        ("operations", partial(_every, context, 0.25, send_operations)),
        ("expiry", partial(_every, context, 0.25, expire_overdue)),
        ("time", partial(_every, context, 1.0, touch_due)),
        ("calendar", partial(_every, context, 10.0, preload_periods)),
        ("wanted", partial(_every, context, 0.02, serve_wanted)),
        ("gauges", partial(_every, context, 2.0, gauges.measure)),
        ("drift", partial(drift.run, context)),
    ]
    if not context.settings.dry_run:
        workers.append(("repair", partial(_every, context, 0.1, _repair)))
    return workers


async def _repair(context: Context) -> int:
    loaded = 0
    for partition in sorted(context.leases.owned):
        loaded += await reload_partition(context, partition)
    return loaded


async def _every(
    context: Context, seconds: float, work: Callable[[Context], Awaitable[int]]
) -> None:
    """Pass after pass, with a pause behind each that found nothing to do."""
    while not context.stop.is_set():
        done = await work(context) if context.leases.owned else 0
        await pause(context.stop, 0 if done else seconds)
