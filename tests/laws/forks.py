"""`mlflow-reconcile` without its start-up: each run is forked off a process that has loaded everything already.

Loading Google's libraries is most of what a run on a sandbox takes, and a search makes thousands of runs.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from reconciler.cli.main import COMMANDS, main
from tests.scenarios.command import ROOT, Ended
from tests.standin import deploy

_LOADED = (
    *(f"reconciler.cli.{command}_command" for command in COMMANDS),
    "google.cloud.run_v2",
    "google.cloud.secretmanager_v1",
    "google.cloud.storage",
    "google.iam.v1.policy_pb2",
    "googleapiclient.discovery",
    "google_auth_httplib2",
)
_LOOK = 0.02
"""Seconds between two looks at who has ended."""


@dataclass
class Run:
    """One run of the command, which may be killed."""

    out: Path
    err: Path
    pid: int = 0
    code: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """SIGKILL, where it has not ended."""
        if self.begun.wait(60) and not self.over.is_set():
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> Ended:
        """How it ended; killed where it has not after *seconds*."""
        if not self.over.wait(seconds):
            self.kill()
            raise TimeoutError(f"{self.pid} did not end within {seconds} s")
        ended = Ended(self.code, self.out.read_text(), self.err.read_text())
        self.out.unlink()
        self.err.unlink()
        return ended


class Forks:
    """The process that everything is forked off; used as a context. The server's image is built from *image*."""

    def __init__(self, image: Path) -> None:
        self._image = image
        self._folder = Path(tempfile.mkdtemp(prefix="forks-"))
        self._lock = threading.Lock()
        self._runs: list[Run] = []

    def __enter__(self) -> Forks:
        command = [sys.executable, "-m", "tests.laws.forks", str(self._image)]
        self._server = subprocess.Popen(
            command, cwd=ROOT, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()
        for left in self._folder.iterdir():
            left.unlink()
        self._folder.rmdir()

    def run(self, *arguments: str, env: Mapping[str, str]) -> Run:
        """Begin `mlflow-reconcile` with *arguments*."""
        with self._lock:
            number = len(self._runs)
            run = Run(self._folder / f"{number}.out", self._folder / f"{number}.err")
            self._runs.append(run)
            asked = {"number": number, "arguments": arguments, "env": dict(env)}
            assert self._server.stdin
            self._server.stdin.write(json.dumps({**asked, "out": str(run.out), "err": str(run.err)}) + "\n")
        return run

    def _listen(self) -> None:
        for line in self._server.stdout or ():
            told: dict[str, int] = json.loads(line)
            run = self._runs[told["number"]]
            if "pid" in told:
                run.pid = told["pid"]
                run.begun.set()
            else:
                run.code = told["code"]
                run.over.set()


def _serve() -> None:
    """Fork what is asked for on stdin, a line of JSON each; say when each begins and ends. Until stdin is closed."""
    for module in _LOADED:
        importlib.import_module(module)
    deploy.use(Path(sys.argv[1]))
    running: dict[int, int] = {}
    pending = b""
    while True:
        if select.select([0], [], [], _LOOK if running else None)[0]:
            received = os.read(0, 1 << 16)
            if not received and not running:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                asked = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become(asked)
                running[pid] = asked["number"]
                _tell(number=asked["number"], pid=pid)
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            _tell(number=running.pop(pid), code=os.waitstatus_to_exitcode(status))


def _become(asked: Mapping[str, Any]) -> NoReturn:
    """Be the command: its environment, its arguments, its output."""
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["mlflow-reconcile", *asked["arguments"]]
    for number, name in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        opened = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(**fields: int) -> None:
    os.write(1, (json.dumps(fields) + "\n").encode())


if __name__ == "__main__":
    _serve()
