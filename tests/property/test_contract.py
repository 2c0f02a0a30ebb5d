"""Random calls: Redis and the contract in plain Python say and leave the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.property.play import Step, play
from tests.property.profile import profile
from tests.property.strategies import STEPS, UNTIL, accounts

if TYPE_CHECKING:
    from tests.oracle import Account
    from tests.support.lua import Verbs


@profile(350)
@given(account=accounts(), steps=st.lists(STEPS, min_size=10, max_size=60))
def test_i1_i2_i3_i4_i5_i7_i9_i10_random_verbs_agree_with_the_oracle(
    verbs: Verbs, account: Account, steps: list[Step]
) -> None:
    play(verbs, account, steps)


@profile(60)
@given(account=accounts(), steps=st.lists(st.one_of(UNTIL, STEPS), min_size=10, max_size=60))
def test_i9_i10_more_time_than_calls(verbs: Verbs, account: Account, steps: list[Step]) -> None:
    play(verbs, account, steps)
