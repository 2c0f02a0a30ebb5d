"""Structured logs to stderr: JSON lines for programs, readable ones on a terminal.

What other libraries log by the standard library comes out in the same form. Passwords in URLs are
taken out of everything, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import TextIO

    from structlog.typing import Processor

Log: TypeAlias = structlog.stdlib.BoundLogger

#: `scheme://user:password@`, and `password=` among a URL's options.
_IN_AUTHORITY = re.compile(r"(://[^/?#\s:@]*):[^/?#\s]*@")
_AS_OPTION = re.compile(r"(?i)\b((?:ssl)?password)=[^&\s'\"]+")


def hide_passwords(text: str) -> str:
    """`text` with *** in place of the passwords in its URLs."""
    return _AS_OPTION.sub(r"\1=***", _IN_AUTHORITY.sub(r"\1:***@", text))


def configure_log(level: str, *, stream: TextIO | None = None, readable: bool | None = None) -> Log:
    """Log from `level` (debug, info, warning, error) on, and return the reconciler's log.

    `stream`: where to, None is stderr. `readable`: for a person; None: if it is a terminal.
    """
    stream = stream or sys.stderr
    readable = stream.isatty() if readable is None else readable
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Before anything else sees the exception: a renderer of its own might show local variables.
        structlog.processors.format_exc_info,
        _hide,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("reconciler").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    log: Log = structlog.stdlib.get_logger("reconciler")
    return log


def _hide(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        name: value if name.startswith("_") else _without_passwords(value)
        for name, value in event.items()
    }


def _without_passwords(value: object) -> object:
    """As JSON knows it: what has no form there becomes text first."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {hide_passwords(str(name)): _without_passwords(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_without_passwords(one) for one in value]
    return hide_passwords(str(value))
