"""Mail of all kinds is read; none of it can stop a run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from gate.demo.errors import DemoError
from gate.demo.generate_mbox import generate
from gate.demo.mbox import Letter, Mbox, demo_mbox
from gate.domain.sends import Send

if TYPE_CHECKING:
    from pathlib import Path

ENVELOPE = b"From MAILER-DAEMON Mon Jan  5 08:00:00 2026\n"


def read(path: Path, *messages: bytes) -> list[Letter]:
    path.write_bytes(b"".join(ENVELOPE + message + b"\n\n" for message in messages))
    with Mbox(path) as mbox:
        return list(mbox.letters())


def read_one(tmp_path: Path, head: bytes) -> list[Letter]:
    return read(tmp_path / "mbox", head + b"\n\nbody")


def test_every_recipient_once__to_cc_and_bcc(tmp_path: Path) -> None:
    letters = read_one(
        tmp_path,
        b'From: "News, daily" <news@small.example.com>\nMessage-ID: <a@b>\nSubject: x\n'
        b"To: One <one@example.org>,\n two@example.org\nCc: three@example.org, one@example.org\n"
        b"Bcc: four@example.org\nTo: five@example.org",
    )
    assert [one.recipient.partition("@")[0] for one in letters] == [
        *("one", "two", "five", "three", "four")
    ]
    assert {one.organization_id for one in letters} == {"org_small"}
    assert len({one.id for one in letters}) == 5


@pytest.mark.parametrize(
    ("head", "organization_id"),
    [
        (b"X-Organization-Id: acme-7\nFrom: a@b.example", "acme-7"),
        (b"X-Organization-Id: not one\nFrom: a@shop.example.org", "org_shop.example.org"),
        (b"From: A <a@Small.Example.COM>", "org_small"),
        (b"From: a@b\xc3\xbcro.example", "org_b-ro.example"),
        (b"From: nobody", "org_unknown"),
        (b"X-Nothing: 1", "org_unknown"),
        (b"From: a@" + b"x" * 300, "org_" + "x" * 124),
    ],
)
def test_organization__by_header_else_by_domain(
    tmp_path: Path, head: bytes, organization_id: str
) -> None:
    (letter,) = read_one(tmp_path, head + b"\nTo: one@example.org")
    assert letter.organization_id == organization_id


@pytest.mark.parametrize(
    ("to", "recipient", "skip"),
    [
        (b"=?utf-8?q?J=C3=BCrgen?= <j@example.org>", "j@example.org", None),
        (b"j\xc3\xbcrgen@example.org", "jürgen@example.org", None),
        (b"j\xfcrgen@example.org", "j\N{REPLACEMENT CHARACTER}rgen@example.org", "invalid_address"),
        (b'"two words"@example.org', '"two words"@example.org', None),
        (b"nobody", "nobody", "invalid_address"),
        (b"x" * 300 + b"@example.org", "x" * 254, "invalid_address"),
    ],
)
def test_recipient__as_it_is_or_skipped(
    tmp_path: Path, to: bytes, recipient: str, skip: str | None
) -> None:
    letter = read_one(tmp_path, b"From: a@b.example\nTo: " + to)[0]
    assert (letter.recipient, letter.skip) == (recipient, skip)
    Send(send_id=letter.id, recipient=letter.recipient, subject=letter.subject)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (b"=?utf-8?b?R3LDvMOfZQ==?= all", "Grüße all"),
        (b"=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
        (b"=?nonsense?q?a=FC?=", "=?nonsense?q?a=FC?="),
        (b"=?utf-8?b?R?= x", "=?utf-8?b?R?= x"),
        (b"folded\n over lines", "folded over lines"),
        (b"x" * 5000, "x" * 200),
        (b"", None),
    ],
)
def test_subject__decoded_or_as_it_stands(
    tmp_path: Path, subject: bytes, shown: str | None
) -> None:
    head = b"From: a@b.example\nTo: c@d.example\nSubject: " + subject
    assert read_one(tmp_path, head)[0].subject == shown


def test_broken_messages__cost_no_others(tmp_path: Path) -> None:
    letters = read(
        tmp_path / "mbox",
        b"",
        b"no header at all",
        b"To: " + b"(" * 50_000,
        b"To: a@b@c, <a@b.example, \n",
        b"To: \xff\xfe <\xff@\xfe>\nFrom: \xff",
        b"Content-Type: multipart/mixed; boundary=x\nTo: a@b.example\n\n--x\n--x\n--x",
        b"To: a@b.example\nMessage-ID:\n\n" + bytes(range(256)),
        b"From: a@b.example\nTo: last@example.org\n\nbody",
    )
    assert letters[-1].recipient == "last@example.org"
    assert all(one.skip in (None, "invalid_address") for one in letters)
    for one in letters:
        Send(send_id=one.id, recipient=one.recipient, subject=one.subject)


def test_same_message_twice__is_a_duplicate_by_its_id(tmp_path: Path) -> None:
    named = b"From: a@b.example\nMessage-ID: <1@b>\nTo: c@d.example, C@d.example\n\n"
    nameless = b"From: a@b.example\nTo: c@d.example\n\nbody"
    letters = read(tmp_path / "mbox", named + b"1", named + b"2", nameless, nameless)
    assert [one.skip for one in letters] == [None, *["duplicate"] * 3, None, None]
    assert [one.id for one in letters] == [one.id for one in read(tmp_path / "mbox", named, named)][
        :4
    ] + [one.id for one in letters[4:]]


def test_content__is_what_may_go_out(tmp_path: Path) -> None:
    (tmp_path / "mbox").write_bytes(
        ENVELOPE + b"From: a@b.example\nBcc: secret@d.example,\n\tother@d.example\n"
        b"x-organization-id: org_x\nTo: c@d.example\n\n>From here\r\n>>From there\n.\nend\n\n"
    )
    with Mbox(tmp_path / "mbox") as mbox:
        assert mbox.content(0) == (
            b"From: a@b.example\r\nTo: c@d.example\r\n\r\nFrom here\r\n>From there\r\n.\r\nend\r\n"
        )


def test_path__that_is_no_mbox(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("Dear all,\n")
    for path, message in (
        (tmp_path / "missing", "there is no such file"),
        (tmp_path, "Is a directory"),
        (empty, "holds no messages"),
        (text, "holds no messages"),
    ):
        with pytest.raises(DemoError, match=message):
            Mbox(path)


def test_demo_mbox__is_what_the_generator_makes() -> None:
    assert demo_mbox().read_bytes() == generate()
    with Mbox(demo_mbox()) as mbox:
        letters = list(mbox.letters())
    assert {one.organization_id for one in letters} == {
        *("org_demo", "org_small", "org_slow", "org_paused", "org_pack")
    }
    assert set(Counter(one.skip for one in letters)) == {None, "invalid_address", "duplicate"}
