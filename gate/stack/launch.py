"""Becomes a server: takes another user's rights, asks to end with its parent, replaces itself.

Run by its path in a fresh interpreter, `python -I -S launch.py PARENT SIGNAL UID GID ARGV...`
(UID -1: as it is), because no Python code may safely run between fork and exec of a process that
has threads. The server keeps the process id.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, stop_signal: int, uid: int, gid: int, argv: list[str]) -> None:
    """Prepare this process and replace it by `argv`; returns only if the parent is gone."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)  # before prctl: a change of user clears the wish to end with the parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
        if os.getppid() != parent:
            return  # the parent died before the wish was heard
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    parent, stop_signal, uid, gid = map(int, sys.argv[1:5])
    main(parent, stop_signal, uid, gid, sys.argv[5:])
