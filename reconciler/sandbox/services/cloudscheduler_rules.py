"""Jobs of Cloud Scheduler: what the server fills in, and what it refuses, in its own words where known.

"Schedule or time zone is invalid.", "Job … already exists." and the refusals by IAM are on record in public bug
reports (terraform-provider-google 7001 and 16918, google-cloud-go 1352); the other words are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.sandbox.errors import ApiError, not_emulated
from reconciler.sandbox.iam.accounts import find_account
from reconciler.sandbox.scheduling.cron import Schedule
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

NAME: Final = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<place>[^/]+)/jobs/[A-Za-z0-9_-]{1,500}")
RETRIES: Final[Mapping[str, Any]] = {
    "maxRetryDuration": "0s", "minBackoffDuration": "5s", "maxBackoffDuration": "3600s", "maxDoublings": 5,
}  # fmt: skip
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
TOKENS: Final = ("oauthToken", "oidcToken")
MOST_RETRIES: Final = 5
LONGEST_URI: Final = 2083
LONGEST_DESCRIPTION: Final = 500
DEADLINE: Final = (15.0, 1800.0)


def settled(world: World, request: Request, sent: Mapping[str, Any]) -> Body:
    """A job's fields as its GET shows them, without name, state and times. Raises ApiError."""
    if "httpTarget" not in sent:
        if "pubsubTarget" in sent or "appEngineHttpTarget" in sent:
            raise not_emulated(request.http_method, request.path, "jobs with a target that is not HTTP")
        raise _invalid("Job must have one of http_target, pubsub_target, app_engine_http_target.")
    zone = str(sent.get("timeZone") or "Etc/UTC")
    _check_schedule(str(sent.get("schedule", "")), zone)
    if len(sent.get("description", "")) > LONGEST_DESCRIPTION:
        raise _invalid(f"Job description must not exceed {LONGEST_DESCRIPTION} characters.")
    deadline = str(sent.get("attemptDeadline") or "180s")
    if not DEADLINE[0] <= float(deadline.removesuffix("s")) <= DEADLINE[1]:
        raise _invalid(
            "Job attempt_deadline must be in the interval [15 seconds, 30 minutes] for HTTP targets."
        )
    retries: Body = {**RETRIES, **sent.get("retryConfig", {})}
    if not retries.get("retryCount"):
        retries.pop("retryCount", None)
    if not 0 <= retries.get("retryCount", 0) <= MOST_RETRIES:
        raise _invalid(f"Job retry_count must be between 0 and {MOST_RETRIES}.")
    return {
        **({"description": sent["description"]} if sent.get("description") else {}),
        "schedule": sent["schedule"],
        "timeZone": zone,
        "attemptDeadline": deadline,
        "retryConfig": retries,
        "httpTarget": _target(world, request, sent["httpTarget"]),
    }


def _check_schedule(text: str, zone: str) -> None:
    try:
        Schedule(text, zone)
    except ValueError as error:
        raise _invalid("Schedule or time zone is invalid.") from error


def _target(world: World, request: Request, sent: Mapping[str, Any]) -> Body:
    uri = str(sent.get("uri", ""))
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(uri) > LONGEST_URI:
        raise _invalid(f"HttpTarget.uri must be a valid URL that begins with http:// or https://: {uri!r}.")
    method = str(sent.get("httpMethod") or "POST")
    if method == "HTTP_METHOD_UNSPECIFIED":
        method = "POST"
    headers: dict[str, str] = {**sent.get("headers", {})}
    target: Body = {"uri": uri if parts.path else parts._replace(path="/").geturl(), "httpMethod": method}
    if sent.get("body"):
        if method not in WITH_BODY:
            raise _invalid(f"HttpTarget.body is not allowed for HTTP method {method}.")
        target["body"] = sent["body"]
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/octet-stream"
    given = [name for name in TOKENS if sent.get(name)]
    if len(given) > 1:
        raise _invalid("HttpTarget must have at most one of oauth_token and oidc_token.")
    for name in given:
        target[name] = _token(world, request, name, sent[name], target["uri"])
    return {**target, "headers": {**headers, "User-Agent": "Google-Cloud-Scheduler"}}


def _token(world: World, request: Request, name: str, sent: Mapping[str, Any], uri: str) -> Body:
    """Whose token the calls carry; whoever writes the job has to be allowed to act as them."""
    email = str(sent.get("serviceAccountEmail", ""))
    account = find_account(world, f"projects/{request.project}/serviceAccounts/{email}") if email else None
    where = f"projects/{request.project}/serviceAccounts/{email}"
    places = [where, f"projects/{request.project}"]
    if account is None or not world.policies.allowed(request.caller, "iam.serviceAccounts.actAs", places):
        raise lacking("iam.serviceAccounts.actAs", where)
    if name == "oauthToken":
        host = str(urlsplit(uri).hostname)
        if not host.endswith(".googleapis.com"):
            raise _invalid("An OAuth token may be sent to *.googleapis.com only.")
        return {"serviceAccountEmail": email, "scope": sent.get("scope") or SCOPE}
    return {"serviceAccountEmail": email, "audience": sent.get("audience") or uri}


def lacking(permission: str, resource: str) -> ApiError:
    """Cloud Scheduler's 403, which it also gives for a location that it is not in."""
    return ApiError(
        403,
        f'The principal (user or service account) lacks IAM permission "{permission}" for the resource "{resource}" '
        "(or the resource may not exist).",
    )


def _invalid(text: str) -> ApiError:
    return ApiError(400, text)
