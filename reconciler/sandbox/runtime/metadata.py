"""The metadata server of one container: answers as Google's does for the service account that it runs as."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from reconciler.sandbox.world import Visit, World

_FLAVOR = ("Metadata-Flavor", "Google")
_ROOT = "/computeMetadata/v1/"
_SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
)
_RENEW_BEFORE = 300
_LIFETIME = 3600


@dataclass(frozen=True)
class Subject:
    """Whose metadata is served, and where the container is said to run."""

    email: str
    project: str
    number: str
    region: str


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    text: str
    kind: str = "application/text"


def server(world: World, subject: Subject) -> Callable[[Visit], None]:
    """What answers the requests of one container."""
    token = _Token(world, subject)

    def accept(visit: Visit) -> None:
        reply = answer(world, subject, visit, token.current)
        body = reply.text.encode()
        headers = [_FLAVOR, ("Server", "Metadata Server for VM"), ("Content-Type", reply.kind)]
        visit.respond(reply.status, [*headers, ("Content-Length", str(len(body)))], body)

    return accept


class _Token:
    """The container's access token, kept until five minutes before its end, as Google's server does."""

    def __init__(self, world: World, subject: Subject) -> None:
        self._mint = lambda: world.identities.mint_access_token(f"serviceAccount:{subject.email}", _LIFETIME)
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def current(self) -> tuple[str, int]:
        with self._lock:
            if time.monotonic() > self._until - _RENEW_BEFORE:
                self._token, self._until = self._mint(), time.monotonic() + _LIFETIME
            return self._token, int(self._until - time.monotonic())


def answer(world: World, subject: Subject, visit: Visit, token: Callable[[], tuple[str, int]]) -> Reply:
    """The answer to one request, by Google's documentation of the metadata server on Cloud Run."""
    address = urlsplit(visit.target)
    if address.path == "/":
        return Reply(200, "computeMetadata/\n")
    if (visit.header("Metadata-Flavor") or "").lower() != "google":
        return Reply(403, "Missing required header: Metadata-Flavor: Google\n")
    if visit.header("X-Forwarded-For") is not None:
        return Reply(403, "Requests with the header X-Forwarded-For are refused\n")
    path = address.path.removeprefix(_ROOT)
    fixed = _fixed(subject).get(path)
    if fixed is not None and path != address.path:
        return Reply(200, fixed)
    for name in ("default", subject.email):
        account = f"instance/service-accounts/{name}/"
        if path.startswith(account) or path + "/" == account:
            return _account(world, subject, path[len(account) :], parse_qs(address.query), token)
    return Reply(404, f"The requested URL {address.path} was not found on this server.\n")


def _fixed(subject: Subject) -> dict[str, str]:
    return {
        "": "instance/\nproject/\n",
        "project/project-id": subject.project,
        "project/numeric-project-id": subject.number,
        "instance/region": f"projects/{subject.number}/regions/{subject.region}",
        "instance/zone": f"projects/{subject.number}/zones/{subject.region}-1",
        "instance/service-accounts/": f"default/\n{subject.email}/\n",
        "universe/universe-domain": "googleapis.com",
        "universe/universe_domain": "googleapis.com",
    }


def _account(
    world: World,
    subject: Subject,
    path: str,
    query: dict[str, list[str]],
    token: Callable[[], tuple[str, int]],
) -> Reply:
    if path == "" and query.get("recursive", [""])[0].lower() == "true":
        whole = {"aliases": ["default"], "email": subject.email, "scopes": list(_SCOPES)}
        return Reply(200, json.dumps(whole), "application/json")
    if path == "":
        return Reply(200, "aliases\nemail\nidentity\nscopes\ntoken\n")
    if path == "token":
        value, seconds = token()
        whole = {"access_token": value, "expires_in": seconds, "token_type": "Bearer"}
        return Reply(200, json.dumps(whole), "application/json")
    if path == "identity":
        audience = query.get("audience", [""])[0]
        if not audience:
            return Reply(400, "non-empty audience parameter required\n")
        return Reply(200, world.identities.mint_id_token(subject.email, audience))
    texts = {"email": subject.email, "aliases": "default\n", "scopes": "\n".join(_SCOPES) + "\n"}
    if path in texts:
        return Reply(200, texts[path])
    return Reply(404, "not found\n")
