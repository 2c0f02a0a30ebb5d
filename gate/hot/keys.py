"""Where an organization's keys are: partition, hash tag, and every key format of the gate.

The layout is part of the exported contract (lua/README.md, section 1).
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import NamedTuple

META = "gate:meta"
EXCEPTIONS = "gate:exceptions"

PARTITIONS_MAX = 64

#: Hash tags: tag i lies in the slots 256 * i to 256 * i + 255 of Redis Cluster. Fixed for ever.
TAGS: tuple[str, ...] = tuple(
    "afj afb aga afs ady adq adh add aac aak aar aaz abj abb aca abs "
    "afk afc afz afr adx adp adi ada aab aaj aas anz abk abc abz abr "
    "afh afd afy afq aea ads adj adb aaa aai aap aax abh abd aby abq "
    "afi afa afx afp adz adr adk adc aad aah aaq aay abi aba abx abp".split()
)


class OrganizationKeys(NamedTuple):
    """The keys of one organization, in the order in which scripts take them as KEYS."""

    account: bytes
    journal: bytes
    holds: bytes
    details: bytes
    settled_even: bytes
    settled_odd: bytes
    due: bytes
    operations: bytes


def partition_of(organization_id: str, partitions: int) -> int:
    """CRC-16 (XMODEM, the one of Redis Cluster) of the id, modulo the number of partitions."""
    return crc_hqx(organization_id.encode(), 0) % partitions


def tag_of(partition: int, partitions: int) -> str:
    """The hash tag of a partition; fewer than 64 partitions take evenly spaced tags."""
    return TAGS[partition * PARTITIONS_MAX // partitions]


def journal_key(tag: str) -> bytes:
    """The stream of deltas of one partition."""
    return f"gate:{{{tag}}}:journal".encode()


def due_key(tag: str) -> bytes:
    """The partition's organizations by the earliest expiry of an open hold, ms since 1970."""
    return f"gate:{{{tag}}}:due".encode()


def wanted_key(tag: str) -> bytes:
    """The partition's organizations that senders without PostgreSQL found absent. No verb's key."""
    return f"gate:{{{tag}}}:wanted".encode()


def organization_keys(organization_id: str, tag: str) -> OrganizationKeys:
    """All keys of one organization that lives under `tag`."""
    prefix = f"gate:{{{tag}}}:"
    return OrganizationKeys(
        account=f"{prefix}a:{organization_id}".encode(),
        journal=journal_key(tag),
        holds=f"{prefix}h:{organization_id}".encode(),
        details=f"{prefix}d:{organization_id}".encode(),
        settled_even=f"{prefix}s:{organization_id}".encode(),
        settled_odd=f"{prefix}t:{organization_id}".encode(),
        due=due_key(tag),
        operations=f"{prefix}o:{organization_id}".encode(),
    )
