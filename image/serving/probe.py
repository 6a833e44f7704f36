"""What anybody may ask: does MLflow answer from its database? Yes or no is all that is told.

Google's uptime check has no login, and /health is 200 without a database. An answer is good for some seconds, and there
is never more than one question at a time in each worker: whoever asks without end makes no load.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

PATH: Final = "/health/database"
KEPT_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 30.0
"""Longer than SQLAlchemy waits for a free connection is not needed; Google's check gives up after a minute."""
_ASKING: Final = ("GET", "HEAD")
_TEXT: Final = {200: b"OK\n", 405: b"ask with GET\n", 503: b"the database does not answer\n"}

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Probe:
    """An ASGI application before MLflow's own: answers PATH itself, whatever login MLflow asks for."""

    def __init__(self, app: Any, ask: Callable[[], object]) -> None:
        self._app = app
        self._ask = ask
        self._asking: asyncio.Task[int] | None = None
        self._answer = 0
        self._until = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        status = await self._status() if scope["method"] in _ASKING else 405
        text = _TEXT[status]
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})

    async def _status(self) -> int:
        if time.monotonic() < self._until:
            return self._answer
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._look())
        done, _ = await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)
        return self._answer if done else 503

    async def _look(self) -> int:
        try:
            await asyncio.to_thread(self._ask)
        except Exception as error:
            sys.stderr.write(f"entrypoint: the database does not answer a probe: {type(error).__name__}\n")
            self._answer = 503
        else:
            self._answer = 200
        self._until = time.monotonic() + KEPT_SECONDS
        return self._answer


def ask_mlflow() -> None:
    """Look for an experiment through MLflow's own store, with its own connections. Raises where that fails."""
    handlers: Any = importlib.import_module("mlflow.server.handlers")
    handlers._get_tracking_store().search_experiments(max_results=1)
