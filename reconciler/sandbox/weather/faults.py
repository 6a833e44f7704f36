"""What goes wrong when it is asked to: the answers of a Google Cloud that is busy, broken or over its quota."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from reconciler.sandbox import errors
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import CALLING, Pace
from reconciler.sandbox.weather.conditions import OPERATION_ERROR, Conditions, Exceeded
from reconciler.sandbox.web.discovery import Document
from reconciler.sandbox.world import Answer

_HTML: Final = ("Content-Type", "text/html; charset=UTF-8")
_MESSAGE: Final = {
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}
_REASON: Final = {429: "rateLimitExceeded", 500: "backendError", 503: "backendError"}
_PAGE: Final = (
    "<!DOCTYPE html>\n<html lang=en>\n<title>Error {code} ({phrase})!!1</title>\n"
    "<p><b>{code}.</b> <ins>That’s an error.</ins>\n"
    "<p>The server encountered a temporary error and could not complete your request.<p>Try again in 30 seconds.\n"
)


def answer(api: str, fault: str) -> Answer:
    """What *api* answers for the fault "429", "500", "502" or "503"; nothing was carried out."""
    code = int(fault)
    if code == HTTPStatus.BAD_GATEWAY:
        # The front end speaks here, not the API: a page, no JSON.
        page = _PAGE.format(code=code, phrase=HTTPStatus(code).phrase)
        return Answer(code, page.encode(), [_HTML])
    error = ApiError(code, _MESSAGE[code], reason=_REASON[code])
    return Answer(code, errors.body(api, error))


def over_quota(document: Document, number: str, http_method: str, quota: Exceeded) -> ApiError:
    """Google's refusal of one request too many: 429, and 403 for Compute Engine.

    Worded as recorded from Resource Manager; *number* is the consumer project's.
    """
    reads = http_method in ("GET", "HEAD")
    metric, words = ("read_requests", "Read requests") if reads else ("write_requests", "Write requests")
    consumer = f"project_number:{number}"
    text = (
        f"Quota exceeded for quota metric '{words}' and limit '{words} per minute' of service "
        f"'{document.host}' for consumer '{consumer}'."
    )
    metadata = {
        "consumer": f"projects/{number}",
        "quota_limit": f"{words.split()[0]}RequestsPerMinutePerProject",
        "quota_limit_value": str(quota.requests),
        "quota_location": "global",
        "quota_metric": f"{document.host}/{metric}",
        "service": document.host,
    }
    info = _detail("ErrorInfo", reason="RATE_LIMIT_EXCEEDED", domain="googleapis.com", metadata=metadata)
    url = "https://cloud.google.com/docs/quotas/help/request_increase"
    links = [{"description": "Request a higher quota limit.", "url": url}]
    status = 403 if document.api == "compute" else 429
    return ApiError(
        status,
        text,
        reason="rateLimitExceeded",
        domain="usageLimits" if document.api == "compute" else "global",
        details=[info, _detail("Help", links=links)],
    )


def pace(conditions: Conditions) -> Pace:
    """How the operation will go that the request on this thread starts."""
    method, request = CALLING.get()
    failed = conditions.fault(method, (OPERATION_ERROR,), request)
    error = ApiError(500, "An internal error has occurred.", reason="INTERNAL_ERROR") if failed else None
    return Pace(conditions.seconds(method), error)


def _detail(kind: str, **fields: Any) -> Mapping[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}
