"""Header, body and Python binding of every verb say the same."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from gate.assets import lua_dir
from gate.hot.command import Command
from gate.hot.commands import COMMANDS
from gate.hot.header import Header, parse_header
from gate.hot.keys import OrganizationKeys
from gate.hot.script import load_script

KEY_TYPES = {
    "account": "string",
    "journal": "stream",
    "holds": "zset",
    "details": "hash",
    "settled_even": "hash",
    "settled_odd": "hash",
    "due": "zset",
    "operations": "hash",
}
BY_NAME = {command.name: command for command in COMMANDS}
VERBS = sorted(path.stem for path in lua_dir().glob("*.lua"))

#: What an index that is no number stands for.
COMPUTED_KEYS = {
    "5 + generation % 2": {5, 6},
    "6 - generation % 2": {5, 6},
    "5 + now_generation % 2": {5, 6},
    "5 + a.generation % 2": {5, 6},
    "4 + i": {5, 6},
    "i": {4, 5, 6},
}
#: peek says its verdict as a field; the denials are built and taken apart inside it.
INSIDE = {"peek": {"insufficient", "throttled", "inactive"}}


def header_of(verb: str) -> Header:
    return parse_header((lua_dir() / f"{verb}.lua").read_text())


def body_of(verb: str) -> str:
    return load_script(verb).source.decode()


def struct_of(command: Command[Any], tag: str) -> type[msgspec.Struct]:
    struct: type[msgspec.Struct] = get_type_hints(command.answers[tag])["return"]
    return struct


def test_every_file_has_a_binding_and_every_binding_a_file() -> None:
    assert sorted(BY_NAME) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_names_and_keys(verb: str) -> None:
    header = header_of(verb)
    assert header.verb == verb
    assert tuple(key.name for key in header.keys) == BY_NAME[verb].keys
    assert [key.type for key in header.keys] == [KEY_TYPES[key.name] for key in header.keys]
    if verb != "apply":
        assert BY_NAME[verb].keys == OrganizationKeys._fields[: len(header.keys)]


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_are_those_of_the_binding(verb: str) -> None:
    header, binding = header_of(verb), BY_NAME[verb].arguments
    hints = get_type_hints(binding)
    assert [one.name for one in header.arguments] == list(hints)
    defaults: dict[str, Any] = binding._field_defaults  # type: ignore[attr-defined]
    for argument in header.arguments:
        allowed = {"int": {int}, "str": {str, bytes}}.get(argument.type)
        assert allowed is None or hints[argument.name] in allowed, argument
        assert argument.optional == (argument.name in defaults), argument


@pytest.mark.parametrize("verb", VERBS)
def test_the_body_uses_every_key_and_argument_and_no_other(verb: str) -> None:
    header, body = header_of(verb), body_of(verb)
    used: set[int] = set()
    for index in re.findall(r"KEYS\[([^\]]+)\]", body):
        used |= {int(index)} if index.isdigit() else COMPUTED_KEYS[index]
    stated = {n for n, key in enumerate(header.keys, 1) if not key.text.startswith("not used")}
    assert stated <= used <= set(range(1, len(header.keys) + 1))

    read = {int(index) for index in re.findall(r"ARGV\[(\d+)\]", body)}
    plain = [one for one in header.arguments if one.type != "list"]
    assert read == set(range(1, len(plain) + 1))
    assert ("ARGV[i]" in body) == (len(plain) < len(header.arguments))


@pytest.mark.parametrize("verb", VERBS)
def test_the_body_answers_the_tags_of_the_header(verb: str) -> None:
    tags = {answer.tag for answer in header_of(verb).answers}
    assert tags == set(BY_NAME[verb].answers)
    said = set(re.findall(r"(?:return|reply =|denial =)(?: \w+ and)? \{\s*'(\w+)'", body_of(verb)))
    assert said - INSIDE.get(verb, set()) == tags


@pytest.mark.parametrize("verb", VERBS)
def test_answers_are_the_fields_of_the_outcomes(verb: str) -> None:
    for answer in header_of(verb).answers:
        struct = struct_of(BY_NAME[verb], answer.tag)
        fields = list(struct.__struct_fields__)
        assert fields[0] == "organization_id"
        own = fields[2:] if fields[1:2] in (["id"], ["hold_id"]) else fields[1:]
        stated = [field.name for field in answer.fields]
        if answer.tag == "not_found":  # extend has nothing to replay
            stated = ["replayed"]
        assert own == stated, (verb, answer.tag)
        hints = get_type_hints(struct)
        for field in answer.fields:
            hint = hints[field.name]
            kinds = set(get_args(hint)) or {hint}
            if field.type == "int":
                assert kinds & {int, bool}, (verb, answer.tag, field)
            elif field.type == "str":
                assert not kinds & {int, bool}, (verb, answer.tag, field)
            else:
                assert hint.__origin__ is tuple


@pytest.mark.parametrize("verb", VERBS)
def test_script_flags_say_who_runs_at_maxmemory(verb: str) -> None:
    """New work is refused when memory is full, settling goes on, reading writes nothing."""
    expected = {"reserve": (), "spend": (), "extend": (), "peek": ("no-writes",)}
    assert header_of(verb).flags == expected.get(verb, ("allow-oom",))


@pytest.mark.parametrize("verb", VERBS)
def test_no_amount_is_turned_into_text_by_lua(verb: str) -> None:
    """`tostring` and `..` keep 14 digits of a number."""
    assert "tostring" not in body_of(verb)
