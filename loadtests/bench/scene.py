"""Organizations of the same shape, a set for each side: the verb, its floor script, the base."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from hiredis import pack_command

from gate.hot.commands import load
from gate.hot.keys import OrganizationKeys, organization_keys, partition_of, tag_of
from gate.hot.layout import pack_account
from loadtests.bench.accounts import account, organization
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from gate.hot.script import Script
    from loadtests.bench.wire import Wire

GENERATION_S = 600
_LENGTH = len(organization(0))
_JOURNAL_LEFT = 1000
_numbers = itertools.count()


def generation() -> int:
    """The generation of settled ids that is written now."""
    return int(time.time()) // GENERATION_S


def new_ids(count: int) -> list[str]:
    """Ids as `gate.new_id("hld")` makes them, but for the randomness."""
    now = int(time.time() * 1000)
    return [f"hld_{now:011x}{next(_numbers):014x}" for _ in range(count)]


class Scene(NamedTuple):
    """`organizations` accounts a side; each remembers `remembered` ids in either generation."""

    name: str
    organizations: int
    remembered: int


BUSY: Final = Scene("64 organizations that remember 2,000 ids each", 64, 1000)
MANY: Final = Scene("2,000 organizations that remember 20 ids each", 2000, 10)


class Side:
    """The organizations of one side. `calls` makes a slice for them."""

    def __init__(self, wire: Wire, scene: Scene, prefix: str, **terms: int) -> None:
        self._keys: list[OrganizationKeys] = []
        newest = generation()
        record = b"\x11\x01\x00\x00\x00"
        packed: list[bytes] = []
        for number in range(scene.organizations):
            organization_id = organization(number, prefix)
            assert len(organization_id) == _LENGTH
            tag = tag_of(partition_of(organization_id, PARTITIONS), PARTITIONS)
            keys = organization_keys(organization_id, tag)
            self._keys.append(keys)
            for which in (newest, newest - 1):
                key = keys.settled_odd if which % 2 else keys.settled_even
                pairs = [word for id in new_ids(scene.remembered) for word in (id, record)]
                packed.append(pack_command(("HSET", key, "", which, *pairs)))  # type: ignore[arg-type]
            state = account(organization_id, credits=3 * 10**8, **terms)
            words = ("EVAL", load.script.source, load.key_count, *load.select_keys(keys))
            packed.append(pack_command((*words, pack_account(state))))  # type: ignore[arg-type]
        wire.run(packed)

    def calls(
        self,
        script: Script,
        key_names: tuple[str, ...],
        arguments: list[tuple[str | int, ...]],
    ) -> list[bytes]:
        """One call of `script` for each of `arguments`, over the organizations in turn."""
        selected = [tuple(getattr(keys, name) for name in key_names) for keys in self._keys]
        count = len(key_names)
        return [
            pack_command(("EVALSHA", script.sha, count, *keys, *words))
            for keys, words in zip(itertools.cycle(selected), arguments, strict=False)
        ]

    def trim(self, wire: Wire) -> None:
        """Shortens the journals, as the reconciler would."""
        journals = {keys.journal for keys in self._keys}
        for journal in journals:
            wire.call("XTRIM", journal, "MAXLEN", _JOURNAL_LEFT)
