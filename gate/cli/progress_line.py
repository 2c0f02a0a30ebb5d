"""How far long work is: one line that changes on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TextIO

_ON_TERMINAL_S = 0.2
_IN_PIPE_S = 5.0


class ProgressLine:
    """Writes to standard error, unless told otherwise, and never more often than is of use."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._is_terminal = self._out.isatty()
        self._every_s = _ON_TERMINAL_S if self._is_terminal else _IN_PIPE_S
        self._shown_at = monotonic()
        self._shown = False

    def show(self, line: str) -> None:
        """Show `line` if it is time to."""
        if monotonic() - self._shown_at < self._every_s:
            return
        self._shown_at, self._shown = monotonic(), True
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=self._out, flush=True)

    def clear(self) -> None:
        """Take the line off a terminal, before something else is written."""
        if self._is_terminal and self._shown:
            print("\r\x1b[K", end="", file=self._out, flush=True)
            self._shown = False
