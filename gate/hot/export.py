"""The contract as files for another program: flattened scripts, a manifest, where keys are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from gate.assets import lua_dir
from gate.hot.header import Header, parse_header
from gate.hot.keys import (
    EXCEPTIONS,
    META,
    PARTITIONS_MAX,
    TAGS,
    organization_keys,
    partition_of,
    tag_of,
)
from gate.hot.layout import LAYOUT
from gate.hot.script import Script, load_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Organizations whose places are written out, for the tests of another program's own code.
_EXAMPLES = ("org_demo", "org_acme", "8d7f0c52-93f1-4b07-9d0c-6f0d3a5e2b11")


class Verb(NamedTuple):
    """A verb: the contract that its file's header says, and the script as it is sent."""

    header: Header
    script: Script


def verbs() -> list[Verb]:
    """All verbs by name. Raises ContractError for a file that breaks the rules of headers."""
    found = []
    for path in sorted(lua_dir().glob("*.lua")):
        header = parse_header(path.read_text())
        found.append(Verb(header, load_script(header.verb)))
    return found


def export(directory: Path) -> Iterator[Path]:
    """Writes everything into `directory` and says each file written. The same tree always writes
    the same bytes; files of other names that are there stay."""
    directory.mkdir(parents=True, exist_ok=True)
    known = verbs()
    for verb in known:
        path = directory / _file_name(verb)
        path.write_bytes(verb.script.source)
        yield path
    for name, content in (
        ("manifest.json", {"layout": LAYOUT, "scripts": [_manifest(verb) for verb in known]}),
        ("partitions.json", _partitions()),
    ):
        path = directory / name
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        yield path


def _file_name(verb: Verb) -> str:
    return f"{verb.header.verb}.lua"


def _manifest(verb: Verb) -> dict[str, Any]:
    header = verb.header
    return {
        "name": header.verb,
        "purpose": header.purpose,
        "file": _file_name(verb),
        "sha1": verb.script.sha.decode(),
        "flags": list(header.flags),
        "keys": [key._asdict() for key in header.keys],
        "arguments": [argument._asdict() for argument in header.arguments],
        "answers": [
            {
                "tag": answer.tag,
                "fields": [field._asdict() for field in answer.fields],
                "text": answer.text,
            }
            for answer in header.answers
        ],
    }


def _partitions() -> dict[str, Any]:
    return {
        "meta": f"hash {META}: fields layout and partitions (P, a power of two up to "
        f"{PARTITIONS_MAX}); read once at start, refuse another layout than the manifest's",
        "exceptions": f"hash {EXCEPTIONS}: organization_id to partition, read once at start",
        "partition": "exceptions[organization_id], else CRC16(organization_id) mod P; CRC16 is "
        "XMODEM: polynomial 0x1021, start 0, over the bytes of the id",
        "tag": f"tags[partition * {PARTITIONS_MAX} / P]",
        "tags": TAGS,
        "keys": {
            name: key.decode()
            for name, key in organization_keys("<organization_id>", "<tag>")._asdict().items()
        },
        "examples": [
            {
                "organization_id": one,
                "partitions": count,
                "partition": partition_of(one, count),
                "tag": tag_of(partition_of(one, count), count),
            }
            for one in _EXAMPLES
            for count in (8, PARTITIONS_MAX)
        ],
    }
