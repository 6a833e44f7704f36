"""What a service and the runtime are given: the World, and the values that travel between the parts.

A service is a module in `services/` with
    API = "secretmanager"            # the discovery document's name
    VERSIONS = ("v1",)               # the documents it serves
    def methods(world: World) -> dict[str, Method]
where a key is the discovery id without the API ("projects.secrets.get") and a Method takes a Request and returns a
mapping (a 200 JSON answer) or an Answer, or raises errors.ApiError. Every module in `services/` is served; two modules
may serve one API (storage and storage_objects), and a key may be given for one version only by checking
`request.version`. `methods` also registers what the module's operations do: world.operations.register(kind, work).

Before a method runs, the framework has routed the request, checked parameters and body against Google's document
(unknown names, types, enums; output-only fields are dropped, enum numbers became names), found the caller, the
project (403 where it does not exist), that the API is enabled in it (403 where it is not) and that the caller may.

The runtime is a module `runtime/engine.py` with `def open_runtime(world: World) -> Runtime`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from reconciler.sandbox.iam.identities import Identities
from reconciler.sandbox.iam.policies import Policies
from reconciler.sandbox.operations import Operations
from reconciler.sandbox.projects import Projects
from reconciler.sandbox.store import Store
from reconciler.sandbox.weather.conditions import Conditions

Headers = Sequence[tuple[str, str]]
Content = bytes | Iterable[bytes]
"""An answer's body; an iterable is streamed, and closed when the client goes away."""


@dataclass(frozen=True)
class Request:
    """One API call, checked against Google's document."""

    api: str
    """"secretmanager"; *version* is "v1"; *method_id* is "projects.secrets.get"."""
    version: str
    method_id: str
    params: Mapping[str, Any]
    """Path and query parameters by their discovery names: str, int, bool, or list of str where repeated.
    int64 are str, as in Google's JSON. A parameter that was not sent is absent."""
    body: dict[str, Any]
    """The JSON body; {} where there is none. A field sent as null is kept where null deletes (`web.validation`)."""
    caller: str
    """An IAM member: "user:…", "serviceAccount:…" or "anonymous"."""
    project: str
    """The id of the project that the request names, or "" (Cloud Storage names buckets, not projects)."""
    headers: Mapping[str, str]
    """Lower-case names."""
    host: str
    base_url: str
    """Where the caller reached the sandbox: "https://storage.googleapis.com" or "http://127.0.0.1:9470"."""
    http_method: str = "GET"
    path: str = ""
    """Undecoded path with the query: "/v1/projects/p/secrets?pageSize=3"."""
    raw: bytes = b""
    stream: BinaryIO | None = None
    """The unread body of a media upload; None elsewhere (then *raw* and *body* hold it)."""
    media: bool = False
    """Reached through the /upload/ or /download/ path of the method."""
    check_body: Callable[[Any], dict[str, Any]] = dict
    """Checks a body that the framework could not see (inside a multipart upload) as it would have."""


@dataclass(frozen=True)
class Answer:
    """An answer that is not plain JSON with 200."""

    status: int = 200
    body: Mapping[str, Any] | Content = b""
    headers: Headers = ()


Method = Callable[[Request], Mapping[str, Any] | Answer]


class CutOff(Exception):
    """The connection breaks off (a TCP reset) in place of an answer."""


class Respond(Protocol):
    """Sends the one answer of a Visit.

    Without a Content-Length header an iterable goes out chunked. Raises OSError when the client is gone;
    the iterable is closed in any case.
    """

    def __call__(self, status: int, headers: Headers, content: Content, /) -> None:
        """Send it."""
        ...


@dataclass(frozen=True)
class Visit:
    """One HTTP request for something that is not an API: a Cloud Run service, the metadata server.

    HTTP/1.1 only; the answer goes out through *respond*, exactly once.
    """

    method: str
    target: str
    """Path and query as sent, undecoded: "/api/2.0/x?y=z"."""
    headers: Headers
    """As sent, in order, names as the client wrote them."""
    body: BinaryIO
    """Exactly this request's body (Content-Length or chunked, already unchunked); read to b"" at its end."""
    host: str
    """The host asked for, without port: "mlflow-123456789012.europe-west9.run.app" or "127.0.0.1"."""
    scheme: str
    """"https" where it came through the TLS proxy, else "http"."""
    peer: tuple[str, int]
    local_port: int
    """The port it arrived on: a service's own port, or the sandbox's."""
    respond: Respond

    def header(self, name: str) -> str | None:
        """The first header of that name, case ignored."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def endpoint(self) -> str:
        """Where the caller reached the sandbox: "https://storage.googleapis.com" or "http://127.0.0.1:9470"."""
        port = f":{self.local_port}" if self.host in ("127.0.0.1", "localhost") else ""
        return f"{self.scheme}://{self.host}{port}"


class Runtime(Protocol):
    """What really runs: databases, containers, front door, metadata server."""

    def front_door(self, visit: Visit) -> None:
        """Answer a request to a *.run.app host (on the sandbox's port, plain or TLS)."""
        ...

    def metadata(self, visit: Visit) -> None:
        """Answer a request to metadata.google.internal that came through the proxy."""
        ...

    def services(self) -> list[dict[str, Any]]:
        """For the status page: {"project", "region", "name", "url", "local_url", "state"}."""
        ...

    def instances(self) -> list[dict[str, Any]]:
        """The same of databases: {"project", "region", "name", "version", "served_by", "state", "socket"}."""
        ...

    def start(self) -> None:
        """After a start of the sandbox: bring up what its state says should run. Returns quickly."""
        ...

    def stop(self) -> None:
        """Stop every process and port in order; returns when they are gone."""
        ...


Accept = Callable[[Visit], None]
Listen = Callable[[int, Accept], "Listening"]


class Listening(Protocol):
    """A port that is being served on 127.0.0.1."""

    port: int

    def close(self) -> None:
        """Stop accepting, and free the port."""
        ...


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass
class World:
    """Everything there is, for one sandbox. Only *runtime* changes after it is built."""

    home: Path
    port: int
    store: Store
    projects: Projects
    identities: Identities
    policies: Policies
    operations: Operations
    conditions: Conditions
    """How this Google Cloud behaves today: what takes time, fails or is forbidden."""
    listen: Listen
    """Serve a further port of 127.0.0.1 (0: any free one) with the same HTTP code: one Visit per request.
    Raises OSError where the port is taken."""
    clock: Callable[[], datetime] = utc_now
    runtime: Runtime | None = None

    def now(self) -> str:
        """The time as Google writes it: 2026-01-31T10:00:00.123456Z."""
        return timestamp(self.clock())


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stamp(moment: datetime) -> str:
    """The same with milliseconds, as Cloud Storage writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
