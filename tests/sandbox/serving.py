"""A sandbox in the test's own process, for tests that need to reach its world."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from reconciler.sandbox.server import Server


@contextmanager
def served(server: Server) -> Generator[int]:
    """The port of *server* while it serves; afterwards it is stopped in order."""
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(30)
        yield server.port
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
