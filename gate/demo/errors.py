"""The demo's one failure: a sentence that says what to do."""

from __future__ import annotations

from gate.domain.errors import GateError


class DemoError(GateError):
    """The demo may not run here, its mail cannot be read, or its numbers cannot be taken."""

    code = "gate.demo"
