"""Reads an mbox as a sender does: who sends what to whom. No message can stop a run."""

from __future__ import annotations

import mailbox
import re
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from gate.demo.errors import DemoError
from gate.demo.organizations import organization_of
from gate.domain.errors import BadArgument
from gate.domain.limits import check_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from gate.domain.sends import SkipReason

ORGANIZATION_HEADER = "X-Organization-Id"
_RECIPIENT_HEADERS = ("To", "Cc", "Bcc")
#: Headers that stay with the sender, with the lines that continue them.
_PRIVATE = re.compile(rb"^(?:Bcc|X-Organization-Id):.*\r\n(?:[ \t].*\r\n)*", re.M | re.I)
_LINE_END = re.compile(rb"\r\n|\r|\n")
#: What an mbox puts before a line of a message that looks like the start of one.
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.M)
_ATOM = r'[^\s<>()\[\],;:"\\@\x00-\x1f\x7f\ufffd]+'
_ADDRESS = re.compile(rf'(?:"[^"\\\x00-\x1f\x7f\ufffd]+"|{_ATOM})@{_ATOM}')
_ADDRESS_LENGTH_MAX = 254
_SUBJECT_LENGTH_MAX = 200


def demo_mbox() -> Path:
    """The mail that comes with the demo, made by `gate.demo.generate_mbox`."""
    return Path(__file__).with_name("mail") / "demo.mbox"


class Letter(NamedTuple):
    """One message for one recipient; `position` is the message's. `id` is the same whenever the
    mbox is read, and the same for a message that is in it twice. `skip`: why not to send it."""

    organization_id: str
    id: str
    position: int
    sender: str
    recipient: str
    subject: str | None
    skip: SkipReason | None


class Mbox:
    """An mbox that is open; messages stay in the file until they are sent. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._box = mailbox.mbox(path, factory=None, create=False)
            self._keys = self._box.keys()
        except (OSError, mailbox.NoSuchMailboxError) as error:
            reason = getattr(error, "strerror", None) or "there is no such file"
            raise DemoError(f"{path} cannot be read as an mbox: {reason}") from error
        if not self._keys:
            self._box.close()
            raise DemoError(f"{path} holds no messages: an mbox starts each with a line `From …`")

    def __len__(self) -> int:
        """How many messages there are."""
        return len(self._keys)

    def letters(self) -> Iterator[Letter]:
        """Every recipient of every message, in order; the same message to the same recipient again
        is skipped as a duplicate."""
        seen: set[str] = set()
        for position in range(len(self)):
            for letter in self._letters_of(position):
                if letter.id in seen:
                    letter = letter._replace(skip="duplicate")
                seen.add(letter.id)
                yield letter

    def content(self, position: int) -> bytes:
        """A message as it goes out: CRLF at line ends, nothing that others must not see."""
        content = _LINE_END.sub(b"\r\n", self._box.get_bytes(self._keys[position]))
        head, gap, body = content.partition(b"\r\n\r\n")
        head = _PRIVATE.sub(b"", head + b"\r\n")
        return head + gap.removeprefix(b"\r\n") + _ESCAPED_FROM.sub(rb"\1", body)

    def _letters_of(self, position: int) -> Iterator[Letter]:
        key = self._keys[position]
        message = self._box.get_message(key)
        senders = _addresses(message, "From")
        sender = next((one for one in senders if _ADDRESS.fullmatch(one)), "")
        organization_id = _organization(message, sender)
        message_id = _text(message, "Message-ID") or f"{position} {_sha(self._box.get_bytes(key))}"
        for recipient in dict.fromkeys(_addresses(message, *_RECIPIENT_HEADERS)):
            valid = _ADDRESS.fullmatch(recipient) and len(recipient) <= _ADDRESS_LENGTH_MAX
            identity = f"{message_id}\0{recipient.lower()}".encode(errors="replace")
            yield Letter(
                organization_id,
                _sha(identity),
                position,
                sender,
                recipient[:_ADDRESS_LENGTH_MAX],
                _text(message, "Subject")[:_SUBJECT_LENGTH_MAX] or None,
                None if valid else "invalid_address",
            )

    def close(self) -> None:
        """Closes the file."""
        self._box.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _organization(message: Message, sender: str) -> str:
    try:
        return check_id(ORGANIZATION_HEADER, _text(message, ORGANIZATION_HEADER))
    except BadArgument:
        return organization_of(sender.rpartition("@")[2])


def _addresses(message: Message, *headers: str) -> list[str]:
    """The addresses of these headers, without names. Broken ones come as they are, none empty."""
    values = [value for name in headers for value in _values(message, name)]
    found = [address.strip() for value in values for address in _addresses_in(value)]
    return [address for address in found if address]


def _addresses_in(value: str) -> list[str]:
    try:
        return [address for _, address in getaddresses([value])]
    except (IndexError, RecursionError, ValueError):  # what the parser trips over is no address
        return [value]


def _text(message: Message, name: str) -> str:
    """A header as a person reads it, on one line."""
    value = next(iter(_values(message, name)), "")
    with suppress(LookupError, MessageError, ValueError):  # unknown encodings, bytes outside them
        value = str(make_header(decode_header(value)))
    return " ".join(value.encode(errors="replace").decode().split())


def _values(message: Message, name: str) -> list[str]:
    """What stands in a header, each time it occurs; bytes beyond ASCII are UTF-8 (RFC 6532)."""
    found = [str(value) for header, value in message.raw_items() if header.lower() == name.lower()]
    return [value.encode(errors="surrogateescape").decode(errors="replace") for value in found]


def _sha(content: bytes) -> str:
    return sha1(content, usedforsecurity=False).hexdigest()[:20]
