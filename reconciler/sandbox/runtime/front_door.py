"""What stands in front of every Cloud Run service: who may enter, how much, how long, what is passed on.

One Visit comes in and one answer goes out; bodies stream both ways and are never held in memory.
"""

import random
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from reconciler.sandbox.identities import ANONYMOUS
from reconciler.sandbox.runtime import pages
from reconciler.sandbox.runtime.upstream import Outgoing, Pool, Received, UpstreamError
from reconciler.sandbox.world import Visit, World

HTTP1_LIMIT: Final = 32 * 1024 * 1024
_PIECE: Final = 256 * 1024
_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
    )
)
_RESET_BY_GOOGLE = frozenset(
    ("host", "content-length", "x-forwarded-proto", "forwarded", "x-serverless-authorization")
)
_TAG = re.compile(r"^(?:(?P<tag>[a-z0-9-]+)---)?(?P<rest>.+)$")


class TooLarge(Exception):
    """The body of an HTTP/1 request grew over the limit."""


class NotServing(Exception):
    """There is no instance to send the request to; the text is for the service's log."""


@dataclass(frozen=True)
class Target:
    """The instance a request goes to."""

    pool: Pool
    h2c: bool
    timeout: float


class Instances(Protocol):
    """Where instances come from."""

    def target(self, revision: str) -> Target:
        """A ready instance of the revision (full name), started where none runs. Raises NotServing."""
        ...

    def note(self, revision: str, line: str) -> None:
        """A line of the platform's own in the revision's log."""
        ...


def answer(world: World, instances: Instances, service: Mapping[str, Any], visit: Visit) -> None:
    """Answer a request for a service, given as its stored v2 body."""
    host = real_host(service)
    refusal = _refusal(world, service, visit)
    if refusal is not None:
        pages.send(visit, refusal)
        return
    revision = choose_revision(service, visit.host)
    if revision is None:
        pages.send(visit, pages.UNAVAILABLE)
        return
    try:
        target = instances.target(revision)
    except NotServing as error:
        instances.note(revision, str(error))
        pages.send(visit, pages.UNAVAILABLE)
        return
    _pass_on(instances, revision, target, visit, host)


def _pass_on(instances: Instances, revision: str, target: Target, visit: Visit, host: str) -> None:
    length = _length(visit)
    if not target.h2c and length is not None and length > HTTP1_LIMIT:
        pages.send(visit, pages.TOO_LARGE)
        return
    limit = None if target.h2c else HTTP1_LIMIT
    has_body = length is None or length > 0
    sent = length if has_body else None
    if not has_body and visit.method in ("POST", "PUT", "PATCH"):
        has_body, sent = True, 0
    outgoing = Outgoing(
        method=visit.method,
        target=visit.target,
        host=host,
        headers=_request_headers(visit, host, sent),
        body=_pieces(visit, limit) if has_body else None,
        length=sent,
    )
    try:
        received = target.pool.exchange(outgoing, target.timeout)
    except TooLarge:
        pages.send(visit, pages.TOO_LARGE)
    except TimeoutError:
        instances.note(
            revision, "The request has been terminated because it has reached the maximum request timeout."
        )
        pages.send(visit, pages.TIMED_OUT)
    except UpstreamError as error:
        instances.note(revision, f"The request failed because the instance did not answer: {error}")
        pages.send(visit, pages.UNAVAILABLE)
    else:
        _hand_back(instances, revision, target, visit, host, received)


def _hand_back(
    instances: Instances, revision: str, target: Target, visit: Visit, host: str, received: Received
) -> None:
    length = next((value for name, value in received.headers if name.lower() == "content-length"), None)
    if not target.h2c and length is not None and int(length) > HTTP1_LIMIT and visit.method != "HEAD":
        _close(received.body)
        instances.note(revision, "Response size was too large. Please consider reducing response size.")
        pages.send(visit, pages.RESPONSE_TOO_LARGE)
        return
    headers = _response_headers(visit, host, received)
    if visit.method == "HEAD" or received.status in (204, 304):
        for _ in received.body:
            pass
        visit.respond(received.status, headers, b"")
        return
    visit.respond(received.status, headers, received.body)


def _refusal(world: World, service: Mapping[str, Any], visit: Visit) -> pages.Page | None:
    if service.get("ingress") in ("INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"):
        return pages.not_found(visit.target)
    if service.get("invokerIamDisabled"):
        return None
    resource: str = service["name"]
    places = (resource, "/".join(resource.split("/")[:2]))
    if world.policies.allowed(ANONYMOUS, "run.routes.invoke", places):
        return None
    token = _token(visit)
    if token is None:
        return pages.forbidden(visit.target)
    audiences = (*service.get("urls", ()), *service.get("customAudiences", ()))
    claims = world.identities.verify_id_token(token, audiences)
    if claims is None or not claims.get("email"):
        return pages.unauthorized(visit.target)
    member = world.identities.member_of_email(claims["email"])
    if not world.policies.allowed(member, "run.routes.invoke", places):
        return pages.forbidden(visit.target)
    return None


def _token(visit: Visit) -> str | None:
    """The bearer's token; X-Serverless-Authorization leaves Authorization to the container."""
    value = visit.header("X-Serverless-Authorization") or visit.header("Authorization")
    if value is None:
        return None
    kind, _, token = value.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def real_host(service: Mapping[str, Any]) -> str:
    """The service's own host name, the deterministic one."""
    return service["urls"][0].removeprefix("https://")


def choose_revision(service: Mapping[str, Any], host: str) -> str | None:
    """The full name of the revision that this request goes to, by tag or by share of the traffic."""
    statuses: Sequence[Mapping[str, Any]] = service.get("trafficStatuses", ())
    match = _TAG.match(host)
    tag = match.group("tag") if match else None
    shares = [(one, 1) for one in statuses if one.get("tag") == tag] if tag else _shares(statuses)
    if not shares:
        return None
    chosen = random.choices([one for one, _ in shares], [share for _, share in shares])[0]  # noqa: S311 -- no secret
    if chosen.get("type") == "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION":
        return f"{service['name']}/revisions/{chosen['revision']}"
    return service.get("latestReadyRevision")


def _shares(statuses: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    return [(one, int(one.get("percent", 0))) for one in statuses if one.get("percent")]


def _length(visit: Visit) -> int | None:
    """The body's length in bytes, None where the client sends it in chunks."""
    if "chunked" in (visit.header("Transfer-Encoding") or "").lower():
        return None
    return int(visit.header("Content-Length") or 0)


def _pieces(visit: Visit, limit: int | None) -> Iterator[bytes]:
    total = 0
    read1 = getattr(visit.body, "read1", visit.body.read)
    while piece := read1(_PIECE):
        total += len(piece)
        if limit is not None and total > limit:
            raise TooLarge
        yield piece


def _request_headers(visit: Visit, host: str, length: int | None) -> list[tuple[str, str]]:
    dropped = _HOP | _RESET_BY_GOOGLE
    headers: list[tuple[str, str]] = []
    forwarded_for: list[str] = []
    for name, value in visit.headers:
        lower = name.lower()
        if lower == "x-forwarded-for":
            forwarded_for.append(value)
        elif lower in ("origin", "referer"):
            headers.append((name, _outside_in(value, visit, host)))
        elif lower == "authorization" and not visit.header("X-Serverless-Authorization"):
            headers.append((name, _unsigned(value)))
        elif lower not in dropped:
            headers.append((name, value))
    serverless = visit.header("X-Serverless-Authorization")
    if serverless:
        headers.append(("X-Serverless-Authorization", _unsigned(serverless)))
    peer = visit.peer[0]
    headers.append(("X-Forwarded-For", ",".join([*forwarded_for, peer])))
    headers.append(("X-Forwarded-Proto", "https"))
    headers.append(("Forwarded", f'for="{peer}";proto=https'))
    if visit.header("X-Cloud-Trace-Context") is None:
        headers.append(("X-Cloud-Trace-Context", f"{secrets.token_hex(16)}/{secrets.randbits(63)}"))
    if length is not None:
        headers.append(("Content-Length", str(length)))
    return headers


def _unsigned(value: str) -> str:
    """An ID token's signature is not passed on, so that the container cannot use the token as its own."""
    kind, _, token = value.partition(" ")
    if kind.lower() != "bearer" or token.count(".") != 2:
        return value
    return f"{kind} {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def _local_address(visit: Visit) -> str:
    """How the client writes the address that it came by: "http://127.0.0.1:9480"."""
    return f"{visit.scheme}://{visit.header('Host') or visit.host}"


def _outside_in(value: str, visit: Visit, host: str) -> str:
    local = _local_address(visit)
    if value == local or value.startswith(local + "/"):
        return f"https://{host}{value[len(local) :]}"
    return value


def _response_headers(visit: Visit, host: str, received: Received) -> list[tuple[str, str]]:
    local = _local_address(visit)
    plain = visit.scheme == "http"
    headers: list[tuple[str, str]] = []
    for name, value in received.headers:
        lower = name.lower()
        if lower in _HOP or lower == "server":
            continue
        if lower == "location" and value.startswith(f"https://{host}"):
            headers.append((name, local + value[len(f"https://{host}") :]))
        elif lower == "set-cookie" and plain:
            headers.append((name, ";".join(part for part in value.split(";") if not _tied_to_host(part))))
        else:
            headers.append((name, value))
    headers.append(("Server", "Google Frontend"))
    return headers


def _tied_to_host(attribute: str) -> bool:
    name = attribute.strip().lower()
    return name == "secure" or name.startswith("domain=")


def _close(body: Iterator[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
