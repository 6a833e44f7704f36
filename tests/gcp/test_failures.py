"""Google's errors in our words: one translation for three client libraries, with the bodies that Google sends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, cast

import httplib2  # pyright: ignore[reportMissingTypeStubs] -- ships no types
import pytest
import requests
import urllib3.exceptions
from google.api_core import exceptions as api_core
from google.auth import exceptions as auth
from googleapiclient.errors import HttpError  # pyright: ignore[reportMissingTypeStubs] -- ships no types

from reconciler import errors
from reconciler.gcp.failures import explain

INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def classic(status: int, message: str, reason: str) -> tuple[int, dict[str, Any]]:
    """The error of Cloud SQL and Cloud Storage: `errors[]`, no `status`."""
    entry = {"domain": "global", "reason": reason, "message": message}
    return status, {"error": {"code": status, "message": message, "errors": [entry]}}


def modern(status: int, message: str, name: str, *details: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The error of Cloud Run, Secret Manager and Artifact Registry: `status`, no `errors[]`."""
    return status, {"error": {"code": status, "message": message, "status": name, "details": list(details)}}


DISABLED = {
    "@type": INFO,
    "reason": "SERVICE_DISABLED",
    "domain": "googleapis.com",
    "metadata": {"service": "run.googleapis.com", "consumer": "projects/123"},
}
ANSWERS: list[tuple[tuple[int, dict[str, Any]], type[errors.ReconcileError]]] = [
    (modern(403, "Cloud Run Admin API has not been used", "PERMISSION_DENIED", DISABLED), errors.ApiDisabled),
    (classic(403, "Cloud SQL Admin API has not been used", "accessNotConfigured"), errors.ApiDisabled),
    (modern(403, "Permission 'run.services.get' denied", "PERMISSION_DENIED"), errors.PermissionMissing),
    (classic(403, "The client is not authorized", "notAuthorized"), errors.PermissionMissing),
    (modern(404, "Resource 'x' of kind 'SERVICE' does not exist.", "NOT_FOUND"), errors.NotThere),
    (classic(404, "The specified bucket does not exist.", "notFound"), errors.NotThere),
    (classic(409, "Another operation was already in progress.", "operationInProgress"), errors.Busy),
    (classic(409, "Service account x already exists.", "alreadyExists"), errors.AlreadyThere),
    (classic(409, "The Cloud SQL instance already exists.", "instanceAlreadyExists"), errors.AlreadyThere),
    (classic(409, "You already own it.", "conflict"), errors.AlreadyThere),
    (modern(409, "Secret [projects/1/secrets/x] already exists.", "ALREADY_EXISTS"), errors.AlreadyThere),
    (classic(409, "There were concurrent policy changes.", "aborted"), errors.VersionMoved),
    (modern(409, "Conflict for resource 'x': version '1' was specified", "ABORTED"), errors.VersionMoved),
    (
        classic(412, "At least one of the pre-conditions did not hold.", "conditionNotMet"),
        errors.VersionMoved,
    ),
    (classic(412, "Condition does not match.", "staleData"), errors.VersionMoved),
    (classic(409, "Condition does not match.", "staleData"), errors.VersionMoved),
    (
        classic(412, "'us' violates constraint 'constraints/gcp.resourceLocations'", "conditionNotMet"),
        errors.Refused,
    ),
    (
        modern(
            403,
            "One or more users named in the policy do not belong to a permitted customer.",
            "PERMISSION_DENIED",
        ),
        errors.Refused,
    ),
    (modern(400, "The etag provided does not match.", "FAILED_PRECONDITION"), errors.VersionMoved),
    (modern(400, "Secret Version is in DISABLED state.", "FAILED_PRECONDITION"), errors.Refused),
    (modern(400, "memory must be at least 512Mi", "INVALID_ARGUMENT"), errors.Refused),
    (modern(401, "Request had invalid credentials.", "UNAUTHENTICATED"), errors.CredentialsMissing),
    (modern(429, "Quota exceeded", "RESOURCE_EXHAUSTED"), errors.Unavailable),
    (classic(403, "Quota exceeded for quota metric", "rateLimitExceeded"), errors.Unavailable),
    (classic(403, "Quota 'NETWORKS' exceeded.  Limit: 15.0 globally.", "quotaExceeded"), errors.Refused),
    (classic(500, "Backend error", "backendError"), errors.Unavailable),
    (modern(503, "The service is unavailable", "UNAVAILABLE"), errors.Unavailable),
    (modern(504, "Deadline", "DEADLINE_EXCEEDED"), errors.Unavailable),
]


FORBIDDEN: dict[str, Any] = {
    "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
    "violations": [{"type": "constraints/iam.disableServiceAccountCreation", "subject": "projects/p"}],
}


def of_discovery(status: int, content: bytes) -> Exception:
    """The exception of google-api-python-client."""
    return cast("Any", HttpError)(httplib2.Response({"status": str(status)}), content)


def of_google_cloud(status: int, content: bytes) -> Exception:
    """The exception of google-cloud-run, -secret-manager and -storage, all of which talk REST through requests."""
    answer = requests.Response()
    answer.status_code = status
    answer.raw = None
    answer.__dict__["_content"] = content
    answer.request = requests.Request("GET", "https://x.googleapis.com/v2/y").prepare()
    return cast("Any", api_core).from_http_response(answer)


LIBRARIES = [of_discovery, of_google_cloud]
Library = Callable[[int, bytes], Exception]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_an_answer_means_the_same_in_every_library(
    library: Library, answer: tuple[int, dict[str, Any]], expected: type[errors.ReconcileError]
) -> None:
    """Status and reason decide; Google's message stands behind what was being done, without a URL."""
    status, body = answer
    explained = explain(library(status, json.dumps(body).encode()), "doing x")
    assert type(explained) is expected
    assert explained.message == f"doing x: {body['error']['message']}"
    assert explained.status == status


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_disabled_api_names_the_api_and_the_command(library: Library) -> None:
    """The way out can be pasted."""
    status, body = ANSWERS[0][0]
    explained = explain(library(status, json.dumps(body).encode()), "reading")
    assert explained.way_out.startswith("Enable it: gcloud services enable run.googleapis.com")
    assert explained.reason == "SERVICE_DISABLED"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_policy_of_the_organisation_is_named(library: Library) -> None:
    """Whatever the message says: the details tell which constraint it is."""
    text = "Service account creation is not allowed on this project."
    status, body = modern(400, text, "FAILED_PRECONDITION", FORBIDDEN)
    found = explain(library(status, json.dumps(body).encode()), "creating x")
    assert type(found) is errors.Refused
    assert "An organisation policy iam.disableServiceAccountCreation forbids it" in found.way_out


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "content", [b"<html>502 Bad Gateway</html>", b"", b"[]", b"null", b'{"error": {}}', b"\xff\xfe"]
)
def test_a_body_that_is_no_google_error_is_still_an_answer(library: Library, content: bytes) -> None:
    """A load balancer's page, nothing, or noise: the status decides."""
    assert type(explain(library(502, content), "reading")) is errors.Unavailable


def test_an_error_that_is_only_a_word_is_still_an_answer() -> None:
    """OAuth endpoints answer `{"error": "invalid_grant"}`."""
    assert type(explain(of_discovery(401, b'{"error": "invalid_grant"}'), "x")) is errors.CredentialsMissing


def test_a_page_of_html_is_cut_short() -> None:
    """An error text is a line or two, however long the proxy's page."""
    explained = explain(of_discovery(502, b"<p>" + b"x" * 10_000), "reading")
    assert len(explained.message) < 600


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(104, "Connection reset by peer"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("timed out"),
        httplib2.ServerNotFoundError("Unable to find the server"),
        http.client.IncompleteRead(b"half"),
        http.client.BadStatusLine("x"),
        http.client.RemoteDisconnected("closed without response"),
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ChunkedEncodingError("cut"),
        urllib3.exceptions.ProtocolError("reset"),
        auth.TransportError("token endpoint unreachable"),
    ],
)
def test_no_answer_is_no_answer(error: Exception) -> None:
    """Reset, refused, timed out, cut off: one class, which is asked again."""
    explained = explain(error, "reading x")
    assert type(explained) is errors.Unreachable
    assert explained.message.startswith("reading x: no answer")


@pytest.mark.parametrize("error", [auth.RefreshError("expired"), auth.DefaultCredentialsError("none")])
def test_missing_credentials_say_how_to_log_in(error: Exception) -> None:
    """A login that has run out or never was: exit 4 and the command."""
    explained = explain(error, "reading x")
    assert type(explained) is errors.CredentialsMissing
    assert explained.exit_code == 4
    assert "gcloud auth application-default login" in explained.way_out


def test_our_own_errors_pass_through() -> None:
    """What was explained once is not explained again."""
    known = errors.OutOfTime("late")
    assert explain(known, "reading x") is known


def test_a_bug_stays_a_bug() -> None:
    """What is nobody's answer is not dressed up as one."""
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError(), "reading x")
