"""Other programs' messages, which may have several lines, on one."""

from __future__ import annotations

from gate.cli.page_parts import clean


def one_line(text: str) -> str:
    """Without line breaks, and without what would steer the terminal."""
    return clean(" ".join(text.split()))
