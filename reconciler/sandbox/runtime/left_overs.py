"""What a sandbox that was killed leaves running: ended by the next start, or before its home is removed."""

import shutil
from pathlib import Path

from reconciler.sandbox.runtime import postgres, processes
from reconciler.sandbox.runtime.folders import run_folder


def end(home: Path) -> bool:
    """End every container and every PostgreSQL of a home whose sandbox does not run; whether there were any."""
    containers = processes.end_left_overs(run_folder(home))
    databases = postgres.stop_all(home)
    return containers or databases


def clear(home: Path) -> None:
    """The same, and remove their sockets."""
    end(home)
    shutil.rmtree(run_folder(home), ignore_errors=True)
