"""Startup probes, really made: TCP connections and HTTP/1.1 requests, as Cloud Run's."""

import contextlib
import http.client
import socket
import threading
import time

from reconciler.sandbox.runtime.revision import Probe

_STEP = 0.03


def passes(probe: Probe, port: int, exited: threading.Event) -> bool:
    """Probe until it passes; False when the time is over or the container is gone.

    Cloud Run tries once in a period. Here a closed port is tried again at once, within the same time in all,
    so that a start takes as long as the container needs and no longer.
    """
    if exited.wait(probe.initial_delay):
        return False
    deadline = time.monotonic() + probe.budget - probe.initial_delay
    while time.monotonic() < deadline:
        if _answers(probe, port):
            return True
        if exited.wait(_STEP):
            return False
    return False


def _answers(probe: Probe, port: int) -> bool:
    if probe.kind == "tcp":
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), probe.timeout):
            return True
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=probe.timeout)
    try:
        headers = {"User-Agent": "GoogleHC/1.0", **dict(probe.headers)}
        connection.request("GET", probe.path or "/", headers=headers)
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
