"""Google's error answers: what a service raises, and the body that its API makes of it.

Two families are recorded from the real services. The classic one (Cloud Storage, Cloud SQL, Compute) has `errors[]`
and no `status`; the newer one (Run, Secret Manager, Artifact Registry) has `status` and perhaps `details`.
IAM, Resource Manager and Service Usage carry both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

RPC_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
RPC_NUMBER: Final = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
REASON: Final = {
    "INVALID_ARGUMENT": "badRequest",
    "FAILED_PRECONDITION": "failedPrecondition",
    "UNAUTHENTICATED": "authError",
    "PERMISSION_DENIED": "forbidden",
    "NOT_FOUND": "notFound",
    "ALREADY_EXISTS": "alreadyExists",
    "ABORTED": "aborted",
    "RESOURCE_EXHAUSTED": "rateLimitExceeded",
    "INTERNAL": "backendError",
}
CLASSIC: Final = frozenset({"storage", "sqladmin", "compute"})
BOTH: Final = frozenset({"iam", "cloudresourcemanager", "serviceusage"})


class ApiError(Exception):
    """An error answer of an API.

    *status* is the HTTP status; *reason* the word in `errors[0].reason` (derived from the status where left out);
    *rpc_status* the gRPC name, needed where HTTP alone is ambiguous (400 FAILED_PRECONDITION, 409 ABORTED);
    *details* the `google.rpc` messages, each with its `@type`; *location* what was wrong, as classic APIs say it:
    ("If-Match", "header").
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        rpc_status: str = "",
        details: Sequence[Mapping[str, Any]] = (),
        domain: str = "global",
        location: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.rpc_status = rpc_status or RPC_STATUS.get(status, "UNKNOWN")
        self.reason = reason or REASON.get(self.rpc_status, "invalid")
        self.details = list(details)
        self.domain = domain
        self.location = location


def body(api: str, error: ApiError) -> dict[str, Any]:
    """The JSON body that *api* answers for *error*."""
    inner: dict[str, Any] = {"code": error.status, "message": error.message}
    # What all APIs have in common stands before them, and speaks for all in the newer shape.
    by_front_end = error.domain == "usageLimits"
    if api in CLASSIC or api in BOTH:
        entry = {"message": error.message, "domain": error.domain, "reason": error.reason}
        if error.location:
            entry |= {"location": error.location[0], "locationType": error.location[1]}
        if error.reason == "accessNotConfigured":
            entry["extendedHelp"] = "https://console.developers.google.com"
        inner["errors"] = [entry]
    if api not in CLASSIC or by_front_end:
        inner["status"] = error.rpc_status
    if error.details:
        inner["details"] = error.details
    return {"error": inner}


def rpc(error: ApiError) -> dict[str, Any]:
    """The `google.rpc.Status` of *error*: what a long-running operation carries."""
    status: dict[str, Any] = {"code": RPC_NUMBER[error.rpc_status], "message": error.message}
    if error.details:
        status["details"] = error.details
    return status


def bad_request(violations: Sequence[tuple[str, str]]) -> ApiError:
    """The 400 for (field, description) pairs, worded and detailed as Google's JSON front end does it."""
    fields: list[dict[str, str]] = []
    for field, description in violations:
        fields.append({"field": field, "description": description} if field else {"description": description})
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}
    message = "\n".join(description for _, description in violations)
    return ApiError(400, message, details=[detail])


def not_emulated(method: str, path: str, known_as: str = "") -> ApiError:
    """The answer to what the sandbox does not do: never a 5xx, which clients would retry for half a minute."""
    what = f" ({known_as})" if known_as else ""
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "sandboxNotEmulated",
        "domain": "sandbox",
        "metadata": {"method": method, "path": path, "knownAs": known_as},
    }
    text = f"The sandbox does not emulate {method} {path}{what}."
    return ApiError(404, text, reason="sandboxNotEmulated", details=[detail])


class SandboxError(Exception):
    """What the person who runs the sandbox has to know: *message* says what, *way_out* what to do about it."""

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out
