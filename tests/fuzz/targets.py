"""What is fuzzed, each as a function of bytes that raises AssertionError where a promise is broken."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from reconciler import errors, sealed
from reconciler.render import markdown, text
from reconciler.sandbox.seeding import create_project
from reconciler.sandbox.server import Server, build_world
from reconciler.spec.load import load, read
from tests.fuzz.seeds import APIS, PROJECT, request
from tests.render.sample import everything
from tests.sandbox.serving import served

SECONDS = 5.0
"""What any one input may take."""
NEVER = (b"stop", b"conditions", b"latency", b"hang")
"""Words of the sandbox's own administration, which does as it is told: stop, or be slow."""


def legible(said: str) -> None:
    """Holds that *said* may be printed: no escape, nothing that is no character."""
    said.encode()
    assert all(line.isprintable() for line in said.split("\n")), repr(said[:300])


@contextlib.contextmanager
def bounded() -> Generator[None]:
    """Holds that what is inside takes no longer than one input may."""
    began = time.monotonic()
    yield
    taken = time.monotonic() - began
    assert taken < SECONDS, f"{taken:.1f} s"


def spec(folder: Path, data: bytes) -> bool:
    """One spec file: a deployment or findings. Whether it is one."""
    path = folder / "any.yaml"
    path.write_bytes(data)
    with bounded():
        deployment, findings = read(path)
    legible("\n".join(map(str, findings)))
    assert (deployment is None) == any(finding.severity == "error" for finding in findings)
    if deployment is None:
        with contextlib.suppress(errors.SpecInvalid):
            load(path)
            raise AssertionError("read refuses what load takes")
    return deployment is not None


def plan_file(folder: Path, data: bytes, *, sealing: bool = False) -> bool:
    """One plan file: read, or refused in one line. With *sealing*, its seal is made to fit first. Whether it is one."""
    path = folder / "any.json"
    if sealing:
        with contextlib.suppress(ValueError, RecursionError):
            found: Any = json.loads(data)
            if isinstance(found, dict):
                body = cast("dict[str, Any]", found)
                body.pop("seal", None)
                data = json.dumps({**body, "seal": sealed.seal_of(body)}).encode()
    path.write_bytes(data)
    with bounded():
        sealed.is_sealed(str(path))
        try:
            seal = sealed.read(str(path))
        except errors.PlanStale as refused:
            legible(refused.message)
            return False
        sealed.state_of_spec(seal)
        legible(text.render(seal.plan) + markdown.render(seal.plan))
    return True


def plan_seed(folder: Path) -> bytes:
    """A plan file with every action in it."""
    (folder / "mlflow.yaml").write_text("version: 1\n", encoding="utf-8")
    sealed.save(replace(everything(), spec=str(folder / "mlflow.yaml")), str(folder / "seed.json"))
    return (folder / "seed.json").read_bytes()


def exchange(port: int, data: bytes, pieces: int = 1) -> bytes:
    """What comes back for *data*, sent in so many pieces and then no more; b"" where the other side just closes."""
    received = b""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), SECONDS) as sock:
        size = len(data) // pieces + 1
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), size):
                sock.sendall(data[at : at + size])
            sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65536):
            received += piece
    return received


@dataclass
class Http:
    """A sandbox in this process; what goes wrong in its threads, or is printed, is kept in *wrong*."""

    port: int
    wrong: list[str] = field(default_factory=list[str])

    def request(self, data: bytes, pieces: int = 1) -> None:
        """One connection: proper answers only, no fault inside, and the next one is served."""
        if any(word in data.lower() for word in NEVER):
            return
        with bounded():
            received = exchange(self.port, data, pieces)
        assert not received or received.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), received[:80]
        assert b"HTTP/1.1 500" not in received, received[:600]
        assert not self.wrong, self.wrong
        assert exchange(self.port, ALIVE).startswith(b"HTTP/1.1 200")


ALIVE = b"GET /sandbox/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextlib.contextmanager
def sandbox() -> Generator[Http]:
    """A sandbox with a project in it, which is watched."""
    with tempfile.TemporaryDirectory(prefix="ms", dir="/tmp", ignore_cleanup_errors=True) as folder:
        world = build_world(Path(folder) / "h", 0)
        create_project(world, PROJECT)
        with served(Server(world, strict=True)) as port, watched() as wrong:
            wanted = json.dumps({"serviceIds": [f"{api}.googleapis.com" for api in APIS]}).encode()
            path = f"/v1/projects/{PROJECT}/services:batchEnable".encode()
            exchange(port, request(b"POST", path, b"serviceusage.googleapis.com", (), wanted))
            bucket = f"/storage/v1/b?project={PROJECT}".encode()
            exchange(port, request(b"POST", bucket, b"storage.googleapis.com", (), b'{"name":"fuzz"}'))
            yield Http(port, wrong)


@contextlib.contextmanager
def watched() -> Generator[list[str]]:
    """Every exception that ends a thread, and every traceback that is printed meanwhile."""
    wrong: list[str] = []
    hook, stream = threading.excepthook, sys.stderr
    threading.excepthook = lambda told: wrong.append(repr(told.exc_value))
    sys.stderr = _Watcher(stream.write, wrong)
    try:
        yield wrong
    finally:
        threading.excepthook, sys.stderr = hook, stream


class _Watcher:
    """Standard error, of which tracebacks are kept."""

    def __init__(self, write: Callable[[str], int], wrong: list[str]) -> None:
        self._write, self._wrong = write, wrong

    def write(self, said: str) -> int:
        """Pass on what is said."""
        if "Traceback" in said or "DOES NOT FIT" in said:
            self._wrong.append(said)
        return self._write(said)

    def flush(self) -> None:
        """Nothing is held back."""
