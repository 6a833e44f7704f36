"""The log of requests: what Cloud Run writes for each request to a service, into Cloud Logging."""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.sandbox.logs import entries
from reconciler.sandbox.runtime.container_log import identity
from reconciler.sandbox.runtime.front_headers import TRACE
from reconciler.sandbox.world import Content, Headers, Visit, World, timestamp


@dataclass
class Watched:
    """A request whose answer is looked at while it passes."""

    visit: Visit
    """The request, with an answer that is counted."""
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body."""


def watch(visit: Visit) -> Watched:
    """The same request, watched."""

    def respond(status: int, headers: Headers, content: Content, /) -> None:
        watched.status = status
        if isinstance(content, bytes):
            watched.sent = len(content)
            visit.respond(status, headers, content)
        else:
            visit.respond(status, headers, _Counted(watched, content))

    watched = Watched(dataclasses.replace(visit, respond=respond))
    return watched


class _Counted:
    """An answer's body, counted as it goes by; closed as the one that it stands for."""

    def __init__(self, watched: Watched, content: Iterable[bytes]) -> None:
        self._watched = watched
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._content:
                self._watched.sent += len(piece)
                yield piece
        finally:
            close = getattr(self._content, "close", None)
            if close is not None:
                close()


def write(world: World, revision: str, watched: Watched) -> None:
    """Keep the entry of a request that was answered by a revision; nothing where the service never had one."""
    if not revision:
        return
    who, visit = identity(world, revision), watched.visit
    seconds = time.monotonic() - watched.began
    trace = (visit.header(TRACE) or "").partition("/")[0]
    request: dict[str, Any] = {
        "requestMethod": visit.method,
        "requestUrl": f"https://{visit.header('Host') or visit.host}{visit.target}",
        "requestSize": visit.header("Content-Length") or "0",
        "status": watched.status,
        "responseSize": str(watched.sent),
        "userAgent": visit.header("User-Agent") or "",
        "remoteIp": visit.peer[0],
        "latency": f"{seconds:.9f}s",
        "protocol": "HTTP/1.1",
    }
    if referer := visit.header("Referer"):
        request["referer"] = referer
    level = "ERROR" if watched.status >= 500 else "WARNING" if watched.status >= 400 else "INFO"
    entry = {
        "timestamp": timestamp(world.clock()),
        "severity": level,
        "httpRequest": {key: value for key, value in request.items() if value != ""},
        "resource": who.monitored(),
        **({"trace": f"projects/{who.project}/traces/{trace}"} if trace else {}),
    }
    entries.of(world).write(who.project, "run.googleapis.com/requests", entry)
