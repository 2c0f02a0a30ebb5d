"""The one failure of embedded servers: a sentence that says what to do."""

from __future__ import annotations

from gate.domain.errors import GateError


class StackError(GateError):
    """A server cannot be found, started or trusted with its data."""

    code = "gate.stack"


class ChildEnded(StackError):
    """A server ended by itself. `log` is what it wrote since its start."""

    def __init__(self, name: str, returncode: int, log: str, log_path: object) -> None:
        shown = " | ".join(log.strip().splitlines()[-3:]) or "nothing was logged"
        super().__init__(f"{name} ended with code {returncode}: {shown} (log: {log_path})")
        self.log = log
