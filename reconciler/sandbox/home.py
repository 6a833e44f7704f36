"""A sandbox's home folder as the command line sees it: who works in it, which port it has, and how it is emptied."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Final

from reconciler.sandbox.errors import SandboxError

PORT: Final = 9470
HOME_VARIABLE: Final = "MLFLOW_RECONCILE_SANDBOX_HOME"
REMEMBERED: Final = "sandbox.json"
LOCK: Final = "start.lock"
SERVER_LOCK: Final = "run/server.lock"
LOG: Final = "logs/sandbox.log"


def default_home() -> Path:
    """MLFLOW_RECONCILE_SANDBOX_HOME, else below ~/.local/state; for root below /var/lib.

    PostgreSQL refuses to run as root, and whoever it runs as instead cannot enter /root.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/mlflow-reconcile/sandbox")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "mlflow-reconcile" / "sandbox"


@contextlib.contextmanager
def starting(home: Path) -> Generator[None]:
    """Only one start, reset or clearing up at a time on one home. Raises SandboxError."""
    try:
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = (home / LOCK).open("w")
    except OSError as error:
        text = f"The sandbox cannot write in {home}: {error.strerror}."
        raise SandboxError(text, f"Choose a writable folder with {HOME_VARIABLE} or --home.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claim(home: Path) -> int | None:
    """Hold the home as its server does: a descriptor to close, or None where a sandbox lives on it."""
    (home / SERVER_LOCK).parent.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(home / SERVER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def remembered_port(home: Path) -> int:
    """The port that the sandbox had last, else 9470."""
    try:
        return int(json.loads((home / REMEMBERED).read_text())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return PORT


def remember(home: Path, port: int) -> None:
    """Keep the port for the next start."""
    (home / REMEMBERED).write_text(json.dumps({"port": port}) + "\n")


def empty(home: Path) -> None:
    """Remove everything but the lock. Raises SandboxError."""
    for entry in home.iterdir():
        if entry.name != LOCK:
            _remove(entry)


def _remove(entry: Path) -> None:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    except OSError as error:
        text = f"{entry} cannot be removed: {error.strerror}."
        raise SandboxError(text, "Remove it by hand.") from error
