"""The log entries of Cloud Logging: a file of JSON lines for each project, of bounded size, oldest first.

Containers, builds and the front door write here what Cloud Run and Cloud Build would send to Cloud Logging, clients
what they send themselves.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from reconciler.sandbox.world import World, timestamp

LIMIT: Final = 8 * 1024 * 1024
"""Bytes after which a file is begun anew; one earlier part is kept."""
SEVERITIES: Final = {
    "DEFAULT": 0, "DEBUG": 100, "INFO": 200, "NOTICE": 300, "WARNING": 400, "ERROR": 500, "CRITICAL": 600, "ALERT": 700,
    "EMERGENCY": 800,
}  # fmt: skip
Entry = dict[str, Any]
_NUMBERS: Final = itertools.count()
_LOCK: Final = threading.Lock()


class Entries:
    """The entries of every project, in *folder*."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], limit: int = LIMIT) -> None:
        self._folder = folder
        self._clock = clock
        self._limit = limit

    def write(self, project: str, log: str, entry: Mapping[str, Any]) -> None:
        """Keep an entry in the log *log* ("run.googleapis.com/stdout") of a project; what it lacks is filled in."""
        now = timestamp(self._clock())
        whole: Entry = {
            "logName": log_name(project, log),
            "timestamp": now,
            "insertId": f"{time.time_ns():016x}{next(_NUMBERS) % 0x1000000:06x}",
            **entry,
            "receiveTimestamp": now,
        }
        if whole.get("severity") == "DEFAULT":
            del whole["severity"]
        line = json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"
        path = self._path(project)
        with _LOCK:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > self._limit:
                path.replace(path.with_suffix(".1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(line)

    def read(self, project: str) -> list[Entry]:
        """Every entry that is kept, in the order of their timestamps."""
        path = self._path(project)
        text = ""
        with _LOCK:
            for part in (path.with_suffix(".1"), path):
                text += part.read_text(encoding="utf-8") if part.exists() else ""
        found: list[Entry] = [json.loads(line) for line in text.splitlines()]
        return sorted(found, key=lambda entry: (entry["timestamp"], entry["insertId"]))

    def forget(self, project: str, name: str) -> int:
        """Drop the entries of the log with the full name *name*; how many there were."""
        entries = self.read(project)
        kept = [entry for entry in entries if entry["logName"] != name]
        path = self._path(project)
        with _LOCK:
            path.with_suffix(".1").unlink(missing_ok=True)
            path.write_text(
                "".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in kept), encoding="utf-8"
            )
        return len(entries) - len(kept)

    def _path(self, project: str) -> Path:
        return self._folder / f"{project}.jsonl"


def of(world: World) -> Entries:
    """The entries of a sandbox."""
    return Entries(world.home / "logs" / "entries", world.clock)


def log_name(project: str, log: str) -> str:
    """ "projects/p/logs/run.googleapis.com%2Fstdout": the id of a log is escaped in its name."""
    return f"projects/{project}/logs/{quote(log, safe='')}"
