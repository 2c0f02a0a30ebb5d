"""Progress goes to stderr; stdout has results alone."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line of progress; on a terminal the next one takes its place."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
