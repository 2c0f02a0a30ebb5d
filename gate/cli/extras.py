"""Modules that an extra brings; a missing one is told in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gate.domain.errors import GateError

if TYPE_CHECKING:
    from types import ModuleType


class ExtraMissing(GateError):
    """A part of the command was not installed."""

    code = "gate.extra_missing"

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is missing: pip install 'creditgate[{extra}]'")


def import_extra(module: str, extra: str) -> ModuleType:
    """Import `module`, which `extra` brings."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ExtraMissing(module, extra) from error
