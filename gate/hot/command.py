"""A verb's binding: which keys, which arguments, which answers, and how an answer is read.

One module of `gate.hot.commands` per Lua file holds one Command; `tests/contract` holds it against
the file's header and body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Any, Generic, TypeVar

from gate.domain.errors import ContractError
from gate.hot.keys import OrganizationKeys
from gate.hot.script import Script, load_script

Answer = TypeVar("Answer", covariant=True)

#: Makes an outcome of: organization_id, the id of the call, and the reply behind its tag.
Reader = Callable[[str, str, list[Any]], Any]


class Command(Generic[Answer]):
    """`keys` names what it takes of OrganizationKeys; `arguments` is a NamedTuple whose fields are
    ARGV in order, those with a default may be left out from the end; `answers`: tag to reader."""

    def __init__(
        self,
        name: str,
        keys: tuple[str, ...],
        arguments: type[tuple[Any, ...]],
        answers: Mapping[str, Reader],
    ) -> None:
        self.name = name
        self.keys = keys
        self.arguments = arguments
        self.answers = answers
        self.key_count = len(keys)
        self._readers = {tag.encode(): reader for tag, reader in answers.items()}
        positions = [OrganizationKeys._fields.index(key) for key in keys]
        self.select_keys: Callable[[OrganizationKeys], tuple[bytes, ...]]
        #: The keys that the script takes, in order.
        self.select_keys = itemgetter(*positions) if len(positions) > 1 else itemgetter(slice(0, 1))

    @cached_property
    def script(self) -> Script:
        """The Lua script, read from lua/ at first use."""
        return load_script(self.name)

    def read(self, organization_id: str, id: str, reply: list[Any]) -> Answer:
        """The outcome that a reply says. Raises ContractError for one outside the contract."""
        try:
            answer: Answer = self._readers[reply[0]](organization_id, id, reply)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ContractError(f"{self.name}: unknown answer {reply!r}") from error
        return answer
