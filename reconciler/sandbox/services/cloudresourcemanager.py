"""Resource Manager: projects and their IAM policies, v1 and v3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.policy_bindings import requested_version
from reconciler.sandbox.projects import Project
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudresourcemanager"
VERSIONS: Final = ("v1", "v3")


def methods(world: World) -> dict[str, Method]:
    """What of Resource Manager is emulated."""
    return {
        "projects.get": lambda request: _get(world, request),
        "projects.list": lambda request: _list(world, request),
        "projects.getIamPolicy": lambda request: world.policies.get(
            _resource(request), requested_version(request.params, request.body)
        ),
        "projects.setIamPolicy": lambda request: _set_policy(world, request),
        "projects.testIamPermissions": lambda request: world.policies.held(
            request.caller, request.body.get("permissions", ()), [_resource(request)]
        ),
    }


def _get(world: World, request: Request) -> Mapping[str, Any]:
    project = world.projects.get(request.project)
    if project is None:
        raise ApiError(403, "The caller does not have permission")
    return _shown(project, request.version)


def _list(world: World, request: Request) -> Mapping[str, Any]:
    if request.version != "v1":
        raise ApiError(400, "Listing projects by parent needs an organisation; the sandbox has none.")
    items = [(one.project_id, _shown(one, "v1")) for one in world.projects.list() if _passes(one, request)]
    return listed("projects", items, request.params, default=500, most=500)


def _passes(project: Project, request: Request) -> bool:
    for term in str(request.params.get("filter", "")).replace(" AND ", " ").split():
        key, colon, value = term.replace("=", ":").partition(":")
        facts = {"id": project.project_id, "projectId": project.project_id, "name": project.project_id,
                 "projectNumber": project.number, "lifecycleState": "ACTIVE"}  # fmt: skip
        if not colon or key not in facts:
            raise ApiError(400, f"Invalid filter: {term}")
        if value.strip('"') != facts[key]:
            return False
    return True


def _set_policy(world: World, request: Request) -> Mapping[str, Any]:
    policy: dict[str, Any] = request.body.get("policy", {})
    for binding in policy.get("bindings", ()):
        for member in binding.get("members", ()):
            if member in ("allUsers", "allAuthenticatedUsers"):
                raise ApiError(400, f"Invalid argument: {member} may not be granted a role on a project.")
    return world.policies.set(_resource(request), policy, str(request.body.get("updateMask", "")))


def _resource(request: Request) -> str:
    return f"projects/{request.project}"


def _shown(project: Project, version: str) -> Mapping[str, Any]:
    if version == "v1":
        return {
            "projectNumber": project.number,
            "projectId": project.project_id,
            "lifecycleState": "ACTIVE",
            "name": project.project_id,
            "createTime": project.created,
        }
    return {
        "name": f"projects/{project.number}",
        "projectId": project.project_id,
        "state": "ACTIVE",
        "displayName": project.project_id,
        "createTime": project.created,
        "updateTime": project.created,
        "etag": f'W/"{project.number}"',
    }
