"""Service Usage: enabling and disabling, with what Google does in the project along the way."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.known_services import dependants, known, with_dependencies
from reconciler.sandbox.operations import CALLING, Busy, Progress
from reconciler.sandbox.world import Request, World

MOST_AT_ONCE: Final = 20
NOOP: Final = "operations/noop.DONE_OPERATION"
EMPTY: Final[dict[str, Any]] = {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}
"""Recorded: the metadata of a finished operation on one service; that on several names them."""
_TYPE: Final = "type.googleapis.com/google.api.serviceusage"
_DOMAIN: Final = "serviceusage.googleapis.com"


def register(world: World) -> None:
    """Say what the operations do."""
    world.operations.register(
        "serviceusage.enable", lambda arguments, tell: _do_enable(world, arguments, tell)
    )
    world.operations.register(
        "serviceusage.disable", lambda arguments, tell: _do_disable(world, arguments, tell)
    )


def number_of(world: World, project_id: str) -> str:
    """The number of a project; raises ApiError 403 where it is gone."""
    project = world.projects.get(project_id)
    if project is None:
        raise ApiError(403, f"Permission denied on resource project {project_id}.")
    return project.number


def plain(world: World, project_id: str, service: str) -> dict[str, Any]:
    """A service as operations answer it: recorded without its configuration."""
    number = number_of(world, project_id)
    on = world.projects.enabled(project_id, service)
    name, state = f"projects/{number}/services/{service}", "ENABLED" if on else "DISABLED"
    return {"name": name, "state": state, "parent": f"projects/{number}"}


def batch_enable(world: World, request: Request) -> Mapping[str, Any]:
    """services:batchEnable."""
    services: Sequence[str] = request.body.get("serviceIds", ())
    if not 1 <= len(services) <= MOST_AT_ONCE:
        raise ApiError(400, f"A batch must hold 1 to {MOST_AT_ONCE} services, not {len(services)}.")
    return enable(world, request, services, batch=True)


def enable(
    world: World, request: Request, services: Sequence[str], *, batch: bool = False
) -> Mapping[str, Any]:
    """Begin to enable *services*; what is enabled already is answered at once."""
    number = number_of(world, request.project)
    missing = [one for one in services if not known(one) and not world.projects.enabled(request.project, one)]
    if missing:
        raise not_found(missing)
    arguments = _arguments(request, services, batch=batch)
    if all(world.projects.enabled(request.project, service) for service in services):
        return {"name": NOOP, "done": True, "response": _enabled(world, arguments)}
    settings = [f"services/{service}/projectSettings/{number}" for service in services]
    metadata = {"@type": f"{_TYPE}.v1.OperationMetadata", "resourceNames": settings}
    return _start(world, "serviceusage.enable", "p2", arguments, {"metadata": metadata} if batch else {})


def disable(world: World, request: Request, service: str) -> Mapping[str, Any]:
    """services.disable; raises ApiError 400 where the service is off already, or others need it."""
    if not world.projects.enabled(request.project, service):
        if not known(service):
            raise not_found([service])
        number = number_of(world, request.project)
        text = f"The service {service} is not enabled for the project {number}."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    above = dependants(service, world.projects.enabled_services(request.project))
    if above and not request.body.get("disableDependentServices"):
        raise _depended_on(service, above)
    return _start(
        world, "serviceusage.disable", "p17", _arguments(request, [service, *above], batch=False), {}
    )


def _arguments(request: Request, services: Sequence[str], *, batch: bool) -> dict[str, Any]:
    return {
        "project": request.project,
        "services": list(services),
        "batch": batch,
        "version": request.version,
    }


def _start(
    world: World, kind: str, way: str, arguments: Mapping[str, Any], wire: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Begin an operation; while it takes time, the project has no second one. Raises ApiError 400 for that."""
    number = number_of(world, arguments["project"])
    name = f"operations/acat.{way}-{number}-{uuid.uuid4()}"
    slow = world.conditions.seconds(CALLING.get()[0]) > 0
    lock = f"serviceusage/{arguments['project']}" if slow else ""
    try:
        return world.operations.start(kind, name, arguments, wire=wire, lock=lock)
    except Busy as error:
        text = (
            f"Another activation or deactivation is in progress for project {number}. Please try again later."
        )
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION", reason="failedPrecondition") from error


def _do_enable(world: World, arguments: Mapping[str, Any], tell: Progress) -> Mapping[str, Any]:
    project, number = arguments["project"], number_of(world, arguments["project"])
    fresh = [s for s in with_dependencies(arguments["services"]) if not world.projects.enabled(project, s)]
    world.projects.enable(project, fresh)
    for service in fresh:
        agents.welcome(world.policies, project, number, service)
    if not arguments["batch"]:
        tell(EMPTY)
    return _enabled(world, arguments)


def _enabled(world: World, arguments: Mapping[str, Any]) -> dict[str, Any]:
    shown = [plain(world, arguments["project"], service) for service in arguments["services"]]
    kind = f"{_TYPE}.{arguments['version']}."
    if arguments["batch"]:
        return {"@type": f"{kind}BatchEnableServicesResponse", "services": shown}
    return {"@type": f"{kind}EnableServiceResponse", "service": shown[0]}


def _do_disable(world: World, arguments: Mapping[str, Any], tell: Progress) -> Mapping[str, Any]:
    for service in arguments["services"]:
        if world.projects.enabled(arguments["project"], service):
            world.projects.disable(arguments["project"], service)
    tell(EMPTY)
    shown = plain(world, arguments["project"], arguments["services"][0])
    return {"@type": f"{_TYPE}.{arguments['version']}.DisableServiceResponse", "service": shown}


def _depended_on(service: str, above: Sequence[str]) -> ApiError:
    names = ",".join(above)
    text = (
        f"The service {service} is depended on by the following active service(s): {names}; "
        "Please specify disable_dependent_services=true if you want to proceed with disabling all services."
    )
    subject = f"?error_code=100001&service_name={service}" + "".join(f"&services={one}" for one in above)
    details = [
        _precondition(subject),
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "COMMON_SU_SERVICE_HAS_DEPENDENT_SERVICES",
            "domain": _DOMAIN,
            "metadata": {"service_name": service, "services": names},
        },
    ]
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION", reason="failedPrecondition", details=details)


def not_found(services: Sequence[str]) -> ApiError:
    """Google's 403 for services that are not in its catalogue, or not for this caller."""
    names = ",".join(services)
    details = [
        _precondition("?error_code=220002" + "".join(f"&services={one}" for one in services)),
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
            "domain": _DOMAIN,
            "metadata": {"services": names},
        },
    ]
    return ApiError(403, f"Not found or permission denied for service(s): {names}.", details=details)


def _precondition(subject: str) -> dict[str, Any]:
    violations = [{"type": "googleapis.com", "subject": subject}]
    return {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}
