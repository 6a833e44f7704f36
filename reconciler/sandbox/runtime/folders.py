"""Where running things live below the sandbox's home, and how long their socket paths may be."""

import hashlib
import os
import stat
import sys
from pathlib import Path

from reconciler.sandbox.errors import SandboxError

SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 on macOS, one of them the closing zero.
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
_RUN_FOLDER_LIMIT = 42
_VIEW_IS_LONGER = len("123456/c") - len("sql")


def run_folder(home: Path) -> Path:
    """The folder for sockets: `HOME/run`, or one of ours in /tmp where the home's path is too long.

    Raises SandboxError where somebody else owns the folder in /tmp.
    """
    wanted = home / "run"
    if len(os.fsencode(wanted)) <= _RUN_FOLDER_LIMIT:
        wanted.mkdir(parents=True, exist_ok=True)
        wanted.chmod(0o711)
        return wanted
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:8]
    short = Path("/tmp") / f"mlr-{os.getuid()}-{digest}"  # noqa: S108 -- owner and type are checked below
    short.mkdir(mode=0o711, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SandboxError(f"{short} is not a folder of ours.", "Remove it, or use a shorter --home.")
    short.chmod(0o711)
    return short


def socket_folder(home: Path, connection_name: str) -> Path:
    """The folder of a PostgreSQL's socket, for the connection name PROJECT:REGION:INSTANCE.

    A long name's folder has a short one: the path has to fit into a socket address, here and as a revision sees it.
    A revision that mounts such an instance has the long path, and cannot connect by it, as on Cloud Run.
    """
    folder = run_folder(home) / "sql" / connection_name
    if len(os.fsencode(folder / SOCKET_NAME)) + _VIEW_IS_LONGER > SOCKET_PATH_LIMIT:
        folder = folder.with_name(hashlib.sha256(connection_name.encode()).hexdigest()[:12])
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o711)
    return folder


def instance_folder(home: Path, identity: str) -> Path:
    """The folder of a running container; short, because its programs make sockets below it too."""
    return run_folder(home) / identity


def sql_view(instance: Path) -> Path:
    """What a container sees as `/cloudsql`."""
    return instance / "c"


def closed_parent(top: Path) -> Path | None:
    """The folder above `top` that other users cannot pass through, or None."""
    return next((step for step in top.parents if step.stat().st_mode & 0o001 == 0), None)


def open_path(folder: Path, top: Path) -> None:
    """Let other users pass through `folder` and its parents down from `top`, without listing anything."""
    for step in (folder, *folder.parents):
        mode = stat.S_IMODE(step.stat().st_mode)
        if mode & 0o001 == 0:
            step.chmod(mode | 0o011)
        if step == top:
            return
