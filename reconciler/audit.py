"""What is held is counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import asdict

from gate.hot.commands import audit as audit_verb
from gate.hot.commands.audit import Audited
from reconciler.answers import answers_of, count_each
from reconciler.live_page import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.keys import OrganizationKeys
    from gate.hot.live_account import LiveAccount
    from reconciler.context import Context


class Recount(NamedTuple):
    """How many accounts were audited, and of how many the books were other than what is held."""

    audited: int = 0
    corrected: int = 0


async def audit_held(
    context: Context, live: Mapping[str, LiveAccount], keys: Mapping[str, OrganizationKeys]
) -> Recount:
    """Counts anew what is held, where the account or a record of a hold says that anything is."""
    seem_idle = [name for name, one in live.items() if not one.held and not one.open_holds]
    busy = [name for name in live if live[name].held or live[name].open_holds]
    counts = await count_each(context, "ZCARD", {name: keys[name].holds for name in seem_idle})
    busy += [name for name in seem_idle if counts[name]]
    done = Recount()
    for begin in range(0, len(busy), AT_ONCE):
        some = busy[begin : begin + AT_ONCE]
        calls = [context.caller.call(audit_verb, name, "", ()) for name in some]
        for name, answer in zip(some, await answers_of(calls), strict=True):
            if isinstance(answer, Audited):
                before = answer.held_before, answer.open_holds_before
                is_other = before != (answer.held, answer.open_holds)
                done = done._replace(audited=done.audited + 1, corrected=done.corrected + is_other)
                if is_other:
                    context.log.warning("held corrected", **asdict(answer))
            elif isinstance(answer, Exception):
                context.log.error("cannot audit", organization_id=name, reason=str(answer))
        if context.stop.is_set():
            break
    return done
