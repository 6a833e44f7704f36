"""Who calls, on which project, and whether they may: the checks that come before every API method."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import parse_qs

from reconciler.sandbox import errors
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import accounts, denials, oauth, permissions
from reconciler.sandbox.iam.denials import NAMES
from reconciler.sandbox.iam.identities import OPERATOR
from reconciler.sandbox.iam.policy_conditions import MODIFIED
from reconciler.sandbox.web.discovery import Described, Document
from reconciler.sandbox.world import Request, Visit, World

_IN_NAME: Final = re.compile(r"^/?(?:projects|namespaces)/([^/:]+)")
_ACCOUNT: Final = re.compile(r"^projects/-/serviceAccounts/[^@/]+@([a-z0-9-]+)\.iam\.gserviceaccount\.com")
_DEFAULT_ACCOUNT: Final = re.compile(
    r"^projects/-/serviceAccounts/(\d+)-compute@developer\.gserviceaccount\.com"
)
_BUILD: Final = re.compile(r"^operations/build/([^/]+)/")
_NUMBERED: Final = re.compile(r"^operations/[a-z]+\.p\d+-(\d+)-")
"""Operations of Service Usage and Service Networking carry their project's number in their name."""
ALWAYS_ON: Final = frozenset({"serviceusage"})
"""What works in a project where nothing was enabled yet."""
_PLAIN: Final = frozenset({"storage", "iamcredentials", "logging"})
"""APIs whose services check permissions themselves: what they are about is in no project's path."""


def caller(world: World, visit: Visit) -> str:
    """The IAM member that calls. Without a token it is the operator; raises ApiError 401 for a bad one."""
    header = visit.header("authorization")
    token = ""
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthenticated()
    else:
        query = parse_qs(visit.target.partition("?")[2])
        token = (query.get("access_token") or query.get("oauth_token") or [""])[0]
        if not token:
            return world.conditions.caller or OPERATOR
    member = oauth.bearer(world, token.strip())
    if member is None:
        raise _unauthenticated()
    if not accounts.works(world.store, member):
        raise _unauthenticated(_bad_account(visit, member))
    return member


def project(
    world: World, method: Described, params: Mapping[str, Any], body: Mapping[str, Any] | None = None
) -> str:
    """The id of the project that the request names ("" where it names none); raises ApiError where it is missing."""
    named = (
        _consumer({**params, **(body or {})}) if method.api == "servicenetworking" else _named(method, params)
    )
    if not named:
        return ""
    # A project that was deleted can still be read and brought back; to every other API it is gone.
    look_up = world.projects.find if method.api == "cloudresourcemanager" else world.projects.get
    known = look_up(named)
    if known is None:
        raise _no_project(method, named)
    return known.project_id


def check(world: World, document: Document, request: Request) -> None:
    """Raise ApiError 403 where the API is disabled in the project, or the caller lacks a permission."""
    if request.project and request.api not in ALWAYS_ON and not _of_the_callers_project(request):
        lag = world.conditions.propagation("services")
        if not world.projects.usable(request.project, document.host, lag, world.clock()):
            raise disabled(world, request.project, document)
    if request.api in _PLAIN or (not request.project and request.method_id.startswith("operations.")):
        return
    try:
        asked = permissions.asked(request.api, request.method_id, request.body)
    except KeyError as error:
        if request.caller == OPERATOR:
            return
        raise errors.not_emulated(request.http_method, request.path, f"who may call {error}") from error
    places = _resources(request)
    attributes = _attributes(world, request, places)
    for permission in asked:
        if not world.policies.allowed(request.caller, permission, places, attributes=attributes):
            known = world.projects.get(request.project)
            raise denials.denied(document.host, known.number if known else "", request, permission)


def _of_the_callers_project(request: Request) -> bool:
    """Whether it is the caller's own project that needs the API: whoever makes a project has it in another one."""
    about_policies = request.method_id.endswith(("IamPolicy", "IamPermissions", "OrgPolicy"))
    return request.api == "cloudresourcemanager" and not about_policies


def _attributes(world: World, request: Request, places: Sequence[str]) -> dict[str, Any]:
    """What conditions may ask about the request itself."""
    policy: Any = request.body.get("policy")
    if not places or not request.method_id.endswith("setIamPolicy") or not isinstance(policy, dict):
        return {}
    return {MODIFIED: world.policies.modified(places[0], cast("dict[str, Any]", policy))}


def check_billed(world: World, document: Document, caller: str, headers: Mapping[str, str]) -> None:
    """Raise ApiError 403 where whom the caller wants to be charged does not agree; asked before anything else."""
    project = headers.get("x-goog-user-project", "")
    if not project:
        return
    known = world.projects.get(project)
    if known is None or not world.policies.allowed(
        caller, "serviceusage.services.use", [f"projects/{known.project_id}"]
    ):
        raise denials.not_for_billing(project, document.host)


def require(world: World, request: Request, permission: str, resources: Sequence[str]) -> None:
    """Raise ApiError 403 unless the caller holds *permission* on one of *resources*: for what asks by itself."""
    if not world.policies.allowed(request.caller, permission, resources):
        raise denials.denied("", "", request, permission)


def disabled(world: World, project_id: str, document: Document) -> ApiError:
    """Google's 403 for an API that is not enabled."""
    known = world.projects.get(project_id)
    number = known.number if known else project_id
    url = f"https://console.developers.google.com/apis/api/{document.host}/overview?project={number}"
    text = (
        f"{document.title} has not been used in project {number} before or it is disabled. Enable it by visiting {url} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "activationUrl": url,
            "consumer": f"projects/{number}",
            "containerInfo": number,
            "service": document.host,
            "serviceTitle": document.title,
        },
    }
    localized = {
        "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
        "locale": "en-US",
        "message": text,
    }
    links = [{"description": "Google developers console API activation", "url": url}]
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": links}
    return ApiError(
        403, text, reason="accessNotConfigured", domain="usageLimits", details=[info, localized, help_]
    )


def _resources(request: Request) -> list[str]:
    named: list[str] = []
    for key in NAMES:
        value = request.params.get(key)
        if isinstance(value, str) and "/" in value:
            parts = value.split("/")
            if parts[0] == "projects":
                parts[1] = request.project
            # The resource and everything it lies in: projects/p/secrets/s/versions/1, projects/p/secrets/s, projects/p.
            named = ["/".join(parts[:end]) for end in range(len(parts), 1, -2)]
            break
    project_name = f"projects/{request.project}"
    return [*named, *([project_name] if project_name not in named else [])]


def _named(method: Described, params: Mapping[str, Any]) -> str:
    for key in ("project", "projectId"):
        if isinstance(params.get(key), str):
            return params[key].removeprefix("projects/")
    for key in NAMES:
        value = params.get(key)
        if not isinstance(value, str):
            continue
        for pattern in (_ACCOUNT, _DEFAULT_ACCOUNT):
            if found := pattern.match(value):
                return found[1]
        if found := _BUILD.match(value) or _NUMBERED.match(value):
            return found[1]
        if found := _IN_NAME.match(value):
            return "" if found[1] == "-" else found[1]
        if (
            method.api == "cloudresourcemanager"
            and "{resource}" in method.path
            and "projects/" in method.path
        ):
            return value
    return ""


def _consumer(fields: Mapping[str, Any]) -> str:
    """Whose network a call of Service Networking is about: its names are those of the service, not of a project."""
    for key in ("network", "consumerNetwork"):
        if found := _IN_NAME.match(str(fields.get(key, ""))):
            return found[1]
    return ""


def _no_project(method: Described, named: str) -> ApiError:
    if method.api == "storage":
        return ApiError(400, f"Unknown project id: {named}", reason="invalid")
    if method.api == "compute":
        return ApiError(404, f"The resource 'projects/{named}' was not found", reason="notFound")
    if method.api == "sqladmin":
        return ApiError(403, "The client is not authorized to make this request.", reason="notAuthorized")
    if method.api in ("cloudresourcemanager", "iam"):
        return ApiError(403, "The caller does not have permission")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "CONSUMER_INVALID",
        "domain": "googleapis.com",
        "metadata": {"consumer": f"projects/{named}", "service": f"{method.api}.googleapis.com"},
    }
    return ApiError(403, f"Permission denied on resource project {named}.", details=[info])


def _bad_account(visit: Visit, member: str) -> dict[str, Any]:
    service = {"service": visit.host} if visit.host.endswith(".googleapis.com") else {}
    email = member.rpartition("serviceAccount:")[2].partition("?uid=")[0]
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCOUNT_STATE_INVALID",
        "domain": "googleapis.com",
        "metadata": {"email": email, **service},
    }


def _unauthenticated(*details: Mapping[str, Any]) -> ApiError:
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return ApiError(401, text, details=details)
