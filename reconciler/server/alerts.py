"""What is watched of a deployment: where it can be asked from outside, and which numbers open an alert.

Metrics and their labels are those of Google's lists ("Google Cloud metrics", "Monitored resource types").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from reconciler.server.demand import connections
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

PROBE_PATH = "/health/database"
"""Answered by the image without a login, from the database: /health alone would be 200 without one."""
MINUTE = 60
FIVE_MINUTES = 5 * MINUTE
UPTIME_WINDOW = 20 * MINUTE
"""Longer than the longest period, so that each place that probes has an answer in it."""

Severity = Literal["CRITICAL", "ERROR", "WARNING"]
Caller = Literal["anybody", "agent", "nobody"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: it opens while the metric chosen by *filter*, aggregated, lies above *threshold*.

    *align* and *reduce* are Google's names for how the points of a series, and several series, become one number in
    each *window* seconds; *group_by* keeps series apart. It has to stay above for *duration* seconds (whole minutes).
    *key* is the spec key that decides; *text* tells who gets the mail what to do.
    """

    name: str
    title: str
    key: str
    severity: Severity
    filter: str
    threshold: float
    align: str
    reduce: str
    window: int
    duration: int
    text: str
    group_by: Sequence[str] = field(default=())


def caller(deployment: Deployment) -> Caller:
    """As whom Google's uptime check can reach the server: as anybody, as the project's own agent, or not at all."""
    if deployment.networking.ingress != "all" or deployment.auth.mode == "iap":
        return "nobody"
    return "agent" if deployment.auth.asks_iam else "anybody"


def is_probed(deployment: Deployment) -> bool:
    """Whether an uptime check is wanted and possible."""
    watched = deployment.monitoring
    return watched.enabled and watched.uptime_minutes > 0 and caller(deployment) != "nobody"


def agent_member(names: Names) -> str:
    """Cloud Monitoring's own identity in the project, as which uptime checks show themselves to Cloud Run."""
    return f"serviceAccount:service-{names.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"


def wanted(deployment: Deployment) -> tuple[str, ...]:
    """The names of the alerts that *deployment* wants, none where monitoring is off."""
    watched = deployment.monitoring
    on = {
        "uptime": is_probed(deployment),
        "errors": watched.errors_per_minute > 0,
        "latency": watched.latency_seconds > 0,
        "database-disk": watched.database_disk_percent > 0,
        "database-connections": watched.database_connections_percent > 0,
        "failed-jobs": watched.failed_jobs,
    }
    return tuple(name for name, is_on in on.items() if is_on) if watched.enabled else ()


def alerts_of(deployment: Deployment, names: Names) -> tuple[Alert, ...]:
    """The alerts that *deployment* wants."""
    every = (
        _uptime(names),
        _errors(deployment, names),
        _latency(deployment, names),
        _disk(deployment, names),
        _connections(deployment, names),
        _jobs(names),
    )
    return tuple(alert for alert in every if alert.name in wanted(deployment))


def _service(names: Names, metric: str, more: str = "") -> str:
    return (
        f'metric.type="run.googleapis.com/{metric}" AND resource.type="cloud_run_revision" '
        f'AND resource.labels.service_name="{names.name}" AND resource.labels.location="{names.region}"{more}'
    )


def _database(names: Names, metric: str) -> str:
    return (
        f'metric.type="cloudsql.googleapis.com/database/{metric}" AND resource.type="cloudsql_database" '
        f'AND resource.labels.database_id="{names.project}:{names.instance_id}"'
    )


def _uptime(names: Names) -> Alert:
    return Alert(
        "uptime", "does not answer", "monitoring.uptime_minutes", "CRITICAL",
        'metric.type="monitoring.googleapis.com/uptime_check/check_passed" AND resource.type="uptime_url" '
        f'AND resource.labels.host="{names.host}"',
        1, "ALIGN_NEXT_OLDER", "REDUCE_COUNT_FALSE", UPTIME_WINDOW, MINUTE,
        f"Two or more of Google's places got no good answer of {names.url}{PROBE_PATH}, which asks the database. "
        "503 is the server without its database; anything else is the way there or the server itself.",
        ("resource.labels.host",),
    )  # fmt: skip


def _errors(deployment: Deployment, names: Names) -> Alert:
    least = deployment.monitoring.errors_per_minute
    return Alert(
        "errors", "answers with errors", "monitoring.errors_per_minute", "ERROR",
        _service(names, "request_count", ' AND metric.labels.response_code_class="5xx"'),
        least - 1, "ALIGN_DELTA", "REDUCE_SUM", MINUTE, FIVE_MINUTES,  # Google compares by "greater than" alone
        "Answers of 500 and above in each of the last five minutes, as many as the condition says. The log says why: "
        f"gcloud run services logs read {names.name} --region {names.region} --project {names.project}",
    )  # fmt: skip


def _latency(deployment: Deployment, names: Names) -> Alert:
    seconds = deployment.monitoring.latency_seconds
    return Alert(
        "latency", "answers slowly", "monitoring.latency_seconds", "WARNING",
        _service(names, "request_latencies"),
        seconds * 1000, "ALIGN_DELTA", "REDUCE_PERCENTILE_95", FIVE_MINUTES, 0,
        "Five of 100 requests took longer than the condition says. Large artifacts do that by themselves; "
        "otherwise look at the database's load and at scaling.max_instances.",
    )  # fmt: skip


def _disk(deployment: Deployment, names: Names) -> Alert:
    percent = deployment.monitoring.database_disk_percent
    return Alert(
        "database-disk", "database's disk fills up", "monitoring.database_disk_percent", "ERROR",
        _database(names, "disk/utilization"),
        percent / 100, "ALIGN_MEAN", "REDUCE_MAX", FIVE_MINUTES, 0,
        "The disk is nearly full, and a full disk stops PostgreSQL: raise database.disk_gb, or "
        "database.disk_limit_gb where it may grow by itself.",
    )  # fmt: skip


def _connections(deployment: Deployment, names: Names) -> Alert:
    percent, most = deployment.monitoring.database_connections_percent, connections(deployment.database)
    return Alert(
        "database-connections", "database's connections run out", "monitoring.database_connections_percent", "WARNING",
        _database(names, "postgresql/num_backends"),
        most * percent // 100, "ALIGN_MAX", "REDUCE_SUM", MINUTE, FIVE_MINUTES,
        "PostgreSQL refuses clients when all its connections are taken. Fewer: "
        "server.workers, server.pool_size, scaling.max_instances. More: a larger database.tier.",
    )  # fmt: skip


def _jobs(names: Names) -> Alert:
    migrate, retention = (name.rpartition("/")[2] for name in (names.job, names.retention_job))
    return Alert(
        "failed-jobs", "job failed", "monitoring.failed_jobs", "ERROR",
        'metric.type="run.googleapis.com/job/completed_execution_count" AND resource.type="cloud_run_job" '
        f'AND resource.labels.job_name=one_of("{migrate}","{retention}") '
        f'AND resource.labels.location="{names.region}" AND metric.labels.result="failed"',
        0, "ALIGN_DELTA", "REDUCE_SUM", FIVE_MINUTES, 0,
        "A migration or retention ended with an error; the next apply runs a migration again. Its log: "
        f"gcloud run jobs executions list --region {names.region} --project {names.project}",
    )  # fmt: skip
