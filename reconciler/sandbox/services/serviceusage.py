"""Service Usage: which APIs a project has. Names carry the project's number."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import CALLING, Busy
from reconciler.sandbox.paging import listed
from reconciler.sandbox.world import Method, Request, World

API: Final = "serviceusage"
VERSIONS: Final = ("v1",)
MOST_AT_ONCE: Final = 20

TITLES: Final = {
    "artifactregistry": "Artifact Registry API",
    "cloudbuild": "Cloud Build API",
    "cloudresourcemanager": "Cloud Resource Manager API",
    "cloudscheduler": "Cloud Scheduler API",
    "compute": "Compute Engine API",
    "container": "Kubernetes Engine API",
    "containerregistry": "Container Registry API",
    "dns": "Cloud DNS API",
    "iam": "Identity and Access Management (IAM) API",
    "iamcredentials": "IAM Service Account Credentials API",
    "iap": "Cloud Identity-Aware Proxy API",
    "networkmanagement": "Network Management API",
    "oslogin": "Cloud OS Login API",
    "pubsub": "Cloud Pub/Sub API",
    "run": "Cloud Run Admin API",
    "secretmanager": "Secret Manager API",
    "servicenetworking": "Service Networking API",
    "sql-component": "Cloud SQL",
    "sqladmin": "Cloud SQL Admin API",
    "sts": "Security Token Service API",
    "vpcaccess": "Serverless VPC Access API",
}
"""Services that can be enabled besides those every project starts with."""
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "artifactregistry": ("containerregistry",),
    "cloudbuild": ("artifactregistry", "containerregistry", "pubsub", "logging", "storage"),
    "compute": ("oslogin",),
    "container": ("compute", "iam"),
    "run": ("artifactregistry", "containerregistry", "pubsub", "iam", "iamcredentials"),
    "iam": ("iamcredentials",),
    "vpcaccess": ("compute",),
    "servicenetworking": (),
}
"""What enabling a service also enables, as Google's dependency graph has it for our services."""
_SERVICE: Final = re.compile(r"^projects/([^/]+)/services/(?P<service>[^/]+)$")


def methods(world: World) -> dict[str, Method]:
    """What of Service Usage is emulated."""
    world.operations.register("serviceusage.enable", lambda arguments, _: _do_enable(world, arguments))
    world.operations.register("serviceusage.disable", lambda arguments, _: _do_disable(world, arguments))
    return {
        "services.get": lambda request: _shown(world, request.project, _service(request)),
        "services.list": lambda request: _list(world, request),
        "services.batchGet": lambda request: _batch_get(world, request),
        "services.enable": lambda request: _enable(world, request, [_service(request)], "acf"),
        "services.batchEnable": lambda request: _batch_enable(world, request),
        "services.disable": lambda request: _disable(world, request),
    }


def _service(request: Request) -> str:
    found = _SERVICE.fullmatch(request.params["name"])
    if found is None:
        raise ApiError(400, f"Invalid service name: {request.params['name']}")
    return found["service"]


def _number(world: World, project_id: str) -> str:
    project = world.projects.get(project_id)
    if project is None:
        raise ApiError(403, f"Permission denied on resource project {project_id}.")
    return project.number


def _known(world: World, project_id: str, service: str) -> bool:
    api = service.removesuffix(".googleapis.com")
    return (service.endswith(".googleapis.com") and api in TITLES) or world.projects.enabled(
        project_id, service
    )


def _shown(world: World, project_id: str, service: str) -> dict[str, Any]:
    number = _number(world, project_id)
    if not _known(world, project_id, service):
        raise _not_found(service)
    on = world.projects.enabled(project_id, service)
    title = TITLES.get(service.removesuffix(".googleapis.com"), service)
    return {
        "name": f"projects/{number}/services/{service}",
        "config": {"name": service, "title": title},
        "state": "ENABLED" if on else "DISABLED",
        "parent": f"projects/{number}",
    }


def _list(world: World, request: Request) -> Mapping[str, Any]:
    wanted = str(request.params.get("filter", "")).replace(" ", "")
    if wanted not in ("", "state:ENABLED", "state:DISABLED"):
        raise ApiError(400, f"Invalid filter: {wanted}. The filter must be state:ENABLED or state:DISABLED.")
    known = {f"{api}.googleapis.com" for api in TITLES} | set(
        world.projects.enabled_services(request.project)
    )
    items: list[tuple[str, dict[str, Any]]] = []
    for service in sorted(known):
        shown = _shown(world, request.project, service)
        if wanted in ("", f"state:{shown['state']}"):
            items.append((service, shown))
    return listed("services", items, request.params, default=50, most=200)


def _batch_get(world: World, request: Request) -> Mapping[str, Any]:
    names: Sequence[str] = request.params.get("names", ())
    found = [_SERVICE.fullmatch(name) for name in names]
    if not names or None in found or len(names) > 30:
        raise ApiError(400, "names must hold 1 to 30 names of the form projects/PROJECT/services/SERVICE.")
    for one in found:
        named = world.projects.get(one[1]) if one is not None else None
        if named is None or named.project_id != request.project:
            raise ApiError(400, f"The names must be of services of the parent {request.params['parent']}.")
    return {"services": [_shown(world, request.project, one["service"]) for one in found if one is not None]}


def _batch_enable(world: World, request: Request) -> Mapping[str, Any]:
    services: Sequence[str] = request.body.get("serviceIds", ())
    if not 1 <= len(services) <= MOST_AT_ONCE:
        raise ApiError(400, f"A batch must hold 1 to {MOST_AT_ONCE} services, not {len(services)}.")
    return _enable(world, request, services, "acat")


def _enable(world: World, request: Request, services: Sequence[str], prefix: str) -> Mapping[str, Any]:
    number = _number(world, request.project)
    for service in services:
        if not _known(world, request.project, service):
            raise _not_found(service)
    arguments = {"project": request.project, "services": list(services), "batch": prefix == "acat"}
    if all(world.projects.enabled(request.project, service) for service in services):
        return {
            "name": "operations/noop.DONE_OPERATION",
            "done": True,
            "response": _enabled(world, arguments),
        }
    name = f"operations/{prefix}.p2-{number}-{uuid.uuid4()}"
    return _start(world, "serviceusage.enable", name, arguments, number)


def _start(
    world: World, kind: str, name: str, arguments: Mapping[str, Any], number: str
) -> Mapping[str, Any]:
    """Begin an operation; while it takes time, the project has no second one. Raises ApiError 400 for that."""
    # Operations that take no time are never in each other's way.
    slow = world.conditions.seconds(CALLING.get()[0]) > 0
    lock = f"serviceusage/{arguments['project']}" if slow else ""
    try:
        return world.operations.start(kind, name, arguments, wire=_metadata(arguments, number), lock=lock)
    except Busy as error:
        text = (
            f"Another activation or deactivation is in progress for project {number}. Please try again later."
        )
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION", reason="failedPrecondition") from error


def _do_enable(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    world.projects.enable(arguments["project"], with_dependencies(arguments["services"]))
    return _enabled(world, arguments)


def with_dependencies(services: Sequence[str]) -> list[str]:
    """*services* and what enabling them also enables."""
    todo, done = list(services), dict[str, None]()
    while todo:
        service = todo.pop()
        if service not in done:
            done[service] = None
            below = NEEDS.get(service.removesuffix(".googleapis.com"), ())
            todo.extend(f"{api}.googleapis.com" for api in below)
    return list(done)


def _enabled(world: World, arguments: Mapping[str, Any]) -> dict[str, Any]:
    shown = [_shown(world, arguments["project"], service) for service in arguments["services"]]
    kind = "type.googleapis.com/google.api.serviceusage.v1."
    if arguments["batch"]:
        return {"@type": f"{kind}BatchEnableServicesResponse", "services": shown}
    return {"@type": f"{kind}EnableServiceResponse", "service": shown[0]}


def _disable(world: World, request: Request) -> Mapping[str, Any]:
    service, number = _service(request), _number(world, request.project)
    if not world.projects.enabled(request.project, service):
        return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": {}}
    dependants = _dependants(world, request.project, service)
    if dependants and not request.body.get("disableDependentServices"):
        raise _depended_on(service, dependants)
    arguments = {"project": request.project, "services": [service, *dependants]}
    name = f"operations/acat.p17-{number}-{uuid.uuid4()}"
    return _start(world, "serviceusage.disable", name, arguments, number)


def _do_disable(world: World, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    for service in arguments["services"]:
        if world.projects.enabled(arguments["project"], service):
            world.projects.disable(arguments["project"], service)
    shown = _shown(world, arguments["project"], arguments["services"][0])
    kind = "type.googleapis.com/google.api.serviceusage.v1.DisableServiceResponse"
    return {"@type": kind, "service": shown}


def _dependants(world: World, project_id: str, service: str) -> list[str]:
    enabled = world.projects.enabled_services(project_id)
    return [one for one in enabled if one != service and service in with_dependencies([one])]


def _metadata(arguments: Mapping[str, Any], number: str) -> dict[str, Any]:
    names = [f"projects/{number}/services/{service}" for service in arguments["services"]]
    return {
        "metadata": {
            "@type": "type.googleapis.com/google.api.serviceusage.v1.OperationMetadata",
            "resourceNames": names,
        }
    }


def _depended_on(service: str, dependants: Sequence[str]) -> ApiError:
    text = (
        f"The service {service} is depended on by the following active service(s): {','.join(sorted(dependants))}; "
        "Please specify disable_dependent_services=true if you want to proceed with disabling all services."
    )
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION", reason="failedPrecondition")


def _not_found(service: str) -> ApiError:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
        "domain": "serviceusage.googleapis.com",
        "metadata": {"services": service},
    }
    return ApiError(403, f"Not found or permission denied for service(s): {service}.", details=[detail])
