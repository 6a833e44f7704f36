"""Google's 403 for a caller who lacks a permission: every API has its own words and shape.

The words are on record in public bug reports, except for those of Service Networking and of Cloud Monitoring, which
are common knowledge. Cloud Build, Resource Manager and Service Usage do not name the permission.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.world import Request

NAMES: Final = ("name", "parent", "resource")
_NO_WORDS: Final = "The caller does not have permission"
_BY_FULL_NAME: Final = frozenset({"artifactregistry", "vpcaccess"})
_WITHOUT_NAME: Final = frozenset({"iam", "iamcredentials", "logging"})
_TO_DO: Final = {
    "serviceusage.services.enable": "enable service [{0}]",
    "serviceusage.services.disable": "disable service [{0}]",
    "serviceusage.services.get": "get service [{0}]",
    "serviceusage.services.list": "list services for consumer container [projects/{1}]",
    "servicenetworking.services.addPeering": "add peering for service '{0}'",
    "servicenetworking.services.deleteConnection": "delete connection for service '{0}'",
    "servicenetworking.services.get": "get service '{0}'",
}
"""What Service Usage and Service Networking say that was not permitted; {0} the service, {1} the project's number."""


def denied(host: str, number: str, request: Request, permission: str) -> ApiError:
    """The 403 of the API at *host*; *number* is that of the project that the request names."""
    api = request.api
    if api == "sqladmin":
        return _sql(request, permission)
    if api == "compute":
        return ApiError(403, f"Required '{permission}' permission for '{_compute_name(request)}'")
    if api in ("serviceusage", "servicenetworking"):
        return _service(api, number, request, permission)
    if api == "monitoring":
        return ApiError(403, f"Permission {permission} denied (or the resource may not exist).")
    if api == "run":
        name = _created(request) or _name(request)
        text = f"Permission '{permission}' denied on resource '{name}' (or resource may not exist)."
        return ApiError(403, text)
    if api == "cloudscheduler":
        text = "The principal (user or service account) lacks IAM permission"
        return ApiError(
            403, f'{text} "{permission}" for the resource "{_name(request)}" (or the resource may not exist).'
        )
    if api == "cloudbuild":
        return ApiError(403, _NO_WORDS)
    if api == "cloudresourcemanager":
        return _project(request, permission)
    return _by_iam(host, request, permission)


def not_for_billing(project: str, service: str) -> ApiError:
    """The 403 for a caller who may not let *project* be charged (x-goog-user-project); it may not exist either."""
    url = f"https://console.developers.google.com/iam-admin/iam/project?project={project}"
    text = (
        f"Caller does not have required permission to use project {project}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use "
        f"permission, by visiting {url} and then retry. Propagation of the new permission may take a few minutes."
    )
    links = [{"description": "Google developer console IAM admin", "url": url}]
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    metadata = {"consumer": f"projects/{project}", "service": service}
    return ApiError(403, text, details=[help_, _info("USER_PROJECT_DENIED", "googleapis.com", metadata)])


def _by_iam(host: str, request: Request, permission: str) -> ApiError:
    """What the APIs answer that let IAM do the talking."""
    metadata = {"permission": permission}
    if request.api in _WITHOUT_NAME:
        where, domain = "on resource", "iam.googleapis.com"
    elif request.api in _BY_FULL_NAME:
        where, domain = f"on resource '//{host}/{_name(request)}'", host
        metadata["resource"] = _name(request)
    else:
        where, domain = f"for resource '{_name(request)}'", "iam.googleapis.com"
        metadata["resource"] = _name(request)
    text = f"Permission '{permission}' denied {where} (or it may not exist)."
    return ApiError(403, text, details=[_info("IAM_PERMISSION_DENIED", domain, metadata)])


def _sql(request: Request, permission: str) -> ApiError:
    instance = request.params.get("instance") or request.body.get("name")
    on = f"instances/{instance}" if instance else f"projects/{request.project}"
    text = (
        "boss::NOT_AUTHORIZED: Not authorized to access resource. "
        f"Possibly missing permission {permission} on resource {on}."
    )
    return ApiError(403, text, reason="forbidden")


def _service(api: str, number: str, request: Request, permission: str) -> ApiError:
    service = _name(request).partition("/services/")[2].partition("/")[0]
    named = service or ", ".join(str(one) for one in request.body.get("serviceIds", ()))
    if api == "servicenetworking":
        named = "servicenetworking.googleapis.com"
    what = _TO_DO.get(permission, permission.rpartition(".")[2]).format(named, number)
    violation = {"type": "googleapis.com", "subject": "110002"}
    failure = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]}
    text = f"Permission denied to {what}\nHelp Token: {secrets.token_urlsafe(48)}"
    info = _info("AUTH_PERMISSION_DENIED", f"{api}.googleapis.com", {})
    return ApiError(403, text, details=[failure, info])


def _project(request: Request, permission: str) -> ApiError:
    if request.method_id.endswith("setIamPolicy"):
        return ApiError(403, "Policy update access denied.")
    if request.version == "v1":
        return ApiError(403, _NO_WORDS)
    name = f"//cloudresourcemanager.googleapis.com/projects/{request.project}"
    text = f"Permission '{permission}' denied on resource '{name}' (or it may not exist)."
    metadata = {"permission": permission, "resource": f"projects/{request.project}"}
    info = _info("IAM_PERMISSION_DENIED", "cloudresourcemanager.googleapis.com", metadata)
    return ApiError(403, text, details=[info])


def _name(request: Request) -> str:
    for key in NAMES:
        value = request.params.get(key)
        if isinstance(value, str):
            return value
    return f"projects/{request.project}"


def _created(request: Request) -> str:
    """The full name of what a request to Cloud Run would create, "" where it creates nothing."""
    parent, _, verb = request.method_id.rpartition(".")
    if verb != "create":
        return ""
    collection = parent.rpartition(".")[2]
    metadata: Mapping[str, Any] = request.body.get("metadata", {})
    chosen = request.params.get("serviceId") or request.params.get("jobId") or metadata.get("name", "")
    return f"{_name(request)}/{collection}/{chosen}"


def _compute_name(request: Request) -> str:
    """The resource as Compute Engine names it, from the path: "projects/p/global/networks/n"."""
    path = request.path.partition("?")[0].partition("/projects/")[2]
    verb = request.method_id.rpartition(".")[2]
    if verb in ("list", "aggregatedList", "listUsable"):
        return f"projects/{request.project}"
    if verb == "insert":
        path = f"{path}/{request.body.get('name', '')}"
    parts = ["projects", *path.split("/")]
    return "/".join(parts[: len(parts) // 2 * 2] if parts[2:3] != ["global"] else parts[:5])


def _info(reason: str, domain: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
    }
    return {**info, "metadata": dict(metadata)} if metadata else info
