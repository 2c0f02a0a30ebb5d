"""One thing that was looked at, and what is to be done about it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

#: ok: as it should be; warn: works, and may hurt one day; fail: does not work, or loses data.
State: TypeAlias = Literal["ok", "warn", "fail"]
Server: TypeAlias = Literal["Redis", "PostgreSQL", "clocks", "booking"]


class Check(NamedTuple):
    """`said`: what is; `to_do`: what to do about it, empty if all is well."""

    server: Server
    name: str
    state: State
    said: str
    to_do: str = ""
