"""Runs verbs on organizations: finds the keys, sends the script, reads the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gate.domain.errors import OutcomeUnknown
from gate.domain.limits import check_id
from gate.hot.calls import AnswerLost
from gate.hot.keys import OrganizationKeys, organization_keys

if TYPE_CHECKING:
    from gate.hot.calls import Argument
    from gate.hot.command import Command
    from gate.hot.meta import Meta
    from gate.hot.transport import Transport

Answer = TypeVar("Answer")

#: Organizations whose keys are kept made; beyond, all are forgotten and made anew.
_KEYS_KEPT = 65_536


class Caller:
    """All verbs over one transport. `meta` says where organizations live."""

    def __init__(self, transport: Transport, meta: Meta) -> None:
        self.transport = transport
        self.meta = meta
        self._keys: dict[str, OrganizationKeys] = {}

    def keys_of(self, organization_id: str) -> OrganizationKeys:
        """The keys of an organization. Raises BadArgument for an id that is none."""
        keys = self._keys.get(organization_id) if type(organization_id) is str else None
        if keys is None:
            check_id("organization_id", organization_id)
            keys = organization_keys(organization_id, self.meta.tag(organization_id))
            if len(self._keys) >= _KEYS_KEPT:
                self._keys.clear()
            self._keys[organization_id] = keys
        return keys

    async def call(
        self,
        command: Command[Answer],
        organization_id: str,
        id: str,
        arguments: tuple[Argument, ...],
    ) -> Answer:
        """Runs one verb. `id` is the one that the answer bears, empty for a verb that has none.

        Raises OutcomeUnknown if it may have run and no answer came, and Unavailable, ContractError
        or BadArgument if it did not run.
        """
        keys = command.select_keys(self.keys_of(organization_id))
        try:
            reply: list[Any] = await self.transport.call(
                command.script, keys + arguments, command.key_count
            )
        except AnswerLost as error:
            raise OutcomeUnknown(organization_id, id or None, str(error)) from error
        return command.read(organization_id, id, reply)
