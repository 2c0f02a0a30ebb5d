"""Whether a live account is what is booked of it. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from gate.domain.limits import NEVER_MS
from reconciler.image import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.live_account import LiveAccount
    from reconciler.image import GrantKey, Image

Side: TypeAlias = "dict[str, object]"

#: Bear the same name on both sides.
_FIELDS: Final = (
    "period_no",
    "posted",
    "overage",
    "debt",
    "used",
    "status",
    "frozen_reason",
)
_NEVER: Final = NEVER_MS // DAY_MS
_FIRST_DAY: Final = date(1970, 1, 1)


class Difference(NamedTuple):
    """How a live account differs from what is booked of it.

    `drift`: at equal (epoch, seq); `behind`: the live one is older than what is booked. `live` and
    `booked` have epoch, seq and posted, and what else differs; `counted` in them is posted as
    grants, overage and debt add up to. `credits`: live − booked posted.
    """

    kind: Literal["drift", "behind"]
    live: Side
    booked: Side
    credits: int


def difference(image: Image, live: LiveAccount) -> Difference | None:
    """How `live` differs from `image`; None if it does not, or is ahead, which is not booked yet.

    The image has to be read first: a live account that is behind it is then one that went back.
    """
    live_at, booked_at = (live.epoch, live.seq), (image.epoch, image.seq)
    if live_at > booked_at:
        return None
    live_grants, booked_grants = _live_grants(live), image.grants
    ours: Side = {name: getattr(live, name) for name in _FIELDS}
    theirs: Side = {name: getattr(image, name) for name in _FIELDS}
    ours["config_version"] = live.config_version
    theirs["config_version"] = image.terms.config_version
    # An editor may have forgotten that the account keeps posted beside what it follows from.
    ours["counted"] = sum(live_grants.values()) - live.overage - live.debt
    theirs["counted"] = image.posted
    for key in live_grants.keys() | booked_grants.keys():
        left, booked_left = live_grants[key], booked_grants.get(key, (0, 0))[0]
        if left != booked_left:
            name = _grant_name(key)
            ours[name], theirs[name] = left, booked_left
    if live_at == booked_at and ours == theirs:
        return None
    differing = sorted(name for name in ours if ours[name] != theirs[name])
    return Difference(
        "drift" if live_at == booked_at else "behind",
        _side(live.epoch, live.seq, live.posted, ours, differing),
        _side(image.epoch, image.seq, image.posted, theirs, differing),
        live.posted - image.posted,
    )


def _live_grants(live: LiveAccount) -> Counter[GrantKey]:
    """Credits left by kind and day of expiry, as the image has them."""
    grants: Counter[GrantKey] = Counter()
    for grant in live.grants:
        grants[grant.kind, grant.expires_at_ms // DAY_MS] += grant.left
    return grants


def _grant_name(key: GrantKey) -> str:
    kind, day = key
    if day == _NEVER:
        return kind
    try:
        return f"{kind} until {_FIRST_DAY + timedelta(days=day)}"
    except OverflowError:  # no expiry that the gate gave
        return f"{kind} until day {day}"


def _side(
    epoch: int, seq: int, posted: int, values: Mapping[str, object], differing: list[str]
) -> Side:
    of_difference = {name: values[name] for name in differing}
    return {"epoch": epoch, "seq": seq, "posted": posted} | of_difference
