"""Who runs this: in words, and as a process that others on the same machine can tell from every other one."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path


def in_words() -> str:
    """Who runs this, in words: the CI job where the environment names one, else the user and the machine."""
    job = [os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    if all(job):
        return f"{job[0]}/{job[1]}/actions/runs/{job[2]}"
    if url := os.environ.get("CI_JOB_URL") or os.environ.get("BUILD_URL"):
        return url
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"user {os.getuid()}"
    return f"{user} on {socket.gethostname()}"


def _machine() -> str:
    """What is alike for all processes that see each other's numbers, and differs everywhere else."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def process(number: int) -> str:
    """The process *number* of this machine, told from a later one with that number; "" where that cannot be done."""
    machine = _machine()
    try:
        # The 22nd field is when it started; the second, a name in brackets, may hold anything.
        started = Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{machine} {number} {started}" if machine else ""


def ended(name: str) -> bool:
    """Whether *name* is of a process of this machine that has ended; False where nobody can tell from here."""
    machine = _machine()
    if not machine or not name.startswith(f"{machine} "):
        return False
    number = name.removeprefix(f"{machine} ").partition(" ")[0]
    return not number.isdigit() or process(int(number)) != name
