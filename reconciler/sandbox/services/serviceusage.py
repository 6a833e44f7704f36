"""Service Usage: which APIs a project has. Names carry the project's number.

Enabling and disabling are in serviceusage_changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.known_services import SUFFIX, known, titles
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services import serviceusage_changes as changes
from reconciler.sandbox.world import Method, Request, World

API: Final = "serviceusage"
VERSIONS: Final = ("v1", "v1beta1")
MOST_IN_BATCH: Final = 30
IDENTITY: Final = "type.googleapis.com/google.api.serviceusage.v1beta1.ServiceIdentity"
_SERVICE: Final = re.compile(r"^projects/([^/]+)/services/(?P<service>[^/]+)$")


def methods(world: World) -> dict[str, Method]:
    """What of Service Usage is emulated."""
    changes.register(world)
    return {
        "services.get": lambda request: _shown(world, request.project, service_of(request)),
        "services.list": lambda request: _list(world, request),
        "services.batchGet": lambda request: _batch_get(world, request),
        "services.enable": lambda request: changes.enable(world, request, [service_of(request)]),
        "services.batchEnable": lambda request: changes.batch_enable(world, request),
        "services.disable": lambda request: changes.disable(world, request, service_of(request)),
        "services.generateServiceIdentity": lambda request: _identity(world, request),
    }


def service_of(request: Request) -> str:
    """The service that a request names; raises ApiError 400 where it names none."""
    name = str(request.params.get("name") or request.params.get("parent"))
    found = _SERVICE.fullmatch(name)
    if found is None:
        raise ApiError(400, f"Invalid service name: {name}")
    return found["service"]


def _shown(world: World, project_id: str, service: str) -> dict[str, Any]:
    if not known(service) and not world.projects.enabled(project_id, service):
        raise changes.not_found([service])
    plain = changes.plain(world, project_id, service)
    config = {
        "name": service,
        "title": titles().get(service.removesuffix(SUFFIX), service),
        "documentation": {},
        "quota": {},
        "authentication": {},
        "usage": {"requirements": ["serviceusage.googleapis.com/tos/cloud"]},
        "monitoring": {},
    }
    return {"name": plain["name"], "config": config, "state": plain["state"], "parent": plain["parent"]}


def _list(world: World, request: Request) -> Mapping[str, Any]:
    wanted = str(request.params.get("filter", "")).replace(" ", "")
    if wanted not in ("", "state:ENABLED", "state:DISABLED"):
        raise ApiError(400, f"Invalid filter: {wanted}. The filter must be state:ENABLED or state:DISABLED.")
    enabled = world.projects.enabled_services(request.project)
    if wanted == "state:ENABLED":
        names = enabled
    else:
        every = {f"{api}{SUFFIX}" for api in titles()} | set(enabled)
        names = sorted(every - set(enabled) if wanted else every)
    items = [(service, service) for service in names]
    page = listed("services", items, request.params, default=50, most=200)
    if "services" in page:
        page["services"] = [_shown(world, request.project, service) for service in page["services"]]
    return page


def _batch_get(world: World, request: Request) -> Mapping[str, Any]:
    names: Sequence[str] = request.params.get("names", ())
    found = [_SERVICE.fullmatch(name) for name in names]
    if not names or None in found or len(names) > MOST_IN_BATCH:
        raise ApiError(400, "names must hold 1 to 30 names of the form projects/PROJECT/services/SERVICE.")
    for one in found:
        named = world.projects.get(one[1]) if one is not None else None
        if named is None or named.project_id != request.project:
            raise ApiError(400, f"The names must be of services of the parent {request.params['parent']}.")
    return {"services": [_shown(world, request.project, one["service"]) for one in found if one is not None]}


def _identity(world: World, request: Request) -> Mapping[str, Any]:
    """Recorded: done at once, with the address of the agent, or with none for a service that has none."""
    service = service_of(request)
    if not known(service):
        raise changes.not_found([service])
    number = changes.number_of(world, request.project)
    email, unique = agents.generate(world.store, world.policies, request.project, number, service)
    found = {"email": email, "uniqueId": unique} if email else {}
    return {
        "name": "operations/finished.DONE_OPERATION",
        "done": True,
        "response": {"@type": IDENTITY, **found},
    }
