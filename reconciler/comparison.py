"""Whether a live account is what is booked of it. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from gate.domain.limits import NEVER_MS
from reconciler.image import DAY_MS

if TYPE_CHECKING:
    from gate.hot.live_account import LiveAccount
    from reconciler.image import GrantKey, Image

#: What PostgreSQL or Redis says of an account, by name.
Side: TypeAlias = "dict[str, object]"

#: Where an account stands; told with every difference.
_PLACE: Final = ("epoch", "seq", "posted")
#: Bear the same names in both stores.
_FIELDS: Final = (
    *_PLACE,
    "overage",
    "debt",
    "used",
    "period_no",
    "status",
    "frozen_reason",
)
_NEVER: Final = NEVER_MS // DAY_MS
_FIRST_DAY: Final = date(1970, 1, 1)


class Difference(NamedTuple):
    """How a live account differs from what is booked of it.

    `drift`: at equal (epoch, seq); `behind`: the live one is older than what is booked. `live` and
    `booked` have epoch, seq and posted, and what else differs. `credits`: live − booked, of posted
    or of what it follows from, whichever differs by more.
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
    ours, theirs = live_side(live), booked_side(image)
    names = differing(ours, theirs)
    if not names:
        return None
    told = [*_PLACE, *(name for name in names if name not in _PLACE)]
    return Difference(
        "drift" if live_at == booked_at else "behind",
        {name: ours.get(name, 0) for name in told},
        {name: theirs.get(name, 0) for name in told},
        max(live.posted, _counted(live), key=lambda posted: abs(posted - image.posted))
        - image.posted,
    )


def differing(live: Side, booked: Side) -> list[str]:
    """The names of what differs; a grant that one side lacks is 0 there."""
    names = dict.fromkeys((*live, *booked))
    return [name for name in names if live.get(name, 0) != booked.get(name, 0)]


def live_side(live: LiveAccount) -> Side:
    """What is compared of a live account. `counted` is posted as grants, overage and debt add up
    to: an editor may have forgotten that the account keeps posted beside what it follows from."""
    side: Side = {name: getattr(live, name) for name in _FIELDS}
    side["config_version"] = live.config_version
    side["counted"] = _counted(live)
    grants: dict[str, int] = {}
    for grant in live.grants:
        name = _grant_name((grant.kind, grant.expires_at_ms // DAY_MS))
        grants[name] = grants.get(name, 0) + grant.left
    return side | grants


def booked_side(image: Image) -> Side:
    """What is compared of what is booked."""
    side: Side = {name: getattr(image, name) for name in _FIELDS}
    side["config_version"] = image.terms.config_version
    side["counted"] = image.posted
    for key, (left, _) in image.grants.items():
        if left:
            side[_grant_name(key)] = left
    return side


def _counted(live: LiveAccount) -> int:
    return sum(grant.left for grant in live.grants) - live.overage - live.debt


@lru_cache(4096)
def _grant_name(key: GrantKey) -> str:
    kind, day = key
    if day == _NEVER:
        return kind
    try:
        return f"{kind} until {_FIRST_DAY + timedelta(days=day)}"
    except OverflowError:  # no expiry that the gate gave
        return f"{kind} until day {day}"
