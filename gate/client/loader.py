"""Where an account that is not in Redis comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gate.domain.accounts import AccountState


class Loader(Protocol):
    """Finds accounts for a gate. One load of an organization at a time is asked of it."""

    async def __call__(self, organization_id: str) -> AccountState | Literal[True] | None:
        """The account as it is to be loaded, None for an organization that there is not, True if
        somebody else has put it into Redis meanwhile."""
        ...
