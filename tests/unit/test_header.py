"""The header of a Lua file as values."""

from __future__ import annotations

import pytest

from gate.assets import lua_dir
from gate.domain.errors import ContractError
from gate.hot.header import Answer, Argument, Field, Header, Key, parse_header

WHOLE = """\
#!lua flags=allow-oom,no-writes
--- draw: takes something. And says
--- how much is left.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta,
---                               at times
---
--- ARGV[1] draw_id       str
--- ARGV[2] credits       int   1 to 2^52; -1:
---                             all
--- ARGV[3] reference     str?  at most 255 bytes
--- ARGV[4] changes       list? two each: entry, credits
---
--- -> drawn       left:int why:str
---                grants:list
---                why: a word; grants: a list
--- -> not_loaded

local id = ARGV[1] --- KEYS[9] no part of the header
--- KEYS[9] nor this
"""


def test_whole_grammar() -> None:
    assert parse_header(WHOLE) == Header(
        verb="draw",
        purpose="takes something. And says how much is left.",
        flags=("allow-oom", "no-writes"),
        keys=(Key("account", "string", ""), Key("journal", "stream", "one delta, at times")),
        arguments=(
            Argument("draw_id", "str", False, ""),
            Argument("credits", "int", False, "1 to 2^52; -1: all"),
            Argument("reference", "str", True, "at most 255 bytes"),
            Argument("changes", "list", True, "two each: entry, credits"),
        ),
        answers=(
            Answer(
                "drawn",
                (Field("left", "int"), Field("why", "str"), Field("grants", "list")),
                "why: a word; grants: a list",
            ),
            Answer("not_loaded", (), ""),
        ),
    )


def test_a_verb_without_flags_and_arguments() -> None:
    header = parse_header("#!lua\n--- touch: does.\n---\n--- KEYS[1] account string\n")
    assert (header.flags, header.arguments, header.answers) == ((), (), ())


@pytest.mark.parametrize("verb", sorted(path.stem for path in lua_dir().glob("*.lua")))
def test_every_verb__has_a_header_under_its_name(verb: str) -> None:
    header = parse_header((lua_dir() / f"{verb}.lua").read_text())
    assert header.verb == verb
    assert header.keys[0] == Key("account", "string", "")
    assert header.answers
    assert all(answer.tag for answer in header.answers)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("#!lua", "#!python", "not #!lua"),
        ("--- draw: takes", "--- takes", "does not begin with"),
        ("KEYS[2]", "KEYS[3]", "out of order, 2 is next"),
        ("ARGV[3]", "ARGV[2]", "out of order, 3 is next"),
        ("journal       stream", "journal       list", "journal has type 'list'"),
        ("draw_id       str", "draw_id       text", "draw_id has type 'text'"),
        ("ARGV[1] draw_id       str", "ARGV[1] draw_id", "draw_id has type ''"),
        ("draw_id       str", "draw_id       str?", "credits must not follow draw_id"),
        ("reference     str? ", "reference     list?", "changes must not follow reference"),
        ("--- -> drawn", "--- = drawn", "is no key, argument or answer"),
        ("reference", "draw_id", "a name occurs twice among draw_id"),
        ("not_loaded", "drawn", "a name occurs twice among drawn"),
    ],
)
def test_outside_the_grammar__is_named(before: str, after: str, message: str) -> None:
    assert before in WHOLE
    with pytest.raises(ContractError, match=message.replace("[", r"\[")):
        parse_header(WHOLE.replace(before, after, 1))


def test_no_text__is_no_header() -> None:
    with pytest.raises(ContractError, match="the first line is ''"):
        parse_header("")
