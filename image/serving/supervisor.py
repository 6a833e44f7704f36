"""Starts the server's parts, opens the port when MLflow answers, and ends them together.

It lives as long as the container and does next to nothing, so it imports next to nothing: every module here is memory
for life.
"""

import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from .environment import PART_DIED, Settings

DRAIN_SECONDS: Final = 8.5
"""For requests in flight after SIGTERM. Cloud Run kills after 10 s, and MLflow wants the rest to end in order."""
_MLFLOW_END_SECONDS: Final = 1.0
_LOGIN: Final = ("FRONT_USERNAME", "FRONT_PASSWORD")
_SECRETS: Final = (
    "MLFLOW_DB_PASSWORD",
    "FRONT_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "OIDC_CLIENT_SECRET",
    "SECRET_KEY",
)


@dataclass(frozen=True)
class Ended:
    """A part that is no more: its name, and its exit code or 128 + signal."""

    name: str
    code: int


class Asked:
    """Somebody asked the whole to stop, with SIGTERM or Ctrl-C."""


@dataclass
class Parts:
    """The processes, each the leader of its own group, so that a group can be ended when its leader is dead."""

    run_dir: str
    wake: int
    """The read end of the pipe into which signals are written."""
    running: dict[int, str] = field(default_factory=dict[int, str])
    groups: list[int] = field(default_factory=list[int])

    def start(self, name: str, command: list[str], environ: dict[str, str]) -> None:
        """Start a part with exactly this environment."""
        pid = os.posix_spawn(
            command[0],
            command,
            environ,
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT],
        )
        self.running[pid] = name
        self.groups.append(pid)
        with open(f"{self.run_dir}/groups", "a") as file:  # noqa: PTH123 -- pathlib is memory for life
            file.write(f"{pid}\n")

    def pid(self, name: str) -> int | None:
        """The part's process, None where it is not running."""
        return next((pid for pid, running in self.running.items() if running == name), None)

    def signal(self, name: str, number: int) -> None:
        """Signal a part if it is running."""
        if (pid := self.pid(name)) is not None:
            os.kill(pid, number)

    def wait(self, seconds: float | None) -> Ended | Asked | None:
        """The next thing that happens: a part ended, somebody asked to stop, or None when the time is over."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            if ended := self._reap():
                return ended
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return None
            if select.select([self.wake], [], [], left)[0]:
                numbers = os.read(self.wake, 512)
                if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                    return Asked()

    def _reap(self) -> Ended | None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            name = self.running.pop(pid, None)  # as process 1 of a container it also inherits orphans
            if name:
                code = os.waitstatus_to_exitcode(status)
                return Ended(name, code if code >= 0 else 128 - code)

    def end(self) -> None:
        """Kill whatever is left of every group."""
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # macOS answers EPERM for a group of zombies
        while self.running:
            if self.wait(1) is None:
                break


def serve(settings: Settings, entrypoint: str) -> int:
    """Run the server until it is asked to stop or a part of it ends, and return the exit code."""
    if trouble := _port_trouble(settings):
        _say(trouble)
        return 1
    wake = _signals_as_bytes()
    run_dir = _private_folder()
    parts = Parts(run_dir, wake)
    # Held open for life and never written to: when it closes, however this process ended, MLflow's guard sees it.
    guard, alive = os.pipe()
    os.set_inheritable(guard, True)
    try:
        return _live(settings, entrypoint, parts, guard)
    finally:
        parts.end()
        import shutil

        shutil.rmtree(run_dir, ignore_errors=True)
        os.close(alive)


def _live(settings: Settings, entrypoint: str, parts: Parts, guard: int) -> int:
    environ = {**os.environ, "SERVING_RUN_DIR": parts.run_dir, "SERVING_GUARD": str(guard)}
    python = [sys.executable, entrypoint]
    front_less = {name: value for name, value in environ.items() if name not in _LOGIN}
    parts.start("mlflow", [*python, ".mlflow"], front_less)
    parts.start("ready", [*python, ".ready"], environ)
    event = parts.wait(None)
    if isinstance(event, Asked):
        _say("asked to stop during the start")
        return 0
    if event != Ended("ready", 0):
        return _blame(event)
    public = {name: value for name, value in environ.items() if name not in _SECRETS}
    nginx = [
        f"{parts.run_dir}/nginx",
        "-p",
        parts.run_dir,
        "-c",
        f"{parts.run_dir}/nginx.conf",
        "-e",
        "stderr",
    ]
    parts.start("nginx", nginx, public)
    if settings.jobs:
        parts.start("jobs", [*python, ".jobs"], environ)
    _say(f"MLflow answers; nginx opens {settings.address}:{settings.port}")
    event = parts.wait(None)
    return _drain(parts) if isinstance(event, Asked) else _blame(event)


def _blame(event: Ended | None) -> int:
    if event is None:
        raise RuntimeError("a wait without an end ended")
    if event.name != "ready":  # that one has said what is wrong
        _say(f"{event.name} ended with {event.code}, so everything ends")
    return event.code or PART_DIED


def _drain(parts: Parts) -> int:
    """Let requests in flight finish, then end MLflow. 0 when all of them could."""
    began = time.monotonic()
    _say("asked to stop: no new requests, those in flight may finish")
    parts.signal("nginx", signal.SIGQUIT)
    parts.signal("jobs", signal.SIGTERM)
    while parts.pid("nginx") is not None:
        event = parts.wait(began + DRAIN_SECONDS - time.monotonic())
        if event is None:
            _say(f"requests in flight took longer than {DRAIN_SECONDS} s and are cut off")
            return 1
        if isinstance(event, Asked):
            _say("asked again: requests in flight are cut off")
            return 1
        # SIGQUIT ends an nginx that has not got as far as to take signals, and so has no requests either.
        if event.name == "mlflow" or (event.name == "nginx" and event.code not in (0, 128 + signal.SIGQUIT)):
            return _blame(event)
    parts.signal("mlflow", signal.SIGTERM)
    end = time.monotonic() + _MLFLOW_END_SECONDS
    while parts.pid("mlflow") is not None and parts.wait(end - time.monotonic()):
        pass
    return 0


def _signals_as_bytes() -> int:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda number, frame: None)  # noqa: ARG005 -- the byte in the pipe is what counts
    return read


def _private_folder() -> str:
    """A new folder that only this user may enter, short enough for a socket below it (104 bytes on macOS)."""
    base = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 -- the folder below it is private
    if len(base.encode()) > 70:
        base = "/tmp"  # noqa: S108 -- as above
    path = f"{base}/mlflow-{os.urandom(8).hex()}"
    os.mkdir(path, 0o700)  # noqa: PTH102 -- pathlib is memory for life
    return path


def _port_trouble(settings: Settings) -> str:
    """Why the port cannot be opened later, or "": better said now than when MLflow is up."""
    host = settings.address.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, settings.port))
        except OSError as error:
            return f"port {settings.port} of {settings.address} cannot be opened: {error.strerror}"
    return ""


def _say(text: str) -> None:
    sys.stderr.write(f"entrypoint: {text}\n")
    sys.stderr.flush()
