"""Scripts on a partition's journal (lua/journal): header, body and Python binding say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from gate.assets import lua_dir
from gate.hot import journal_stream
from gate.hot.header import Header, parse_header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gate.hot.calls import Argument, Script
    from gate.hot.transport import Transport

FOLDER = lua_dir() / "journal"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))
#: By script: what loads it, and a call of the function that runs it.
BINDINGS: dict[str, tuple[Callable[[], Script], Callable[[Transport], Awaitable[int]]]] = {
    "trim": (
        journal_stream.trim_script,
        lambda transport: journal_stream.trim(transport, b"key", "7-1", b"\x0a\xff"),
    ),
}
#: By script and answer: what the function makes of it, the fields being 1, 2, …
READ = {("trim", "trimmed"): 1, ("trim", "differs"): 0}


class Answering:
    """A transport that gives one answer and notes the call."""

    def __init__(self, answer: list[Any]) -> None:
        self._answer = answer
        self.calls: list[tuple[Script, tuple[Argument, ...], int]] = []

    async def call(
        self, script: Script, arguments: tuple[Argument, ...], key_count: int
    ) -> list[Any]:
        self.calls.append((script, arguments, key_count))
        return self._answer


def header_of(name: str) -> Header:
    return parse_header((FOLDER / f"{name}.lua").read_text())


def body_of(name: str) -> str:
    return BINDINGS[name][0]().source.decode()


def test_every_file_has_a_binding_and_every_folder_a_contract_test() -> None:
    assert sorted(BINDINGS) == SCRIPTS
    assert {path.name for path in lua_dir().iterdir() if path.is_dir()} == {"lib", "journal"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_name_key_and_flags(name: str) -> None:
    """The journal alone, and also at maxmemory: what makes room must run when there is none."""
    header = header_of(name)
    assert header.verb == name
    assert [(key.name, key.type) for key in header.keys] == [("journal", "stream")]
    assert header.flags == ("allow-oom",)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_body_uses_every_key_and_argument_and_no_other(name: str) -> None:
    header, body = header_of(name), body_of(name)
    for said, stated in (("KEYS", header.keys), ("ARGV", header.arguments)):
        used = {int(index) for index in re.findall(rf"{said}\[(\d+)\]", body)}
        assert used == set(range(1, len(stated) + 1))
    assert "tostring" not in body


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_body_answers_as_the_header_says(name: str) -> None:
    said = re.findall(r"return \{ '(\w+)'(.*) \}", body_of(name))
    stated = {answer.tag: len(answer.fields) for answer in header_of(name).answers}
    assert {tag for tag, _ in said} == set(stated)
    for tag, fields in said:
        assert bool(fields) == (stated[tag] > 0)


@pytest.mark.parametrize(("name", "tag"), sorted(READ))
async def test_the_binding_calls_and_reads_as_the_header_says(name: str, tag: str) -> None:
    header, (script, run) = header_of(name), BINDINGS[name]
    fields = next(answer.fields for answer in header.answers if answer.tag == tag)
    transport = Answering([tag.encode(), *range(1, len(fields) + 1)])
    assert await run(cast("Transport", transport)) == READ[name, tag]
    ((sent, arguments, key_count),) = transport.calls
    assert (sent, key_count) == (script(), len(header.keys))
    given = arguments[key_count:]
    assert len(given) == len(header.arguments)
    for argument, value in zip(header.arguments, given, strict=True):
        assert type(value) is {"int": int, "str": str}[argument.type], argument.name


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_answer_is_read(name: str) -> None:
    tags = {answer.tag for answer in header_of(name).answers}
    assert {tag for script, tag in READ if script == name} == tags
