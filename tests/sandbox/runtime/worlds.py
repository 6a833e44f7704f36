"""A small world without services, and visits to it, for tests of the runtime's parts."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.sandbox.iam.identities import Identities
from reconciler.sandbox.iam.policies import Policies
from reconciler.sandbox.operations import Operations
from reconciler.sandbox.projects import Projects
from reconciler.sandbox.store import Store
from reconciler.sandbox.weather.conditions import Conditions
from reconciler.sandbox.web.wire import Listener
from reconciler.sandbox.world import Content, Headers, Visit, World, utc_now


def make_world(home: Path) -> World:
    """A world in `home`, with a project test-project."""
    store = Store(home / "state.db")
    projects = Projects(store, lambda: "2026-01-01T00:00:00Z")
    projects.create("test-project")
    return World(
        home=home,
        port=0,
        store=store,
        projects=projects,
        identities=Identities(store, home / "keys", utc_now),
        policies=Policies(store, lambda _: True),
        operations=Operations(store, lambda: "2026-01-01T00:00:00Z"),
        conditions=Conditions(store, utc_now),
        listen=Listener,
    )


@dataclass
class Answered:
    """The answer to a visit."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


def visit(
    serve: Callable[[Visit], None],
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    host: str = "127.0.0.1",
) -> Answered:
    """Make one request of `serve` and return its answer; `Content-Length` is added to a body."""
    answered = Answered()

    def respond(status: int, sent: Headers, content: Content, /) -> None:
        answered.status = status
        answered.headers = dict(sent)
        pieces: Iterable[bytes] = [content] if isinstance(content, bytes) else content
        answered.body = b"".join(pieces)

    given = {**({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
    serve(
        Visit(
            method=method,
            target=target,
            headers=list(given.items()),
            body=io.BytesIO(body),
            host=host,
            scheme="http",
            peer=("127.0.0.1", 5),
            local_port=9480,
            respond=respond,
        )
    )
    return answered
