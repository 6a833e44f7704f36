"""Driving the installed command as a user does: in a subprocess, with its own sandbox."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECONCILE = Path(sys.executable).with_name("mlflow-reconcile")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exit *code*, what it wrote to *out* and *err*."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Bench:
    """A sandbox of a test's own: its *endpoint*, its *home*, and the environment that leads commands to it."""

    endpoint: str
    home: Path
    env: Mapping[str, str] = field(repr=False)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ended:
        """Run `mlflow-reconcile` with *arguments*, without a terminal."""
        return run(*arguments, env={**self.env, **(env or {})}, timeout=timeout)

    def gcloud(self, *arguments: str, project: str) -> Ended:
        """Run the real gcloud, led here by nothing but what `sandbox env` prints."""
        lines = self.run("sandbox", "env", "--project", project).out
        script = 'eval "$1"; shift; exec gcloud "$@"'
        command = ["bash", "-c", script, "gcloud", lines, *arguments, "--quiet"]
        ended = subprocess.run(
            command, env=plain_env(), capture_output=True, text=True, timeout=120, check=False
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


def run(*arguments: str, env: Mapping[str, str], timeout: float = 300, cwd: Path = ROOT) -> Ended:
    """Run `mlflow-reconcile` with *arguments* in the repository's folder."""
    ended = subprocess.run(
        [RECONCILE, *arguments], env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def plain_env() -> dict[str, str]:
    """This process's environment without what would lead a command elsewhere."""
    dropped = ("MLFLOW_", "CLOUDSDK_", "GOOGLE_", "GCE_")
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(dropped) or key == "MLFLOW_RECONCILE_CACHE"
    }


@contextmanager
def sandbox() -> Generator[Bench]:
    """A sandbox of one's own under /tmp (socket paths are short, and PostgreSQL's user may enter), gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
    home.chmod(0o755)
    env = {**plain_env(), "MLFLOW_RECONCILE_SANDBOX_HOME": str(home / "s")}
    started = run("sandbox", "start", "--port", str(free_port()), env=env)
    if started.code != 0:
        raise AssertionError(f"the sandbox did not start: {started.said}")
    endpoint = started.out.split(" at ", 1)[1].split()[0]
    try:
        yield Bench(endpoint, home / "s", env)
    finally:
        run("sandbox", "stop", env=env)
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
