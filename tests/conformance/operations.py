"""Long-running operations, whatever API they are of."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from tests.conformance.cloud import Got, Sandbox
from tests.conformance.recordings import fields_of

PATIENCE: Final = 90.0
"""Seconds that an operation may take before its last answer is taken as it is."""
PAUSE: Final = 0.02


def is_operation(body: Mapping[str, Any]) -> bool:
    """Whether an answer is an operation."""
    if str(body.get("kind", "")).endswith("#operation"):
        return True
    return "operations/" in str(body.get("name", "")) or ("done" in body and "name" in body)


def done(body: Any) -> bool:
    """Whether an operation says that it is done."""
    fields = fields_of(body)
    return bool(fields.get("done")) or fields.get("status") == "DONE"


def settle(sandbox: Sandbox, host: str, path: str, query: Mapping[str, str] | None = None) -> Got:
    """The operation once it is done, or what else is answered in its place; after PATIENCE as it is then."""
    until = time.monotonic() + PATIENCE
    got = sandbox.call("GET", host, path, query)
    while got.status == 200 and not done(got.body) and time.monotonic() < until:
        time.sleep(PAUSE)
        got = sandbox.call("GET", host, path, query)
    return got


def operation_path(path: str, body: Mapping[str, Any]) -> str:
    """Where the operation that a request to *path* started is read."""
    if link := body.get("selfLink"):
        return re.sub(r"^https://[^/]+", "", str(link))
    return f"/{path.split('/')[1]}/{body['name']}"
