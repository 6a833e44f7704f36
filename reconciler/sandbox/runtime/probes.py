"""Startup and liveness probes, really made as Cloud Run's: TCP connections, HTTP/1.1 requests, gRPC health checks."""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable

from reconciler.sandbox.runtime.revision import Container, Probe
from reconciler.sandbox.runtime.upstream import Outgoing, UpstreamError

_STEP = 0.03
_KINDS = {"tcp": "TCP", "http": "HTTP", "grpc": "GRPC"}
_SERVING = b"\x08\x01"
"""A HealthCheckResponse whose status is SERVING."""


def passes(probe: Probe, port: int, exited: threading.Event) -> bool:
    """Probe until it passes; False when the time is over or the container is gone.

    Cloud Run tries once in a period. Here a container that does not pass is tried again at once, within the same time
    in all, so that a start takes as long as the container needs and no longer.
    """
    if exited.wait(probe.initial_delay):
        return False
    deadline = time.monotonic() + probe.budget - probe.initial_delay
    while time.monotonic() < deadline:
        if answers(probe, port):
            return True
        if exited.wait(_STEP):
            return False
    return False


def fails(probe: Probe, port: int, exited: threading.Event, noted: Callable[[int], None]) -> bool:
    """Probe once in a period until it failed as often in a row as it may: True; False when the container is gone.

    `noted` is told how often it has failed by then, each time that it does.
    """
    failures = 0
    if exited.wait(probe.initial_delay):
        return False
    while not exited.wait(probe.period):
        if answers(probe, port):
            failures = 0
            continue
        failures += 1
        noted(failures)
        if failures >= probe.failures:
            return not exited.is_set()
    return False


def words(what: str, probe: Probe, container: Container, ended: str) -> str:
    """Cloud Run's sentence, without its full stop, on a probe: `what` is "STARTUP" or "LIVENESS"."""
    default = probe.kind == "tcp" and (probe.period, probe.failures) == (240, 1)
    name = container.name or f"{container.image.partition('@')[0].rsplit('/', 1)[-1].partition(':')[0]}-1"
    path = f' path "{probe.path}"' if probe.kind == "http" else ""
    number = probe.port or container.port
    kind = f"{'Default ' if default else ''}{what} {_KINDS[probe.kind]}"
    return f'{kind} probe {ended} for container "{name}" on port {number}{path}'


def answers(probe: Probe, port: int) -> bool:
    """Whether the probe passes once; `port` is the container's own."""
    where = probe.port or port
    if probe.kind == "tcp":
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", where), probe.timeout):
            return True
        return False
    return _healthy(probe, where) if probe.kind == "grpc" else _answers_http(probe, where)


def _answers_http(probe: Probe, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=probe.timeout)
    try:
        headers = {"User-Agent": "GoogleHC/1.0", **dict(probe.headers)}
        connection.request("GET", probe.path or "/", headers=headers)
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _healthy(probe: Probe, port: int) -> bool:
    """The gRPC health checking protocol: one unary call of grpc.health.v1.Health.Check."""
    from reconciler.sandbox.runtime.upstream_h2 import H2Connection

    service = probe.path.encode()
    message = b"\x0a" + bytes([len(service)]) + service if service else b""
    call = Outgoing(
        method="POST",
        target="/grpc.health.v1.Health/Check",
        host=f"127.0.0.1:{port}",
        headers=[("content-type", "application/grpc"), ("te", "trailers")],
        body=iter([struct.pack(">BI", 0, len(message)) + message]),
    )
    try:
        connection = H2Connection(port, probe.timeout)
    except OSError:
        return False
    try:
        answer = b"".join(connection.exchange(call, probe.timeout).body)
    except (OSError, UpstreamError):
        return False
    finally:
        connection.close()
    return answer[5:].startswith(_SERVING)
