"""A sandbox in this process, for the runner: projects on demand, and one HTTP request at a time."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from reconciler.sandbox.seeding import create_project
from reconciler.sandbox.server import Server, build_world
from reconciler.sandbox.world import World


@dataclass(frozen=True)
class Got:
    """What the sandbox answered; *body* is None where it was empty, and text where it was no JSON."""

    status: int
    body: Any


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    world: World
    port: int

    def project(self, project_id: str) -> tuple[str, str]:
        """(id, number) of a project, made where it is missing."""
        project = create_project(self.world, project_id)
        return project.project_id, project.number

    def begin_on(self, day: str) -> None:
        """Have the sandbox's clock go on from *day*, so that it answers as Google Cloud did then; "" for today."""
        lag = datetime.now(UTC) - datetime.fromisoformat(f"{day}T12:00:00+00:00") if day else timedelta()
        self.world.clock = lambda: datetime.now(UTC) - lag

    def call(
        self, method: str, host: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Got:
        """One request to the API at *host*; *path* is undecoded text as it is written in recordings."""
        target = quote(path, safe="/:@-._~$!()*,;=+%") + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        headers = {"Host": host, **({"Content-Type": "application/json"} if content else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return Got(answer.status, json.loads(text) if text else None)
        except ValueError:
            return Got(answer.status, text.decode("utf-8", "replace"))


@contextmanager
def running() -> Generator[Sandbox]:
    """A fresh sandbox that checks its own answers; it ends, with everything it runs, when the block does."""
    # PostgreSQL's own user has to pass through the folder, and the paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="mc", dir="/tmp"))
    folder.chmod(0o711)
    world = build_world(folder / "h", 0)
    server = Server(world, strict=True)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("The sandbox did not come up within 60 s.")
        yield Sandbox(world, server.port)
    finally:
        server.stop()
        thread.join(60)
        shutil.rmtree(folder, ignore_errors=True)


def token() -> str:
    """A random word that may stand in any resource name."""
    return "x" + secrets.token_hex(5)
