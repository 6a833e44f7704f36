"""Cloud Logging: the entries of containers, requests, builds and clients, read back through its query language."""

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import access
from reconciler.sandbox.logs import entries, log_filter
from reconciler.sandbox.logs.entries import SEVERITIES, Entry
from reconciler.sandbox.paging import listed
from reconciler.sandbox.web.discovery import load
from reconciler.sandbox.world import Method, Request, World

API: Final = "logging"
VERSIONS: Final = ("v2",)
MOST: Final = 1000
_PAYLOADS: Final = ("textPayload", "jsonPayload", "protoPayload")


def methods(world: World) -> dict[str, Method]:
    """The emulated methods."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "entries.list": _list,
        "entries.write": _write,
        "logs.list": _logs,
        "logs.delete": _delete,
        "projects.logs.list": _logs,
        "projects.logs.delete": _delete,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {name: bound(function) for name, function in found.items()}


def _list(world: World, request: Request) -> Mapping[str, Any]:
    names = [
        *request.body.get("resourceNames", ()),
        *(f"projects/{one}" for one in request.body.get("projectIds", ())),
    ]
    if not names:
        raise ApiError(400, "At least one resource name must be given in resource_names.")
    question = log_filter.parse(request.body.get("filter", ""))
    ascending = _ascending(request.body.get("orderBy", ""))
    projects = dict.fromkeys(_allowed(world, request, name, "logging.logEntries.list") for name in names)
    found = [entry for project in projects for entry in entries.of(world).read(project) if question(entry)]
    found.sort(key=_key, reverse=not ascending)
    size = int(request.body.get("pageSize") or 50)
    if size < 0:
        raise ApiError(400, "page_size must not be negative.")
    rest = _after(found, str(request.body.get("pageToken", "")), ascending=ascending)
    page = rest[: min(size, MOST)]
    more = {"nextPageToken": _token(page[-1])} if len(rest) > len(page) else {}
    return {**({"entries": page} if page else {}), **more}


def _ascending(order: str) -> bool:
    if order not in ("", "timestamp", "timestamp asc", "timestamp desc"):
        raise ApiError(400, f"Invalid order_by: {order!r}; it is 'timestamp asc' or 'timestamp desc'.")
    return not order.endswith("desc")


def _key(entry: Entry) -> tuple[str, str]:
    return entry["timestamp"], entry["insertId"]


def _token(entry: Entry) -> str:
    return base64.urlsafe_b64encode("\n".join(_key(entry)).encode()).decode()


def _after(found: Sequence[Entry], token: str, *, ascending: bool) -> Sequence[Entry]:
    if not token:
        return found
    try:
        stamp, _, identity = base64.urlsafe_b64decode(token).decode().partition("\n")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ApiError(400, "page_token is invalid.") from error
    last = (stamp, identity)
    return [one for one in found if (_key(one) > last if ascending else _key(one) < last)]


def _allowed(world: World, request: Request, name: str, permission: str) -> str:
    """The project of a resource's name. Raises ApiError 404, or 403 where the caller may not, or the API is off."""
    parts = name.split("/")
    if parts[0] != "projects" or len(parts) < 2:
        raise ApiError(400, f"The sandbox has projects only, and {name!r} is none.")
    project = world.projects.get(parts[1])
    if project is None:
        raise ApiError(404, f"Project does not exist: {parts[1]}")
    own = dataclasses.replace(request, project=project.project_id)
    document = load(API, request.version)
    lag = world.conditions.propagation("services")
    if not world.projects.usable(project.project_id, document.host, lag, world.clock()):
        raise access.disabled(world, project.project_id, document)
    access.require(world, own, permission, [f"projects/{project.project_id}"])
    return project.project_id


def _write(world: World, request: Request) -> Mapping[str, Any]:
    sent: Sequence[Mapping[str, Any]] = request.body.get("entries", ())
    if not sent:
        raise ApiError(400, "Log entries must be given in entries.")
    prepared = [_prepared(world, request, one, at) for at, one in enumerate(sent)]
    if not request.body.get("dryRun"):
        for project, log, entry in prepared:
            entries.of(world).write(project, log, entry)
    return {}


def _prepared(world: World, request: Request, sent: Mapping[str, Any], at: int) -> tuple[str, str, Entry]:
    """(project, id of the log, the entry with what the request says of all)."""
    name = str(sent.get("logName") or request.body.get("logName", ""))
    head, marker, log = name.partition("/logs/")
    if not marker or not log:
        raise ApiError(400, f"Log entry with index {at} has an invalid log name: {name!r}.")
    project = _allowed(world, request, head, "logging.logEntries.create")
    resource = sent.get("resource") or request.body.get("resource")
    if not resource or not resource.get("type"):
        raise ApiError(400, f"Log entry with index {at} has no monitored resource.")
    if sum(one in sent for one in _PAYLOADS) > 1:
        raise ApiError(400, f"Log entry with index {at} has more than one payload.")
    named = {**request.body.get("labels", {}), **sent.get("labels", {})}
    severity = sent.get("severity", "DEFAULT")
    if severity not in SEVERITIES:
        raise ApiError(400, f"Log entry with index {at} has an invalid severity: {severity}.")
    whole = {
        **{key: value for key, value in sent.items() if key != "logName"},
        "resource": {**resource, "labels": {"project_id": project, **resource.get("labels", {})}},
        **({"labels": named} if named else {}),
    }
    if not whole.get("timestamp"):
        whole.pop("timestamp", None)
    return project, unquote(log), whole


def _logs(world: World, request: Request) -> Mapping[str, Any]:
    project = _allowed(world, request, request.params["parent"], "logging.logs.list")
    names = sorted({entry["logName"] for entry in entries.of(world).read(project)})
    return listed("logNames", [(name, name) for name in names], request.params, default=50, most=1000)


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    name = str(request.params["logName"])
    head, _, log = name.partition("/logs/")
    project = _allowed(world, request, head, "logging.logs.delete")
    full = entries.log_name(project, unquote(log))
    if not entries.of(world).forget(project, full):
        raise ApiError(404, f"Log {unquote(log)} does not exist")
    return {}
