"""As whom a server runs. PostgreSQL refuses root, so root hands it fewer rights here.

No user is made and no folder above the data directory is touched.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PROBE_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class RunAs:
    """`prefix` goes before the command; `user` is (uid, gid) to change to, None: as it is."""

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @property
    def owner(self) -> int:
        """The user id that must own the server's files."""
        return os.geteuid() if self.user is None else self.user[0]


AS_IT_IS = RunAs()

#: In a user namespace without a mapping root is `nobody` inside and still owns its files outside,
#: so that binaries and data below a closed home directory work. Containers often forbid it.
_NAMESPACE = RunAs(prefix=("unshare", "-U", "--"))

WAYS = ("namespace", "setuid")


def without_root(
    executable: Path,
    directory: Path,
    environ: Mapping[str, str],
    ways: Sequence[str] = WAYS,
) -> RunAs:
    """How to run `executable` in `directory` without root's rights; as it is for other users."""
    if os.geteuid() != 0:
        return AS_IT_IS
    # initdb looks its user up by name, so a namespace without a name for it will not do.
    if "namespace" in ways and _runs(_NAMESPACE, ["id", "-un"]):
        return _NAMESPACE
    if "setuid" in ways:
        for user in _ordinary_users(environ):
            as_user = RunAs(user=user)
            reaches = _runs(as_user, ["test", "-x", str(directory.parent)])
            if reaches and _runs(as_user, [str(executable), "--version"]):
                return as_user
    raise StackError(
        "PostgreSQL does not run as root, and no way to lay root's rights down worked here: run "
        f"as another user, make {executable.parent} and {directory} reachable for the user "
        "nobody, or set PG_URL to a server of your own"
    )


def give(tree: Path, run_as: RunAs) -> None:
    """Make the server's user the owner of `tree`, where it is not yet."""
    user, owner = run_as.user, run_as.owner
    if os.geteuid() != 0 or tree.stat().st_uid == owner:
        return
    gid = user[1] if user else os.getegid()
    # The root of the tree comes last: an interrupted change is done again.
    for path in (*tree.rglob("*"), tree):
        os.chown(path, owner, gid, follow_symlinks=False)


def _ordinary_users(environ: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Who started us by sudo, else the users that a system keeps for such work."""
    if environ.get("SUDO_UID", "0") != "0":
        yield int(environ["SUDO_UID"]), int(environ.get("SUDO_GID", environ["SUDO_UID"]))
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        yield entry.pw_uid, entry.pw_gid


def _runs(run_as: RunAs, argv: Sequence[str]) -> bool:
    uid, gid = run_as.user or (None, None)
    try:
        done = subprocess.run(
            [*run_as.prefix, *argv],
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            cwd="/",
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
