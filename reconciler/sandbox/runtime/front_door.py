"""What stands in front of every Cloud Run service: who may enter, how much, how long, what is passed on.

One Visit comes in and one answer goes out; bodies stream both ways and are never held in memory.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from reconciler.sandbox.iam.identities import ANONYMOUS
from reconciler.sandbox.runtime import front_headers, iap_door, pages, request_log
from reconciler.sandbox.runtime.upstream import NotListening, Outgoing, Pool, Received, UpstreamError
from reconciler.sandbox.world import Visit, World

HTTP1_LIMIT: Final = 32 * 1024 * 1024
OPEN: Final = "INGRESS_TRAFFIC_ALL"
BALANCED: Final = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
BREAKING_SECONDS: Final = 0.5
ENDING_SECONDS: Final = 2.0
"""How long it may take to see that an instance which takes no connections has ended."""
_PIECE: Final = 256 * 1024
_OWN: Final = re.compile(r"localhost|[0-9.]+|\[.*\]|.*\.run\.app|.*\.localhost|[^.]*")
"""Names of this machine, and of services themselves; any other name is that of a load balancer in front."""
_TAG = re.compile(r"^(?:(?P<tag>[a-z0-9-]+)---)?(?P<rest>.+)$")


class TooLarge(Exception):
    """The body of an HTTP/1 request grew over the limit."""


class NotServing(Exception):
    """There is no instance to send the request to; the text is for the service's log."""


class Crowded(Exception):
    """All instances that a revision may have are busy, for as long as a request waits."""


def _stays(seconds: float) -> bool:
    del seconds
    return False


@dataclass(frozen=True)
class Target:
    """The instance a request goes to."""

    pool: Pool
    h2c: bool
    timeout: float
    gone: Callable[[float], bool] = _stays
    """Whether it ends within so many seconds."""


class Instances(Protocol):
    """Where instances come from."""

    def admitted(self, revision: str) -> AbstractContextManager[None]:
        """Room for one request to the revision (full name). Raises Crowded where none comes free in time."""
        ...

    def target(self, revision: str) -> Target:
        """A ready instance of the revision, started where none runs. Raises NotServing."""
        ...

    def note(self, revision: str, line: str) -> None:
        """A line of the platform's own in the revision's log."""
        ...


@dataclass(frozen=True)
class _Request:
    """One request on its way to a revision."""

    instances: Instances
    revision: str
    visit: Visit
    host: str
    """The service's own, or the load balancer's: the one that the container sees."""


def answer(world: World, instances: Instances, service: Mapping[str, Any], visit: Visit) -> None:
    """Answer a request for a service, given as its stored v2 body; afterwards it is in the service's log."""
    watched = request_log.watch(visit)
    revision = choose_revision(service, visit.host)
    try:
        _answer(world, instances, service, watched.visit, revision)
    finally:
        request_log.write(world, revision or service.get("latestReadyRevision", ""), watched)


def _answer(
    world: World, instances: Instances, service: Mapping[str, Any], visit: Visit, revision: str | None
) -> None:
    if not _let_in(service, visit) or not service.get("urls"):
        pages.send(visit, pages.not_found(visit.target))
        return
    entering = _entering(world, service, visit)
    if entering is None:
        return
    visit = entering
    if revision is None or _switched_off(service):
        pages.send(visit, pages.UNAVAILABLE)
        return
    try:
        with instances.admitted(revision):
            _pass_on(
                _Request(instances, revision, visit, _seen_host(service, visit)), instances.target(revision)
            )
    except Crowded:
        instances.note(revision, "The request was aborted because there was no available instance.")
        pages.send(visit, pages.TOO_MANY)
    except NotServing as error:
        instances.note(revision, str(error))
        pages.send(visit, pages.UNAVAILABLE)


def _switched_off(service: Mapping[str, Any]) -> bool:
    """Whether its number of instances was set to none by hand."""
    scaling: Mapping[str, Any] = service.get("scaling", {})
    return scaling.get("scalingMode") == "MANUAL" and not scaling.get("manualInstanceCount")


def _pass_on(request: _Request, target: Target) -> None:
    visit = request.visit
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
        host=request.host,
        headers=front_headers.inward(visit, request.host, sent),
        body=_pieces(visit, limit) if has_body else None,
        length=sent,
    )
    try:
        target, received = _exchange(request, target, outgoing)
    except TooLarge:
        pages.send(visit, pages.TOO_LARGE)
    except TimeoutError:
        text = "The request has been terminated because it has reached the maximum request timeout."
        request.instances.note(request.revision, text)
        pages.send(visit, pages.TIMED_OUT)
    except UpstreamError as error:
        # What broke off may have ended: the next request must not meet it half-way down.
        target.gone(BREAKING_SECONDS)
        text = f"The request failed because the instance did not answer: {error}"
        request.instances.note(request.revision, text)
        pages.send(visit, pages.UNAVAILABLE)
    else:
        _hand_back(request, target, received)


def _exchange(request: _Request, target: Target, outgoing: Outgoing) -> tuple[Target, Received]:
    """Send the request; once more to a new instance where the first one is just ending, and got nothing of it."""
    try:
        return target, target.pool.exchange(outgoing, target.timeout)
    except NotListening:
        if not target.gone(ENDING_SECONDS):
            raise
    fresh = request.instances.target(request.revision)
    return fresh, fresh.pool.exchange(outgoing, fresh.timeout)


def _hand_back(request: _Request, target: Target, received: Received) -> None:
    visit = request.visit
    length = next((value for name, value in received.headers if name.lower() == "content-length"), None)
    if not target.h2c and length is not None and int(length) > HTTP1_LIMIT and visit.method != "HEAD":
        _close(received.body)
        text = "Response size was too large. Please consider reducing response size."
        request.instances.note(request.revision, text)
        pages.send(visit, pages.RESPONSE_TOO_LARGE)
        return
    headers = front_headers.outward(visit, request.host, received)
    if visit.method == "HEAD" or received.status in (204, 304):
        for _ in received.body:
            pass
        visit.respond(received.status, headers, b"")
        return
    visit.respond(received.status, headers, received.body)


def _entering(world: World, service: Mapping[str, Any], visit: Visit) -> Visit | None:
    """The request as it goes in, None where it was answered at the door."""
    if service.get("iapEnabled"):
        return iap_door.admitted(world, service, visit)
    refusal = _refusal(world, service, visit)
    if refusal is None:
        return visit
    pages.send(visit, refusal)
    return None


def _refusal(world: World, service: Mapping[str, Any], visit: Visit) -> pages.Page | None:
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


def _let_in(service: Mapping[str, Any], visit: Visit) -> bool:
    """Whether the service's ingress takes requests from the internet, or from the load balancer that this came by."""
    ingress = service.get("ingress", OPEN)
    return ingress == OPEN or (ingress == BALANCED and _balanced(visit))


def _balanced(visit: Visit) -> bool:
    """Whether it comes under a domain of somebody's own, which a load balancer passes on as it is."""
    asked = (visit.header("Host") or visit.host).lower()
    return _OWN.fullmatch(re.sub(r":\d+$", "", asked)) is None


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


def _seen_host(service: Mapping[str, Any], visit: Visit) -> str:
    """The host that the container sees."""
    return (visit.header("Host") or visit.host) if _balanced(visit) else real_host(service)


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


def _close(body: Iterator[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
