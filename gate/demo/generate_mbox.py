"""Makes the mail of the demo: `python -m gate.demo.generate_mbox PATH`. Always the same bytes."""

from __future__ import annotations

import base64
import sys
from email.header import Header
from pathlib import Path

from gate.demo.mbox import ORGANIZATION_HEADER
from gate.demo.organizations import DOMAIN

#: How many messages each organization sends, and to how many people each.
_PLAN = (
    ("demo", 60, 2),
    ("small", 15, 3),
    ("slow", 18, 3),
    ("paused", 6, 2),
    ("pack", 21, 3),
)
_SENDERS = ("news", "billing", "support", "orders")
_TOPICS = ("Your invoice", "What is new", "Your order is on its way", "Please confirm", "Grüße")
_PARAGRAPHS = (
    "Thank you for being with us. This is what happened since last time.",
    "From now on, our opening hours are different.",
    ".\nA line that is a dot alone must arrive, and must not end the message.",
    "Übrigens: ein paar Umlaute, 日本語 and an emoji 📮, all in UTF-8.",
)
#: Every so many recipients one is refused for good, one is asked to come again, one is no address.
_BOUNCE_EVERY, _LATER_EVERY, _INVALID_EVERY = 11, 17, 97
_HTML_EVERY, _CC_EVERY, _BCC_EVERY, _TWICE_EVERY = 6, 4, 5, 40


def generate() -> bytes:
    """The mbox."""
    messages: list[bytes] = []
    recipient_no = 0
    for position in range(max(count for _, count, _ in _PLAN)):
        for name, count, people in _PLAN:
            if position < count:
                number = len(messages)
                recipients = [_recipient(recipient_no + one) for one in range(people)]
                recipient_no += len(recipients)
                messages.append(_message(number, name, recipients))
    messages += messages[_TWICE_EVERY::_TWICE_EVERY]
    return b"".join(_enclosed(message) for message in messages)


def _recipient(number: int) -> str:
    if number % _INVALID_EVERY == _INVALID_EVERY - 1:
        return f"nobody {number} at example.org"
    if number % _BOUNCE_EVERY == _BOUNCE_EVERY - 1:
        return f"bounce+{number}@example.org"
    if number % _LATER_EVERY == _LATER_EVERY - 1:
        return f"later+{number}@example.org"
    return f"reader{number}@example.org"


def _message(number: int, name: str, recipients: list[str]) -> bytes:
    subject = f"{_TOPICS[number % len(_TOPICS)]} no. {number}"
    carbon = recipients.pop() if number % _CC_EVERY == 1 and len(recipients) > 1 else ""
    blind = recipients.pop() if number % _BCC_EVERY == 2 and len(recipients) > 1 else ""
    content_type, body = _body(number)
    headers = {
        "From": f"{_SENDERS[number % len(_SENDERS)]}@{name}.{DOMAIN}",
        "To": ",\n ".join(recipients),
        "Cc": carbon,
        "Bcc": blind,
        "Subject": subject if subject.isascii() else Header(subject, "utf-8").encode(),
        "Date": f"Mon, 05 Jan 2026 08:{number // 60:02}:{number % 60:02} +0000",
        "Message-ID": "" if number % 50 == 49 else f"<demo.{number}@{name}.{DOMAIN}>",
        # The others are told by the domain of From.
        ORGANIZATION_HEADER: f"org_{name}" if number % 3 else "",
        "MIME-Version": "1.0",
        "Content-Type": content_type,
        "Content-Transfer-Encoding": "" if content_type.startswith("multipart") else "8bit",
    }
    head = "".join(f"{field}: {value}\n" for field, value in headers.items() if value)
    return f"{head}\n{body}".encode()


def _body(number: int) -> tuple[str, str]:
    text = "\n\n".join(_PARAGRAPHS[: 1 + number % len(_PARAGRAPHS)]) + "\n"
    if number % _HTML_EVERY:
        return "text/plain; charset=utf-8", text
    boundary = f"part-{number}"
    encoded = base64.encodebytes(text.encode() * 8).decode()
    return f'multipart/alternative; boundary="{boundary}"', (
        f"--{boundary}\nContent-Type: text/plain; charset=utf-8\n"
        f"Content-Transfer-Encoding: 8bit\n\n{text}\n"
        f"--{boundary}\nContent-Type: text/html; charset=utf-8\n"
        f"Content-Transfer-Encoding: base64\n\n{encoded}\n--{boundary}--\n"
    )


def _enclosed(message: bytes) -> bytes:
    """A message as an mbox holds it: a line before it, none in it that looks like one."""
    escaped = message.replace(b"\nFrom ", b"\n>From ")
    return b"From MAILER-DAEMON Mon Jan  5 08:00:00 2026\n" + escaped + b"\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(generate())
