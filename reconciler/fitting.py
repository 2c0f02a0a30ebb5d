"""Brings the grants of an image to what an account can have, as its load did. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gate.domain.limits import instant_ms, ms_instant
from gate.ledger.accounts import CreditsLeft, fit_grants
from reconciler.image import DAY_MS

if TYPE_CHECKING:
    from gate.domain.accounts import GrantKind
    from reconciler.image import Image


def fit(image: Image) -> None:
    """Grants below 0 are taken from others, more than 16 are merged; posted stays what it is."""
    grants, owed = fit_grants(
        CreditsLeft(kind=cast("GrantKind", kind), credits=left, expires_at=ms_instant(expires_at))
        for (kind, _), (left, expires_at) in image.grants.items()
    )
    image.debt += owed
    image.moved |= image.grants.keys()
    image.grants = {key: (0, expires_at_ms) for key, (_, expires_at_ms) in image.grants.items()}
    for grant in grants:
        expires_at_ms = instant_ms("expires_at", grant.expires_at)
        key = grant.kind, expires_at_ms // DAY_MS
        image.grants[key] = (grant.credits, expires_at_ms)
        image.moved.add(key)
