"""Cloud Logging's query language."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.logs import log_filter

ENTRY: dict[str, Any] = {
    "logName": "projects/p/logs/run.googleapis.com%2Frequests",
    "timestamp": "2026-01-31T10:00:00.500000Z",
    "insertId": "a",
    "severity": "WARNING",
    "resource": {"type": "cloud_run_revision", "labels": {"service_name": "web", "location": "europe-west1"}},
    "labels": {"run.googleapis.com/execution_name": "job-1", "n": "7"},
    "httpRequest": {"status": 404, "latency": "0.250s", "requestUrl": "https://web/Path?q=1"},
    "jsonPayload": {"message": "Disk is 90% full", "deep": {"list": ["one", "Two"], "flag": True}},
}
HOLDS = (
    "",
    'resource.type = cloud_run_revision \n resource.labels.service_name = "web" \n severity >= DEFAULT',
    "resource.type=cloud_run_revision AND resource.labels.location=EUROPE-WEST1",
    "severity>=WARNING severity<ERROR severity!=INFO",
    'timestamp>="2026-01-31T10:00:00Z" AND timestamp<="2026-01-31T10:00:01Z"',
    "timestamp>=2026-01-31 AND timestamp<2026-01-31T10:00:01Z",
    'labels."run.googleapis.com/execution_name" = job-1',
    "labels.n > 6",
    "httpRequest.status = 404 httpRequest.status>=400 http_request.status<500",
    'httpRequest.latency > "0.2s" AND httpRequest.latency < 251ms',
    "jsonPayload.message : full",
    'jsonPayload.message =~ "^Disk .* full$"',
    "jsonPayload.message !~ empty",
    "jsonPayload.deep.list = two",
    "jsonPayload.deep.flag = true",
    "jsonPayload.deep : *",
    'log_id("run.googleapis.com/requests")',
    'logName = "projects/p/logs/run.googleapis.com%2Frequests"',
    "disk full",
    '"is 90%"',
    "NOT severity=ERROR -severity=INFO NOT jsonPayload.none:*",
    "severity = (ERROR OR WARNING)",
    "jsonPayload.message : (disk AND full)",
    "(severity=ERROR OR severity=WARNING) AND (labels.n=7)",
    # NOT binds closest, then OR, then AND.
    "severity=WARNING OR severity=ERROR AND labels.n=7 OR labels.n=8",
    "severity=WARNING -- a comment\n AND labels.n=7",
    "trace = \"\"",
)  # fmt: skip
HOLDS_NOT = (
    "severity=ERROR",
    "resource.labels.service_name=other",
    "resource.labels.none != web",
    "timestamp<2026-01-31T10:00:00Z",
    "labels.none=1",
    "jsonPayload.none != 1",
    "textPayload:disk",
    "nothing",
    "NOT disk",
    "severity=WARNING AND (labels.n=8 OR labels.n=9)",
    "httpRequest.status > 404",
    'log_id("run.googleapis.com/stdout")',
    "jsonPayload.message=full",
)


@pytest.mark.parametrize("text", HOLDS)
def test_a_filter_finds_its_entry(text: str) -> None:
    """Comparisons by the field's kind, joined as the language says."""
    assert log_filter.parse(text)(ENTRY)


@pytest.mark.parametrize("text", HOLDS_NOT)
def test_a_filter_leaves_out_other_entries(text: str) -> None:
    """A field that is missing never compares; one that every entry has is empty."""
    assert not log_filter.parse(text)(ENTRY)


@pytest.mark.parametrize(
    "text", ["severity=", "(severity=ERROR", "a AND", "=x", "a)", 'a =~ "("', "OR a", "sample(a, 1)"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """400, naming the filter or the function."""
    with pytest.raises(ApiError, match=r"Unparseable filter|does not emulate") as refused:
        log_filter.parse(text)
    assert refused.value.status == 400
