"""What a sandbox that was killed leaves running: ended by the next start, or before its home is removed."""

import shutil
from pathlib import Path

from reconciler.sandbox.runtime import postgres, processes
from reconciler.sandbox.runtime.folders import run_folder


def clear(home: Path) -> None:
    """End every container and every PostgreSQL of a home whose sandbox does not run, and remove their sockets."""
    processes.end_left_overs(run_folder(home))
    postgres.stop_all(home)
    shutil.rmtree(run_folder(home), ignore_errors=True)
