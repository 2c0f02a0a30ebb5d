"""What a sender writes down before and after each call, so that it outlives the sender.

A line is in the file as soon as `write` returns: a killed process loses none of them.
"""

from __future__ import annotations

import json
import os
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Line(NamedTuple):
    """One line. `what`: job, ask, ack, no, end, wrong. `job` is the number of the job in it."""

    at: float
    what: str
    job: int
    verb: str = ""
    organization_id: str = ""
    id: str = ""
    part: int = 0
    credits: int = 0
    said: str = ""


class Diary:
    """The file of one sender, to be written on."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, job: int, **rest: Any) -> None:
        """Adds a line."""
        line = Line(time(), what, job, **rest)
        os.write(self._fd, json.dumps(line).encode() + b"\n")


def read_diary(path: Path) -> Iterator[Line]:
    """All lines of a file, none if there is no file."""
    if path.exists():
        with path.open() as file:
            for text in file:
                yield Line(*json.loads(text))
