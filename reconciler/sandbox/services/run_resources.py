"""What services, revisions, jobs and executions of Cloud Run share: names, conditions, etags, masks, operations."""

import base64
import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.run_regions import REGIONS
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World, timestamp

TYPE: Final = "type.googleapis.com/google.cloud.run.v2."
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


def parent_of(request: Request) -> str:
    """ "projects/P/locations/R" of a request, by project id. Raises ApiError for a region that cannot be."""
    named = str(request.params.get("parent") or request.params.get("name") or request.params.get("resource"))
    region = named.split("/")[3]
    if region != "-" and region not in REGIONS:
        raise ApiError(403, f"Permission denied on 'locations/{region}' (or it may not exist).")
    return f"projects/{request.project}/locations/{region}"


def full_name(request: Request) -> str:
    """The full name that a request asks for, by project id."""
    named = str(request.params.get("name") or request.params.get("resource"))
    return "/".join(["projects", request.project, *named.split("/")[2:]])


def missing(kind: str, name: str) -> ApiError:
    """The 404 for a resource; `kind` is "SERVICE", "REVISION", "JOB" or "EXECUTION"."""
    parts = name.split("/")
    text = f"Resource '{parts[-1]}' of kind '{kind}' in region '{parts[3]}' in project '{parts[1]}' does not exist."
    return ApiError(404, text)


def exists(name: str) -> ApiError:
    """The 409 for a name that is taken."""
    return ApiError(409, f"Resource '{name.rsplit('/', 1)[-1]}' already exists.")


def gone(world: World, arguments: Mapping[str, Any]) -> Body:
    """The last that is said of a deleted resource: `last` of the operation's arguments, settled."""
    last: Body = dict(arguments["last"])
    last.pop("reconciling", None)
    return {
        **last,
        "observedGeneration": last["generation"],
        "terminalCondition": settled(world, "Ready", "SUCCEEDED", "", arguments.get("before", {})),
        "etag": new_etag(world, last["name"]),
    }


def set_policy(world: World, request: Request) -> Body:
    """setIamPolicy of a service or a job that is there."""
    return world.policies.set(full_name(request), request.body.get("policy", {}))


def default_account(world: World, project: str) -> str:
    """The service account of whoever names none."""
    known = world.projects.get(project)
    return known.compute_account if known else ""


def condition(world: World, kind: str, state: str, message: str = "", **reasons: str) -> dict[str, Any]:
    """A condition; `state` without its prefix: "SUCCEEDED", "FAILED", "PENDING", "RECONCILING"."""
    found: dict[str, Any] = {
        "type": kind,
        "state": f"CONDITION_{state}",
        "lastTransitionTime": world.now(),
        **reasons,
    }
    if message:
        found["message"] = message
    if state == "FAILED":
        found.setdefault("severity", "ERROR")
    return found


def waiting(before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The terminal condition of a resource that was just written; `before` is the one it had.

    As recorded: a new resource has a state alone, a changed one keeps the type and the time of its last transition.
    """
    kept = {key: before[key] for key in ("type", "lastTransitionTime") if key in before} if before else {}
    return {**kept, "state": "CONDITION_PENDING"}


def settled(world: World, kind: str, state: str, message: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The condition a change led to; where `before`, the one before the change, has the same state, its time stays."""
    found = condition(world, kind, state, message)
    if before.get("state") == found["state"] and "lastTransitionTime" in before:
        found["lastTransitionTime"] = before["lastTransitionTime"]
    return found


def new_etag(world: World, name: str) -> str:
    """The etag of a version of `name` that is made now: in quotes, the time and the name in base64, as recorded."""
    now = world.clock()
    stamp = (
        b"\x08"
        + _varint(int(now.timestamp()))
        + b"\x10"
        + _varint(now.microsecond * 1000 + secrets.randbits(9))
    )
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (stamp, name.encode()))
    return f'"{"/".join(parts)}"'


def _varint(number: int) -> bytes:
    """A number as protocol buffers write it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def deletion(world: World) -> dict[str, str]:
    """The times in the answer to a deletion: now, and thirty days later."""
    now: datetime = world.clock()
    return {"deleteTime": timestamp(now), "expireTime": timestamp(now + timedelta(days=30))}


def read(resource: Body) -> Body:
    """What a read answers: by Google's document a deletion is told to whoever asked for it, and by its operation."""
    return {key: value for key, value in resource.items() if key not in ("deleteTime", "expireTime")}


def check_etag(sent: object, current: Mapping[str, Any], name: str) -> None:
    """Raise the 409 where an etag was sent that is not the current one."""
    known = current["etag"].strip('"')
    # v1's resourceVersion is the part of the etag that says when.
    if sent and str(sent).strip('"') not in (known, known.partition("/")[0]):
        short = name.rsplit("/", 1)[-1]
        found = current["etag"]
        text = f"Conflict for resource '{short}': version '{sent}' was specified but current version is '{found}'."
        raise ApiError(409, text, rpc_status="ABORTED")


def masked(
    current: Mapping[str, Any], sent: Mapping[str, Any], mask: str, known: Sequence[str]
) -> dict[str, Any]:
    """The fields that a PATCH leads to: with a mask those it names, without one all. `known` are the writable ones."""
    fields = [
        ".".join(labels.camel(part) for part in field.strip().split("."))
        for field in mask.split(",")
        if field.strip()
    ]
    if not fields or "*" in fields:
        return {field: sent[field] for field in known if field in sent}
    result: dict[str, Any] = {field: current[field] for field in known if field in current}
    for field in fields:
        if field.partition(".")[0] not in known:
            raise ApiError(400, f"Invalid field in the update mask: {field}.")
        _copy_field(result, sent, field.split("."))
    return result


def _copy_field(target: dict[str, Any], source: Mapping[str, Any], path: Sequence[str]) -> None:
    for part in path[:-1]:
        inner = target.get(part)
        target[part] = dict(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else {}
        target = target[part]
        source = source.get(part, {})
    if path[-1] in source:
        target[path[-1]] = source[path[-1]]
    else:
        target.pop(path[-1], None)


def operation(
    world: World, request: Request, kind: str, arguments: Mapping[str, Any], metadata: Body, what: str
) -> Body:
    """Start an operation that shows `metadata`, a resource of the type `what`, without its uid while it runs."""
    name = f"{parent_of(request)}/operations/{uuid.uuid4()}"
    return world.operations.start(
        kind, name, arguments, wire={"metadata": typed(metadata, what, final=False)}
    )


def done(world: World, request: Request, resource: Body, what: str) -> Body:
    """An operation that was over at once."""
    name = f"{parent_of(request)}/operations/{uuid.uuid4()}"
    wire = {"metadata": typed(resource, what, final=False), "done": True, "response": typed(resource, what)}
    return world.operations.finished(name, wire)


def typed(resource: Mapping[str, Any], what: str, *, final: bool = True) -> Body:
    """A resource as it stands in an operation."""
    return {
        "@type": f"{TYPE}{what}",
        **{key: value for key, value in resource.items() if final or key != "uid"},
    }


def random_suffix(length: int) -> str:
    """Letters and digits as Cloud Run ends its names with."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def hash_url(project: str, region: str, service: str) -> str:
    """The older address of a service: https://NAME-HASH-REGION.a.run.app, with ten letters of the project's own."""
    digest = hashlib.sha256(project.encode()).digest()
    letters = "".join(_LETTERS[byte % 26] for byte in digest[:10])
    area, _, place = region.partition("-")
    short = {"europe": "e", "us": "u", "asia": "a"}.get(area, area[:1]) + place[:1]
    return f"https://{service}-{letters}-{short}.a.run.app"


def log_uri(project: str, resource_type: str, name: str) -> str:
    """Where Google would show the log."""
    query = f"resource.type%3D%22{resource_type}%22%0Aresource.labels.name%3D%22{name}%22"
    return f"https://console.cloud.google.com/logs/viewer?project={project}&advancedFilter={query}"
