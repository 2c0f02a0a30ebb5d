"""The verbs, one module each: the mirror of the Lua files."""

from __future__ import annotations

from typing import Any

from gate.hot.command import Command
from gate.hot.commands.apply import apply
from gate.hot.commands.audit import audit
from gate.hot.commands.commit import commit
from gate.hot.commands.expire import expire
from gate.hot.commands.extend import extend
from gate.hot.commands.load import load
from gate.hot.commands.pace import pace
from gate.hot.commands.peek import peek
from gate.hot.commands.record import record
from gate.hot.commands.release import release
from gate.hot.commands.reserve import reserve
from gate.hot.commands.retire import retire
from gate.hot.commands.spend import spend
from gate.hot.commands.touch import touch

COMMANDS: tuple[Command[Any], ...] = (
    reserve,
    extend,
    commit,
    release,
    spend,
    record,
    pace,
    peek,
    apply,
    load,
    touch,
    expire,
    audit,
    retire,
)

__all__ = [
    "COMMANDS",
    "apply",
    "audit",
    "commit",
    "expire",
    "extend",
    "load",
    "pace",
    "peek",
    "record",
    "release",
    "reserve",
    "retire",
    "spend",
    "touch",
]
