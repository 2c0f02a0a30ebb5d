"""The `---` header of a Lua verb, parsed: its contract as values.

    #!lua flags=allow-oom
    --- verb: what it does, over as many lines as it needs.
    ---
    --- KEYS[n] name    type  text
    ---
    --- ARGV[n] name    type  text                  a type is int, str or list; `?`: may be left out
    ---                       the text goes on
    ---
    --- -> tag          field:type field:type       a type is int, str or list
    ---                 field:type                  the fields go on
    ---                 a text about them

Keys and arguments are numbered from 1 without a gap; names occur once. An argument of type list is
all arguments from there on. What may be left out stands at the end.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from gate.domain.errors import ContractError

_FLAGS = re.compile(r"#!lua(?: flags=([a-z,-]+))?$")
_PURPOSE = re.compile(r"(\w+): (.+)$")
_NUMBERED = re.compile(r"(KEYS|ARGV)\[(\d+)\]\s+(\w+)(?:\s+(.+))?$")
_ANSWER = re.compile(r"-> (\w+)(?:\s+(.+))?$")
_FIELD = re.compile(r"(\w+):(int|str|list)$")
_KEY_TYPES = ("string", "stream", "zset", "hash")
_ARGUMENT_TYPES = ("int", "str", "list", "int?", "str?", "list?")


class Key(NamedTuple):
    """One of KEYS: its name and its type in Redis."""

    name: str
    type: str
    text: str


class Argument(NamedTuple):
    """One of ARGV; `type` is int or str, or list for all the rest. `optional`: may be left out."""

    name: str
    type: str
    optional: bool
    text: str


class Field(NamedTuple):
    """One value of an answer; `type` is int, str or list."""

    name: str
    type: str


class Answer(NamedTuple):
    """One answer: the tag that it starts with, and the fields behind it in order."""

    tag: str
    fields: tuple[Field, ...]
    text: str


class Header(NamedTuple):
    """The contract of one verb. `flags` are those that Redis reads in the first line."""

    verb: str
    purpose: str
    flags: tuple[str, ...]
    keys: tuple[Key, ...]
    arguments: tuple[Argument, ...]
    answers: tuple[Answer, ...]


def parse_header(text: str) -> Header:
    """The header of a Lua file's `text`. Raises ContractError for one outside the grammar."""
    first, *lines = text.splitlines() or [""]
    flags = _FLAGS.match(first)
    if not flags:
        raise ContractError(f"lua header: the first line is {first!r}, not #!lua")
    paragraphs = _paragraphs(lines)
    purpose = _PURPOSE.match(paragraphs[0]) if paragraphs else None
    if not purpose:
        raise ContractError("lua header: it does not begin with `--- verb: what it does`")
    keys: list[Key] = []
    arguments: list[Argument] = []
    answers: list[Answer] = []
    for paragraph in paragraphs[1:]:
        if numbered := _NUMBERED.match(paragraph):
            kind, number, name, rest = numbered.groups(default="")
            if kind == "KEYS":
                _check_number(paragraph, int(number), len(keys))
                keys.append(Key(name, *_typed(name, rest, _KEY_TYPES)))
            else:
                _check_number(paragraph, int(number), len(arguments))
                arguments.append(_argument(name, rest))
        elif answer := _ANSWER.match(paragraph):
            answers.append(_answer(*answer.groups(default="")))
        else:
            raise ContractError(f"lua header: {paragraph!r} is no key, argument or answer")
    for names in ([k.name for k in keys], [a.name for a in arguments], [a.tag for a in answers]):
        if len(names) != len(set(names)):
            raise ContractError(f"lua header: a name occurs twice among {', '.join(names)}")
    for before, argument in pairwise(arguments):
        if before.type == "list" or before.optional > argument.optional:
            raise ContractError(f"lua header: {argument.name} must not follow {before.name}")
    return Header(
        purpose[1],
        purpose[2],
        tuple(flag for flag in (flags[1] or "").split(",") if flag),
        tuple(keys),
        tuple(arguments),
        tuple(answers),
    )


def _paragraphs(lines: list[str]) -> list[str]:
    """Each entry of the header on one line: what follows an entry and is none goes on with it."""
    found: list[str] = []
    fresh = True
    for line in lines:
        if not line.startswith("---"):
            break
        words = " ".join(line.removeprefix("---").split())
        if fresh or words.startswith(("KEYS[", "ARGV[", "-> ")):
            found.append(words)
        elif words:
            found[-1] += f" {words}"
        fresh = not words
    return [words for words in found if words]


def _check_number(paragraph: str, number: int, before: int) -> None:
    if number != before + 1:
        raise ContractError(f"lua header: {paragraph!r} is out of order, {before + 1} is next")


def _typed(name: str, rest: str, types: tuple[str, ...]) -> tuple[str, str]:
    type, _, text = rest.partition(" ")
    if type not in types:
        raise ContractError(f"lua header: {name} has type {type!r}, not one of {', '.join(types)}")
    return type, text


def _argument(name: str, rest: str) -> Argument:
    type, text = _typed(name, rest, _ARGUMENT_TYPES)
    return Argument(name, type.rstrip("?"), type.endswith("?"), text)


def _answer(tag: str, rest: str) -> Answer:
    fields: list[Field] = []
    words = rest.split()
    while words and (field := _FIELD.match(words[0])):
        fields.append(Field(field[1], field[2]))
        del words[0]
    return Answer(tag, tuple(fields), " ".join(words))
