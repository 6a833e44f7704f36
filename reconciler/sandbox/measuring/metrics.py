"""Metrics and what they are measured of, as far as the sandbox has something to measure.

Sources: "Google Cloud metrics" and "Monitored resource types" of Google's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REVISION: Final = "cloud_run_revision"
JOB: Final = "cloud_run_job"
DATABASE: Final = "cloudsql_database"
URL: Final = "uptime_url"
RESOURCES: Final[Mapping[str, frozenset[str]]] = {
    REVISION: frozenset({"project_id", "service_name", "revision_name", "location", "configuration_name"}),
    JOB: frozenset({"project_id", "job_name", "location"}),
    DATABASE: frozenset({"project_id", "database_id", "region"}),
    URL: frozenset({"project_id", "host"}),
}
"""The labels of each monitored resource."""


@dataclass(frozen=True)
class Metric:
    """A metric: DELTA or GAUGE, of INT64, DOUBLE, BOOL or DISTRIBUTION, of *resources*, with *labels* of its own."""

    kind: str
    value: str
    resources: frozenset[str]
    labels: frozenset[str] = frozenset()


def _of(kind: str, value: str, resource: str, labels: str = "") -> Metric:
    return Metric(kind, value, frozenset({resource}), frozenset(labels.split()))


_CODES: Final = "response_code response_code_class route"
METRICS: Final[Mapping[str, Metric]] = {
    "run.googleapis.com/request_count": _of("DELTA", "INT64", REVISION, _CODES),
    "run.googleapis.com/request_latencies": _of("DELTA", "DISTRIBUTION", REVISION, _CODES),
    "run.googleapis.com/container/instance_count": _of("GAUGE", "INT64", REVISION, "state"),
    "run.googleapis.com/container/max_request_concurrencies": _of("DELTA", "DISTRIBUTION", REVISION, "state"),
    "run.googleapis.com/container/cpu/utilizations": _of("DELTA", "DISTRIBUTION", REVISION),
    "run.googleapis.com/container/memory/utilizations": _of("DELTA", "DISTRIBUTION", REVISION),
    "run.googleapis.com/job/completed_execution_count": _of("DELTA", "INT64", JOB, "result"),
    "run.googleapis.com/job/completed_task_attempt_count": _of("DELTA", "INT64", JOB, "result attempt"),
    "cloudsql.googleapis.com/database/disk/utilization": _of("GAUGE", "DOUBLE", DATABASE),
    "cloudsql.googleapis.com/database/disk/bytes_used": _of("GAUGE", "INT64", DATABASE),
    "cloudsql.googleapis.com/database/disk/quota": _of("GAUGE", "INT64", DATABASE),
    "cloudsql.googleapis.com/database/cpu/utilization": _of("GAUGE", "DOUBLE", DATABASE),
    "cloudsql.googleapis.com/database/memory/utilization": _of("GAUGE", "DOUBLE", DATABASE),
    "cloudsql.googleapis.com/database/up": _of("GAUGE", "INT64", DATABASE),
    "cloudsql.googleapis.com/database/postgresql/num_backends": _of("GAUGE", "INT64", DATABASE, "database"),
    "monitoring.googleapis.com/uptime_check/check_passed": _of(
        "GAUGE", "BOOL", URL, "check_id checker_location checked_resource_id"
    ),
    "monitoring.googleapis.com/uptime_check/request_latency": _of(
        "GAUGE", "DOUBLE", URL, "check_id checker_location checked_resource_id"
    ),
}
WATCHED: Final = (
    "run.googleapis.com/",
    "cloudsql.googleapis.com/",
    "monitoring.googleapis.com/uptime_check/",
)
"""Of these services a metric that is not in the table is taken for one that does not exist."""

ALIGNERS: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "ALIGN_DELTA": frozenset({("DELTA", "INT64"), ("DELTA", "DOUBLE"), ("DELTA", "DISTRIBUTION")}),
    "ALIGN_RATE": frozenset({("DELTA", "INT64"), ("DELTA", "DOUBLE")}),
    "ALIGN_SUM": frozenset({("DELTA", "INT64"), ("DELTA", "DOUBLE"), ("GAUGE", "INT64"), ("GAUGE", "DOUBLE")})
    | {("GAUGE", "DISTRIBUTION"), ("DELTA", "DISTRIBUTION")},
    "ALIGN_NEXT_OLDER": frozenset(
        {("GAUGE", value) for value in ("INT64", "DOUBLE", "BOOL", "DISTRIBUTION")}
    ),
    "ALIGN_COUNT_TRUE": frozenset({("GAUGE", "BOOL")}),
    "ALIGN_COUNT_FALSE": frozenset({("GAUGE", "BOOL")}),
    "ALIGN_FRACTION_TRUE": frozenset({("GAUGE", "BOOL")}),
    **{
        f"ALIGN_{name}": frozenset({("GAUGE", "INT64"), ("GAUGE", "DOUBLE")})
        for name in ("MIN", "MAX", "MEAN", "STDDEV", "INTERPOLATE", "PERCENT_CHANGE")
    },
    **{
        f"ALIGN_PERCENTILE_{share}": frozenset({("GAUGE", "DISTRIBUTION"), ("DELTA", "DISTRIBUTION")})
        for share in ("99", "95", "50", "05")
    },
}
"""The kinds and value types that each aligner takes: Aligner's reference."""
