"""Process groups: started apart from the sandbox, watched, recorded for the next start, and killed whole."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL, as on Cloud Run."""
LOG_LIMIT = 4 * 1024 * 1024
_RECORD = "process.json"


@dataclass(frozen=True)
class Group:
    """A started process and what it started; `exited` is set once the first process is gone."""

    process: subprocess.Popen[bytes]
    folder: Path
    exited: threading.Event

    @property
    def pid(self) -> int:
        """The first process, which leads its own session and group."""
        return self.process.pid


class StartError(Exception):
    """The program could not be started at all."""


def start(
    arguments: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    folder: Path,
    log: Callable[[str], None],
    errors: Callable[[str], None] | None = None,
) -> Group:
    """Start a program with exactly this environment; its output goes to `log` by lines. Raises StartError.

    What it writes to its standard error goes to `errors`, or in its place in the order to `log` where that is None.
    """
    try:
        process = subprocess.Popen(
            list(arguments),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors is None else subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(f"failed to load {arguments[0]}: {error.strerror}") from error
    (folder / _RECORD).write_text(json.dumps({"pid": process.pid, "born": _born(process.pid)}))
    group = Group(process, folder, threading.Event())
    for stream, sink in ((process.stdout, log), (process.stderr, errors)):
        if stream is not None and sink is not None:
            threading.Thread(
                target=_follow, args=(stream, sink), name=f"log of {folder.name}", daemon=True
            ).start()
    threading.Thread(target=_await_exit, args=(group,), name=f"exit of {folder.name}", daemon=True).start()
    return group


def stop(group: Group, grace: float = GRACE) -> int:
    """End the first process with SIGTERM, after `grace` seconds all with SIGKILL. Returns the exit code."""
    if not group.exited.is_set():
        with contextlib.suppress(ProcessLookupError):
            os.kill(group.pid, signal.SIGTERM)
        group.exited.wait(grace)
    kill(group)
    return group.process.returncode


def kill(group: Group) -> None:
    """End everything of the group at once."""
    _kill_session(group.pid)
    group.exited.wait(GRACE)
    (group.folder / _RECORD).unlink(missing_ok=True)


def end_left_overs(folders: Path) -> bool:
    """End what an earlier sandbox, killed itself, left running: recorded by number and time of birth.

    Returns whether anything ran.
    """
    ended = False
    for record in sorted(folders.glob(f"*/{_RECORD}")):
        try:
            known: dict[str, Any] = json.loads(record.read_text())
        except ValueError:
            known = {}
        pid, born = int(known.get("pid", 0)), str(known.get("born", ""))
        if pid > 1 and born and _born(pid) == born:
            _kill_session(pid)
            ended = True
        record.unlink(missing_ok=True)
    return ended


def memory(group: Group) -> int:
    """Bytes the group holds: its shares of memory, and the files it wrote, which Cloud Run counts too."""
    files = sum(_file_bytes(group.folder / part) for part in ("tmp", "home"))
    return files + sum(_share(pid) for pid in _members(group.pid))


class BoundedLog:
    """A log file that starts anew when it is full, keeping one earlier part beside it."""

    def __init__(self, path: Path, limit: int = LOG_LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, line: str) -> None:
        """Append one line with the time."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            if self.path.exists() and self.path.stat().st_size > self._limit:
                self.path.replace(self.path.with_suffix(".log.1"))
            with self.path.open("a") as file:
                file.write(f"{stamp} {line}\n")

    def tail(self, lines: int = 20) -> str:
        """The last lines."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 16384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _follow(stream: IO[bytes], log: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            log(line.decode(errors="replace").rstrip("\n"))


def _await_exit(group: Group) -> None:
    group.process.wait()
    group.exited.set()


def _born(pid: int) -> str:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(
        command, env={"PATH": os.defpath, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def _members(leader: int) -> list[int]:
    """Every living process of the leader's session or group."""
    if Path("/proc/self/stat").exists():
        return [pid for pid, session in _sessions() if session == leader]
    shown = subprocess.run(["ps", "-axo", "pid=,pgid="], capture_output=True, text=True, check=False)
    rows = [line.split() for line in shown.stdout.splitlines()]
    return [int(pid) for pid, group in rows if int(group) == leader]


def _sessions() -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 -- names alone, and quickly: this runs every second
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found.append((int(entry), int(fields[3])))
    return found


def _kill_session(leader: int) -> None:
    for _ in range(100):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        members = _members(leader)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return
        time.sleep(0.02)


def _share(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if Path("/proc/self").exists():
        return 0
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(shown.stdout.strip() or 0) * 1024


def _file_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total
