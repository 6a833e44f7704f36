"""Resource Manager: projects, v1 and v3, and their IAM policies. There are no folders to put them into."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import policy_members
from reconciler.sandbox.iam.policy_bindings import requested_version
from reconciler.sandbox.paging import listed
from reconciler.sandbox.projects import Project
from reconciler.sandbox.seeding import create_project
from reconciler.sandbox.weather import constraints
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudresourcemanager"
VERSIONS: Final = ("v1", "v3")
_PACKAGES: Final = {
    "v1": "type.googleapis.com/google.cloudresourcemanager.v1",
    "v3": "type.googleapis.com/google.cloud.resourcemanager.v3",
}


def methods(world: World) -> dict[str, Method]:
    """What of Resource Manager is emulated."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "get": lambda world, request: _shown(_project(world, request), request.version),
        "list": _list,
        "search": _search,
        "getAncestry": _ancestry,
        "update": _update,
        "patch": _patch,
        "delete": lambda world, request: _mark(world, request, deleted=True),
        "undelete": lambda world, request: _mark(world, request, deleted=False),
        "getEffectiveOrgPolicy": _effective_policy,
        "getIamPolicy": _get_policy,
        "setIamPolicy": _set_policy,
        "testIamPermissions": lambda world, request: world.policies.held(
            request.caller, request.body.get("permissions", ()), [_resource(request)]
        ),
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.{verb}": bound(function) for verb, function in found.items()}


def _project(world: World, request: Request) -> Project:
    project = world.projects.find(request.project)
    if project is None:
        raise ApiError(403, "The caller does not have permission")
    return project


def _create(world: World, request: Request) -> Mapping[str, Any]:
    project_id = str(request.body.get("projectId", ""))
    labels.check(request.body.get("labels", {}))
    if world.projects.find(project_id) is not None:
        raise ApiError(409, "Requested entity already exists")
    try:
        create_project(world, project_id)
    except ValueError as error:
        violation = {"field": "project_id", "description": "project_id contains invalid characters"}
        detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        raise ApiError(400, "Request contains an invalid argument.", details=[detail]) from error
    project = _changed(world, project_id, request, ("name", "displayName", "labels", "parent"))
    ready = {"gettable": True, "ready": True}
    if request.version == "v1":
        return _operation(world, request, project, "ProjectCreationStatus", ready)
    made = {"createTime": project.created, **ready}
    return _operation(world, request, project, "CreateProjectMetadata", made)


def _operation(
    world: World, request: Request, project: Project, kind: str, metadata: Mapping[str, Any]
) -> Mapping[str, Any]:
    """An operation that the first look finds done, as Resource Manager's are seen."""
    name = f"operations/cp.{10**18 + secrets.randbelow(9 * 10**18)}"
    package = _PACKAGES[request.version]
    response = {"@type": f"{package}.Project", **_shown(project, request.version)}
    about = {"@type": f"{package}.{kind}", **metadata}
    world.operations.finished(name, {"metadata": about, "done": True, "response": response})
    return {"name": name}


def _changed(world: World, project_id: str, request: Request, fields: tuple[str, ...]) -> Project:
    sent = {field: request.body[field] for field in fields if field in request.body}
    if "displayName" in sent:
        sent["name"] = sent.pop("displayName")
    if isinstance(parent := sent.get("parent"), str):
        kind, _, number = parent.partition("/")
        sent["parent"] = {"type": kind.removesuffix("s"), "id": number}
    return world.projects.change(project_id, {**sent, "updated": world.now()})


def _list(world: World, request: Request) -> Mapping[str, Any]:
    if request.version == "v1":
        return _page(world, request, str(request.params.get("filter", "")))
    parent = str(request.params.get("parent", ""))
    if not parent.startswith(("organizations/", "folders/")):
        raise ApiError(400, "Request contains an invalid argument.")
    return _page(world, request, f"parent:{parent}")


def _search(world: World, request: Request) -> Mapping[str, Any]:
    return _page(world, request, str(request.params.get("query", "")))


def _page(world: World, request: Request, query: str) -> Mapping[str, Any]:
    """The projects that the caller may see and that *query* fits."""
    choices = _terms(query)
    asked = any(term.startswith(("lifecycleState", "state")) for terms in choices for term in terms)
    items = [
        (one.project_id, _shown(one, request.version))
        for one in world.projects.list(deleted=asked)
        if any(all(_fits(one, term) for term in terms) for terms in choices)
        and world.policies.allowed(
            request.caller, "resourcemanager.projects.get", [f"projects/{one.project_id}"]
        )
    ]
    return listed("projects", items, request.params, default=500, most=500)


def _terms(query: str) -> list[list[str]]:
    """The terms of a filter, as alternatives of which each holds together: "a:b c:d OR e:f"."""
    if "(" in query and " OR " in query and " AND " in query:
        raise ApiError(400, f"The sandbox does not take brackets around AND beside OR: {query}")
    plain = query.replace("(", " ").replace(")", " ")
    return [[term for term in part.split() if term != "AND"] for part in plain.split(" OR ")]


def _fits(project: Project, term: str) -> bool:
    key, colon, value = term.replace("=", ":").partition(":")
    parent = f"{project.parent['type']}s/{project.parent['id']}" if project.parent else ""
    facts: Mapping[str, str] = {
        "id": project.project_id,
        "projectId": project.project_id,
        "name": project.name,
        "displayName": project.name,
        "projectNumber": project.number,
        "lifecycleState": _state(project),
        "state": _state(project),
        "parent": parent,
        "parent.type": project.parent.get("type", ""),
        "parent.id": project.parent.get("id", ""),
        **{f"labels.{label}": text for label, text in project.labels.items()},
    }
    if not colon or (key not in facts and not key.startswith("labels.")):
        raise ApiError(400, f"Invalid filter: {term}")
    wanted = value.strip('"')
    return key in facts if wanted == "*" else facts.get(key) == wanted


def _ancestry(world: World, request: Request) -> Mapping[str, Any]:
    project = _project(world, request)
    above = [{"resourceId": dict(project.parent)}] if project.parent else []
    return {"ancestor": [{"resourceId": {"type": "project", "id": project.project_id}}, *above]}


def _update(world: World, request: Request) -> Mapping[str, Any]:
    project = _project(world, request)
    labels.check(request.body.get("labels", {}))
    return _shown(_changed(world, project.project_id, request, ("name", "labels")), "v1")


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    project = _project(world, request)
    labels.check(request.body.get("labels", {}))
    names = {"display_name": "displayName", "labels": "labels", "displayName": "displayName"}
    mask = [one for one in str(request.params.get("updateMask", "")).split(",") if one]
    unknown = [one for one in mask if one not in names]
    if unknown:
        raise ApiError(400, f"The field {unknown[0]} of a project cannot be updated.")
    fields = tuple(names[one] for one in mask) or ("displayName", "labels")
    fresh = _changed(world, project.project_id, request, fields)
    return _operation(world, request, fresh, "UpdateProjectMetadata", {})


def _mark(world: World, request: Request, *, deleted: bool) -> Mapping[str, Any]:
    project = _project(world, request)
    if project.deleted == deleted:
        state = "not active" if deleted else "not in the state DELETE_REQUESTED"
        text = f"Project {project.project_id} is {state}."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    marked = {"deleted": world.now() if deleted else ""}
    fresh = world.projects.change(project.project_id, marked)
    if request.version == "v1":
        return {}
    verb = "Delete" if deleted else "Undelete"
    return _operation(world, request, fresh, f"{verb}ProjectMetadata", {})


def _effective_policy(world: World, request: Request) -> Mapping[str, Any]:
    """What the organisation's policies come to in the project; a constraint is called "constraints/NAME"."""
    asked = str(request.body.get("constraint", ""))
    constraint = asked.removeprefix(constraints.PREFIX)
    if asked == constraint or constraint not in constraints.ALL:
        raise ApiError(400, "Request contains an invalid argument.")
    return constraints.effective(constraint, enforced=world.conditions.forbids(constraint))


def _get_policy(world: World, request: Request) -> Mapping[str, Any]:
    return world.policies.get(_resource(request), requested_version(request.params, request.body))


def _set_policy(world: World, request: Request) -> Mapping[str, Any]:
    policy: dict[str, Any] = request.body.get("policy", {})
    for binding in policy.get("bindings", ()):
        for member in binding.get("members", ()):
            if member in policy_members.PUBLIC:
                raise ApiError(400, f"Invalid argument: {member} may not be granted a role on a project.")
    return world.policies.set(_resource(request), policy, str(request.body.get("updateMask", "")))


def _resource(request: Request) -> str:
    return f"projects/{request.project}"


def _state(project: Project) -> str:
    return "DELETE_REQUESTED" if project.deleted else "ACTIVE"


def _shown(project: Project, version: str) -> Mapping[str, Any]:
    labelled = {"labels": dict(project.labels)} if project.labels else {}
    if version == "v1":
        return {
            "projectNumber": project.number,
            "projectId": project.project_id,
            "lifecycleState": _state(project),
            "name": project.name,
            "createTime": project.created,
            **labelled,
            **({"parent": dict(project.parent)} if project.parent else {}),
        }
    above = f"{project.parent['type']}s/{project.parent['id']}" if project.parent else ""
    return {
        "name": f"projects/{project.number}",
        "projectId": project.project_id,
        "state": _state(project),
        "displayName": project.name,
        "createTime": project.created,
        "updateTime": project.updated,
        "etag": f'W/"{project.updated}"',
        **labelled,
        **({"parent": above} if above else {}),
        **({"deleteTime": project.deleted_at} if project.deleted else {}),
    }
