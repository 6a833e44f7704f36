"""What is measured of the services, jobs and databases that run here, at this moment: time series by metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.sandbox.logs import entries
from reconciler.sandbox.measuring.probing import PLACES, RESULT
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.databases import INSTANCE
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services.run_tasks import EXECUTION
from reconciler.sandbox.world import World

GIB: Final = 1024**3
_REQUESTS: Final = "run.googleapis.com%2Frequests"
_BACKENDS: Final = (
    "select datname, count(*) from pg_stat_activity where backend_type = 'client backend' "
    "and pid <> pg_backend_pid() and datname is not null group by 1"
)
_SIZE: Final = "select sum(pg_database_size(datname)) from pg_database"


@dataclass(frozen=True)
class Series:
    """The values of one time series within a window, oldest first; each value of a distribution on its own."""

    resource: Mapping[str, str]
    metric: Mapping[str, str]
    values: tuple[float, ...]


def measured(world: World, project: str, metric: str, since: float) -> list[Series]:
    """The time series of *metric* in a project since a time in seconds; none for what is not measured here."""
    source = _SOURCES.get(metric)
    return list(source(world, project, since)) if source else []


def _requests(world: World, project: str, since: float) -> Iterator[tuple[Mapping[str, str], str, float]]:
    for entry in entries.of(world).read(project):
        if entry["logName"].endswith(_REQUESTS) and _seconds(entry["timestamp"]) >= since:
            request = entry["httpRequest"]
            latency = float(str(request["latency"]).removesuffix("s")) * 1000
            yield entry["resource"]["labels"], str(request["status"]), latency


def _request_series(
    world: World, project: str, since: float, value: Callable[[float], float]
) -> Iterator[Series]:
    found: dict[tuple[tuple[tuple[str, str], ...], str], list[float]] = {}
    for labels, status, latency in _requests(world, project, since):
        found.setdefault((tuple(sorted(labels.items())), status), []).append(value(latency))
    for (labels, status), values in found.items():
        codes = {"response_code": status, "response_code_class": f"{status[:1]}xx"}
        yield Series(dict(labels), codes, tuple(values))


def _request_count(world: World, project: str, since: float) -> Iterator[Series]:
    return _request_series(world, project, since, lambda _latency: 1.0)


def _request_latencies(world: World, project: str, since: float) -> Iterator[Series]:
    return _request_series(world, project, since, lambda latency: latency)


def _executions(world: World, project: str, since: float) -> Iterator[Series]:
    for name, body in world.store.list(EXECUTION, f"projects/{project}/"):
        if not body.get("completionTime") or _seconds(body["completionTime"]) < since:
            continue
        parts = name.split("/")
        result = "failed" if body.get("failedCount") else "succeeded"
        yield Series(
            {"project_id": project, "location": parts[3], "job_name": parts[5]}, {"result": result}, (1.0,)
        )


def _databases(
    world: World, project: str, statement: str
) -> Iterator[tuple[Mapping[str, str], Any, list[list[str]]]]:
    databases = engine_of(world).databases
    for _, stored in world.store.list(INSTANCE, f"projects/{project}/"):
        resource = stored["resource"]
        where = databases.cluster(project, resource["region"], resource["name"])
        if not postgres.exists(where) or not postgres.running(where):
            continue
        labels = {
            "project_id": project,
            "region": resource["region"],
            "database_id": f"{project}:{resource['name']}",
        }
        yield labels, resource, postgres.run_sql(where, statement)


def _backends(world: World, project: str, since: float) -> Iterator[Series]:
    del since
    for labels, _, rows in _databases(world, project, _BACKENDS):
        for database, count in rows:
            yield Series(labels, {"database": database}, (float(count),))


def _disk(world: World, project: str, since: float) -> Iterator[Series]:
    del since
    for labels, resource, rows in _databases(world, project, _SIZE):
        size = int(resource["settings"]["dataDiskSizeGb"]) * GIB
        yield Series(labels, {}, (float(rows[0][0]) / size,))


def _passed(world: World, project: str, since: float) -> Iterator[Series]:
    for name, result in world.store.list(RESULT, f"projects/{project}/"):
        if result["time"] < since:
            continue
        host = str(result["url"]).split("/")[2]
        for place in PLACES:
            labels = {"check_id": name.rpartition("/")[2], "checker_location": place}
            yield Series({"project_id": project, "host": host}, labels, (float(result["passed"]),))


_SOURCES: Final[Mapping[str, Callable[[World, str, float], Iterator[Series]]]] = {
    "run.googleapis.com/request_count": _request_count,
    "run.googleapis.com/request_latencies": _request_latencies,
    "run.googleapis.com/job/completed_execution_count": _executions,
    "cloudsql.googleapis.com/database/postgresql/num_backends": _backends,
    "cloudsql.googleapis.com/database/disk/utilization": _disk,
    "monitoring.googleapis.com/uptime_check/check_passed": _passed,
}
"""What is measured here, of what Google measures."""


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
