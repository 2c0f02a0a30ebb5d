"""What the daemon does beside being one: the list of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.context import Context


def workers(context: Context) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    """Names and coroutine functions. Each works until `context.stop` is set; to return earlier is a
    bug. One that fails with what passes by itself is started again."""
    return []
