"""Google's errors in our words: one translation for the three client libraries.

Matched on HTTP status and machine-readable reason, never on `status` alone: Cloud SQL, Cloud Storage and Compute
leave it out. A disabled API, a missing permission, a missing project and a missing resource are four answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from reconciler import errors
from reconciler.gcp import granting


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: HTTP *status*, the first *reason* word, its *message* and the *metadata* of ErrorInfo.

    *address* is the URL that was asked, "" where the library does not tell.
    """

    status: int
    reason: str
    message: str
    metadata: Mapping[str, str]
    address: str = ""


TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})
UNREADABLE = frozenset({"JSONDecodeError", "ParseError"})
"""What the libraries raise for half an answer, or for a page that something in between has sent."""
TRANSPORTS = frozenset({"http", "httplib2", "requests", "urllib3"})
"""Packages whose exceptions all mean that no whole answer came."""
QUOTAS_PAGE = "https://console.cloud.google.com/iam-admin/quotas"
GCLOUDS_OWN_PROJECT = "764086051850"
"""Whom Google charges for calls with a person's credentials that name no quota project; seen in recorded answers."""
QUOTA_REASONS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"}
)


def explain(error: Exception, about: str) -> errors.ReconcileError:
    """The same failure as one of our errors; *about* says what was being done: "creating the bucket b"."""
    if isinstance(error, errors.ReconcileError):
        return error
    answer = _answer(error)
    if answer is None:
        return _without_answer(error, about)
    return _classified(answer, about)


def _classified(answer: Answer, about: str) -> errors.ReconcileError:
    text = f"{about}: {answer.message}"
    kind, way_out = _kind_of(answer)
    error = kind(text, way_out=way_out, status=answer.status, reason=answer.reason)
    if isinstance(error, errors.PermissionMissing):
        error.permissions = granting.lacking(answer.message, answer.metadata, answer.address)
    return error


def _kind_of(answer: Answer) -> tuple[type[errors.ReconcileError], str]:
    status, reason = answer.status, answer.reason
    if _used_up(answer):
        return errors.Refused, f"Delete what is not needed any more, or ask for more: {QUOTAS_PAGE}"
    if status in TRANSIENT_STATUS or reason in QUOTA_REASONS:
        return errors.Unavailable, "Run it again in a few minutes; what is done stays done."
    if status == 401:
        return errors.CredentialsMissing, "Log in again: gcloud auth application-default login."
    if status == 403 and reason in {"SERVICE_DISABLED", "accessNotConfigured"}:
        service = answer.metadata.get("service", "the API")
        consumer = answer.metadata.get("consumer", "").removeprefix("projects/")
        if consumer == GCLOUDS_OWN_PROJECT:
            return (
                errors.ApiDisabled,
                "Say whose quota to use: gcloud auth application-default set-quota-project PROJECT.",
            )
        there = f" --project {consumer}" if consumer else ""
        return errors.ApiDisabled, f"Enable it: gcloud services enable {service}{there}, or let apply do it."
    if _policy_of_the_organisation(answer):
        named = f" {answer.metadata['constraint']}" if "constraint" in answer.metadata else ""
        return (
            errors.Refused,
            f"An organisation policy{named} forbids it: ask who administers the organisation, or change the spec.",
        )
    if status == 403 and reason == "CONSUMER_INVALID":
        return errors.ProjectMissing, "Check `project:` in the spec."
    if status == 403:
        return errors.PermissionMissing, "Ask for the permission that the message names, on this project."
    if status == 404:
        return errors.NotThere, ""
    if status == 409 and reason == "operationInProgress":
        return errors.Busy, "Another change is running on it; run this again when that has ended."
    if _version_moved(answer):
        return (
            errors.VersionMoved,
            "Somebody changed it in the meantime; run this again to see what is there now.",
        )
    if status == 409:
        return errors.AlreadyThere, ""
    return errors.Refused, ""


def _used_up(answer: Answer) -> bool:
    """Compute Engine has one word for too many requests and for too many things, and other sentences."""
    return answer.reason == "quotaExceeded" and answer.message.startswith("Quota '")


def _policy_of_the_organisation(answer: Answer) -> bool:
    """Cloud Storage answers a violated constraint with the same 412 as a precondition that did not hold."""
    words = ("constraints/", "organization policy", "permitted customer")
    return "constraint" in answer.metadata or any(word in answer.message.lower() for word in words)


def _version_moved(answer: Answer) -> bool:
    """A precondition that did not hold: 412 of Storage and Cloud SQL, 409 of IAM and Cloud Run, 400 of secrets.

    Secret Manager's 400 has no reason of its own; a disabled version's differs from it in the text alone.
    """
    if answer.status == 409:
        return answer.reason in {"aborted", "ABORTED", "staleData", "conditionNotMet"}
    stale_etag = answer.reason == "FAILED_PRECONDITION" and "etag" in answer.message.lower()
    return answer.status == 412 or (answer.status == 400 and stale_etag)


def _answer(error: Exception) -> Answer | None:
    from google.api_core.exceptions import GoogleAPICallError
    from googleapiclient.errors import HttpError  # pyright: ignore[reportMissingTypeStubs] -- ships no types

    if isinstance(error, HttpError):
        http = cast("Any", error)
        return parse(int(http.resp.status), bytes(http.content), str(http), str(http.uri or ""))
    if isinstance(error, GoogleAPICallError):
        call = cast("Any", error)
        # The library keeps neither `status` (which alone tells ABORTED from ALREADY_EXISTS) nor the bare message.
        content = getattr(call.response, "content", b"")
        return parse(int(call.code or 0), bytes(content or b""), str(call.message or call))
    return None


def parse(status: int, content: bytes, fallback: str, address: str = "") -> Answer:
    """An error body of either shape (google.rpc.Status, or the classic one with `errors[]`)."""
    try:
        error = cast("dict[str, Any]", json.loads(content)["error"])
        details = cast("list[dict[str, Any]]", error.get("details") or [])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Answer(status, "", re.sub(r"\s+", " ", fallback)[:500], {}, address)
    nothing: dict[str, Any] = {}
    info = next((d for d in details if str(d.get("@type", "")).endswith("ErrorInfo")), nothing)
    reason = str(
        info.get("reason")
        or _first_reason(cast("list[Any]", error.get("errors") or []))
        or error.get("status")
        or ""
    )
    # Service Usage adds a token for Google's support, which is of no use to anybody else.
    message = str(error.get("message", fallback)).partition("\nHelp Token:")[0]
    metadata = cast("dict[str, str]", info.get("metadata") or {})
    return Answer(status, reason, message, {**metadata, **_constraint(details)}, address)


def _constraint(details: list[dict[str, Any]]) -> dict[str, str]:
    """{"constraint"}: the organisation policy that the details say is violated, if any."""
    for detail in details:
        for violation in cast("list[dict[str, Any]]", detail.get("violations") or []):
            kind = str(violation.get("type", ""))
            if kind.startswith("constraints/"):
                return {"constraint": kind.removeprefix("constraints/")}
    return {}


def _first_reason(entries: list[Any]) -> str:
    for entry in entries:
        if isinstance(entry, dict):
            return str(cast("dict[str, Any]", entry).get("reason", ""))
    return ""


def _without_answer(error: Exception, about: str) -> errors.ReconcileError:
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return errors.CredentialsMissing(
            f"{about}: {error}",
            way_out="Log in with: gcloud auth application-default login. To try it without Google Cloud: --sandbox.",
        )
    if isinstance(error, OSError | TransportError) or type(error).__module__.split(".")[0] in TRANSPORTS:
        return errors.Unreachable(
            f"{about}: no answer ({type(error).__name__}: {error})",
            way_out="Check the network and the proxy settings; for the sandbox: mlflow-reconcile sandbox status.",
        )
    if type(error).__name__ in UNREADABLE:
        return errors.Unreachable(
            f"{about}: what came back cannot be read as an answer of Google's ({error})"
        )
    raise error
