"""The judges of a storm see what is wrong: they are told false things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.torture.aof import lost_entries, read_commands
from tests.torture.books import Books, Entry
from tests.torture.checks import Diaries, Missing, wrong_settlements
from tests.torture.losses import Loss, Settlement

if TYPE_CHECKING:
    from collections.abc import Callable

SPENT = Settlement("org_a", "eml_1", 0)


def entry(number: int, **other: Any) -> Entry:
    """The entry that books SPENT, or another one."""
    plain = Entry(
        organization_id="org_a",
        entry_no=number,
        entry_type="email_sent",
        delta=-5,
        balance_after=0,
        epoch=1,
        seq=number,
        delta_kind="spent",
        settlement_id="eml_1",
        part=0,
        operation_id=None,
        reference_id=None,
        period_no=1,
        split={},
        late=False,
        repeated=False,
    )
    return plain._replace(**other)


def reversal(number: int, of: str, credits: int = 5) -> Entry:
    return entry(
        number,
        entry_type="refund",
        delta=credits,
        settlement_id=None,
        part=None,
        operation_id=f"rev_{number}",
        reference_id=of,
    )


RIGHT = {
    "booked": [entry(1)],
    "booked twice and given back": [entry(1), entry(2), reversal(3, "settlement:0:eml_1")],
    "given back twice, once wrongly": [
        *(entry(1), entry(2), reversal(3, "settlement:0:eml_1")),
        *(reversal(4, "settlement:0:eml_1"), reversal(5, "operation:rev_4", -5)),
    ],
}
WRONG: dict[str, Callable[[], list[Entry]]] = {
    "is not booked": list,
    "stands 2 times": lambda: [entry(1), entry(2)],
    "4 credits are booked": lambda: [entry(1, delta=-4)],
    "nobody asked": lambda: [entry(1), entry(2, settlement_id="eml_2")],
    "acknowledged at": lambda: [entry(1), reversal(2, "settlement:0:eml_1")],
}


def judged(entries: list[Entry], *losses: Loss) -> tuple[list[str], list[Missing]]:
    diaries = Diaries(asked={SPENT: 5}, acknowledged={SPENT: 100.0})
    lost: list[Missing] = []
    return list(wrong_settlements(Books(entries), diaries, losses, lost)), lost


@pytest.mark.parametrize("case", RIGHT)
def test_right(case: str) -> None:
    assert judged(RIGHT[case]) == ([], [])


@pytest.mark.parametrize("case", WRONG)
def test_wrong(case: str) -> None:
    (wrong,), lost = judged(WRONG[case]())
    assert case in wrong
    assert not lost


def test_missing__needs_a_fault_that_took_just_that_just_then() -> None:
    taken = Loss("flush", since=0, until=101.0, settlements={SPENT})
    assert judged([], taken) == ([], [Missing("flush", SPENT, 100.0)])
    for other in (
        Loss("flush", since=0, until=101.0, settlements=set()),
        Loss("flush", since=0, until=90.0, settlements={SPENT}),
        Loss("kill_redis", since=101.0, until=102.0),
    ):
        wrongs, lost = judged([], other)
        assert wrongs, other
        assert not lost, other


def test_cut_file__loses_what_does_not_stand_in_it_as_a_whole() -> None:
    def command(*words: bytes) -> bytes:
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        return b"*%d\r\n" % len(parts) + b"".join(parts)

    add = [
        command(b"XADD", b"journal", b"%d-0" % number, b"o", b"x%d" % number) for number in (1, 2)
    ]
    data = b"#TS:1\r\n" + add[0] + command(b"MULTI") + add[1] + command(b"EXEC")
    commands = list(read_commands(data))
    assert [one.words[0] for one in commands] == [b"XADD", b"MULTI", b"XADD", b"EXEC"]
    assert lost_entries(commands, len(data)) == []
    for cut_at in (len(data) - 1, commands[2].end, commands[1].begin):
        assert lost_entries(commands, cut_at) == [(b"o", b"x2")]
    assert lost_entries(commands, commands[0].end - 1) == [(b"o", b"x1"), (b"o", b"x2")]
    assert list(read_commands(data[: commands[2].end - 1])) == commands[:2]
