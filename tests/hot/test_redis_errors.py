"""What the texts of error replies become; the texts are those of Redis 7.0 and 8.2."""

from __future__ import annotations

import pytest

from gate.domain.errors import BadArgument, ContractError, Unavailable
from gate.hot.redis_errors import ErrorReply, error_from

PLACE = " script: 2428ad88f6581ba890372ff764ef4b980d656da1, on @user_script:2."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "backlog"),
        ("LOADING Redis is loading the dataset in memory", "loading"),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL.", "busy"),
        ("READONLY You can't write against a read only replica.", "read_only"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is no.", "read_only"),
        ("NOREPLICAS Not enough good replicas to write.", "read_only"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "read_only"),
        ("CLUSTERDOWN The cluster is down", "clusterdown"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "clusterdown"),
        ("ERR max number of clients reached", "busy"),
        (f"ERR Error running script: Script killed by user with SCRIPT KILL...{PLACE}", "busy"),
    ],
)
def test_did_not_run__is_unavailable(text: str, reason: str) -> None:
    error = error_from(ErrorReply(text), "reserve")
    assert isinstance(error, Unavailable)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("MOVED 3999 127.0.0.1:6381", "Cluster client"),
        ("ASK 3999 127.0.0.1:6381", "Cluster client"),
        ("NOAUTH Authentication required.", "password"),
        ("NOPERM No permissions to access a key", "ACL"),
        (f"ERR ACL failure in script: No permissions to access a key{PLACE}", "ACL"),
        (
            "ERR The user executing the script can't run this command or subcommand" + PLACE,
            "ACL",
        ),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value" + PLACE,
            "foreign value",
        ),
        ("GATE_LAYOUT account 9", "layout"),
        (f"ERR user_script:2: attempt to index local 'x' (a nil value){PLACE}", "nil value"),
        # In the middle of a script, after lines that may have written.
        (f"OOM command not allowed when used memory > 'maxmemory'.{PLACE}", "OOM"),
    ],
)
def test_fault__is_a_contract_error_that_names_the_script(text: str, says: str) -> None:
    reply = ErrorReply(text)
    error = error_from(reply, "reserve")
    assert isinstance(error, ContractError)
    assert says in str(error)
    assert "reserve" in str(error)
    assert error.__cause__ is reply


@pytest.mark.parametrize(
    "text",
    [
        "GATE_BADARG credits 1 to 10",
        f"GATE_BADARG credits 1 to 10{PLACE}",
        f"ERR GATE_BADARG credits 1 to 10{PLACE}",
        f"ERR user_script:2: GATE_BADARG credits 1 to 10{PLACE}",
    ],
)
def test_bad_argument__however_the_script_raised_it(text: str) -> None:
    error = error_from(ErrorReply(text), "reserve")
    assert isinstance(error, BadArgument)
    assert (error.field, error.allowed) == ("credits", "1 to 10")
