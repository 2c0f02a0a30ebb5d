"""Error replies of Redis as the library's errors: the one place that reads their text.

Whether a script ran is the question. Redis refuses before the first line of a script that starts
with `#!lua`, and an error from within it carries the place (`script: <sha>, on @user_script:12.`).
"""

from __future__ import annotations

import re

from gate.domain.errors import BadArgument, ContractError, GateError, Unavailable

_PLACE = re.compile(r",? script: [0-9a-f]{40}, on @user_script:\d+\.?$")
_OWN = re.compile(r"(?:ERR )?(?:user_script:\d+: )?(GATE_\w+) ?(.*)", re.DOTALL)

#: First word of a refusal: reason of the Unavailable and a sentence. Nothing has run.
_REFUSALS = {
    "OOM": ("backlog", "Redis is at maxmemory and takes no new work"),
    "LOADING": ("loading", "Redis is loading its data"),
    "BUSY": ("busy", "a long script runs in Redis"),
    "READONLY": ("read_only", "this Redis is a replica and takes no writes"),
    "MASTERDOWN": ("read_only", "this Redis is a replica that has lost its primary"),
    "NOREPLICAS": ("read_only", "Redis takes no writes: too few replicas follow it"),
    "MISCONF": ("read_only", "Redis takes no writes: it cannot save to its disk"),
    "CLUSTERDOWN": ("clusterdown", "the Redis Cluster does not serve this slot"),
    "TRYAGAIN": ("clusterdown", "the Redis Cluster is moving this slot"),
}

#: First word of what a person must put right.
_FAULTS = {
    "MOVED": "this Redis is a node of a Cluster and needs a Cluster client",
    "ASK": "this Redis is a node of a Cluster and needs a Cluster client",
    "NOAUTH": "Redis asks for a password: put it into the URL",
    "WRONGPASS": "Redis refuses this user and password: correct the URL",
    "NOPERM": "the ACL of this user forbids it",
    "DENIED": "Redis refuses connections from other machines (protected mode)",
    "WRONGTYPE": "a foreign value stands under one of its keys",
}
_FORBIDDEN_IN_SCRIPT = ("ACL failure in script", "The user executing the script")


class ErrorReply(Exception):
    """An error as the server wrote it. `text` is the whole line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def error_from(reply: ErrorReply, name: str) -> GateError:
    """The library's error for `reply` to the script or command `name`; `reply` is its cause."""
    error = _translate(reply.text, name)
    error.__cause__ = reply
    return error


def _translate(text: str, name: str) -> GateError:
    plain = _PLACE.sub("", text)
    own = _OWN.match(plain)
    if own:
        return _raised_by_script(own[1], own[2], name)
    word, _, rest = plain.partition(" ")
    if word == "ERR" and rest.startswith("max number of clients"):
        return Unavailable("busy", "Redis has its maximum of clients")
    if "Script killed by user" in rest:  # which Redis does to scripts that have written nothing
        return Unavailable("busy", f"an operator ended {name} before it wrote")
    # A refusal in the middle of a script is not a refusal: lines before it may have written.
    if word in _REFUSALS and plain == text:
        reason, sentence = _REFUSALS[word]
        return Unavailable(reason, sentence)
    if word in _FAULTS:
        return ContractError(f"{name}: {_FAULTS[word]} [{text}]")
    if any(rest.startswith(start) for start in _FORBIDDEN_IN_SCRIPT):
        return ContractError(f"{name}: {_FAULTS['NOPERM']} [{text}]")
    return ContractError(f"{name}: Redis answered: {text}")


def _raised_by_script(word: str, rest: str, name: str) -> GateError:
    if word == "GATE_BADARG":
        field, _, allowed = rest.partition(" ")
        return BadArgument(field, "?", allowed)
    if word == "GATE_LAYOUT":
        return ContractError(f"{name}: data of a layout that this version does not know: {rest}")
    return ContractError(f"{name}: {word} {rest}")
