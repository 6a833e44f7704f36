"""How the command line reaches a sandbox's process: by its port and its process id."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import SandboxError

POLL_SECONDS: Final = 0.02


def ask(
    port: int, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = 10.0
) -> dict[str, Any] | None:
    """The JSON answer of whatever listens on *port*; None where nothing sensible does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, None if method == "GET" else json.dumps(body or {}))
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None


def check_port(port: int) -> None:
    """Raise SandboxError where *port* cannot be listened on; says whose it is where that is a sandbox's."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except (OSError, OverflowError) as error:
        text = f"Port {port} cannot be used: {getattr(error, 'strerror', None) or error}."
        answer = ask(port, "GET", "/sandbox/v1/status", seconds=1.0) or {}
        if "home" in answer:
            text = f"Port {port} belongs to the sandbox of {answer['home']}."
        way_out = "Choose another one: mlflow-reconcile sandbox start --port N (it is remembered)."
        raise SandboxError(text, way_out) from error


def gone(pid: int, seconds: float) -> bool:
    """Whether process *pid* ends within *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            # Where this very process started it, it stays a zombie until somebody asks.
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_SECONDS)
    return False
