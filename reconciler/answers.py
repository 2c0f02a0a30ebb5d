"""What many commands to Redis answer, with those that fail for good told apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from gate.domain.errors import BadArgument, ContractError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from reconciler.context import Context


async def count_each(context: Context, command: str, keys: Mapping[str, bytes]) -> Counter[str]:
    """How many there are under each key. As most have none, one command asks whether any has; a
    foreign value under a key counts as none."""
    counts: Counter[str] = Counter()
    if keys and await context.transport.execute("EXISTS", *keys.values()):
        asking = [context.transport.execute(command, key) for key in keys.values()]
        for name, answer in zip(keys, await answers_of(asking), strict=True):
            if isinstance(answer, Exception):
                context.log.error("cannot count", organization_id=name, reason=str(answer))
            else:
                counts[name] = answer
    return counts


async def answers_of(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """What each call answers, or the failure of one that will not pass by itself."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(
            answer, (BadArgument, ContractError)
        ):
            raise answer
    return answers
