"""What MLflow's tables say about runs and who needs them, read in one go. MLflow itself is not needed for that."""

import re
import time
from collections.abc import Iterable
from typing import Any, Final

from .environment import Retention
from .retention import Facts, Model, Run

_RUNS: Final = """
    select r.run_uuid, coalesce(r.name, ''), r.experiment_id::text, r.lifecycle_stage = 'active',
           greatest(coalesce(r.start_time, 0), coalesce(r.end_time, 0), coalesce(m.last, 0)),
           coalesce(r.deleted_time, 0), coalesce(r.artifact_uri, '')
    from runs r
    left join (select run_uuid, max(timestamp) as last from latest_metrics group by run_uuid) m using (run_uuid)
"""
_MODELS: Final = """
    select model_id, coalesce(source_run_id, ''), experiment_id::text, lifecycle_stage = 'active',
           last_updated_timestamp_ms, artifact_location
    from logged_models
"""
_PARENTS: Final = "select run_uuid, value from tags where key = 'mlflow.parentRunId'"
_USED: Final = """
    select source_id, destination_id from inputs
    where source_type in ('RUN_INPUT', 'RUN_OUTPUT') and destination_type in ('MODEL_INPUT', 'MODEL_OUTPUT')
"""
_TAGGED_RUNS: Final = "select run_uuid from tags where key = %s"
_TAGGED_EXPERIMENTS: Final = "select experiment_id::text from experiment_tags where key = %s"
_VERSIONS: Final = """
    select v.name, v.version, (select string_agg(a.alias, ', ' order by a.alias) from registered_model_aliases a
                               where a.name = v.name and a.version = v.version),
           coalesce(v.run_id, ''), coalesce(v.source, ''), coalesce(v.storage_location, '')
    from model_versions v where v.current_stage is distinct from 'Deleted_Internal'
"""
_REGISTRY_TAGS: Final = """
    select name, 'its tag ' || key, coalesce(value, '') from registered_model_tags
    union all
    select t.name, 'tag ' || t.key || ' of version ' || t.version, coalesce(t.value, '')
    from model_version_tags t join model_versions v on v.name = t.name and v.version = t.version
    where v.current_stage is distinct from 'Deleted_Internal'
"""
_TRASH: Final = """
    select experiment_id::text, coalesce(last_update_time, 0) from experiments where lifecycle_stage = 'deleted'
"""
_NAMED: Final = re.compile(r"(?<![0-9a-z])(?:m-)?[0-9a-f]{32}(?![0-9a-z])")
"""Ids of runs and logged models, wherever they stand: runs:/ID/model, models:/m-ID, or alone in a tag."""
_PROXIED: Final = re.compile(r"(?:mlflow-artifacts:|.*/api/2\.0/mlflow-artifacts/artifacts/)(?://[^/]*)?/*")


def read(connection: Any, policy: Retention) -> Facts:
    """The facts as of now."""
    destination = policy.artifacts
    with connection, connection.cursor() as cursor:
        # One picture of one moment: nothing can be registered between two of the questions.
        cursor.execute("set transaction isolation level repeatable read, read only")

        def rows(statement: str, *values: str) -> Any:
            cursor.execute(statement, values)
            return cursor.fetchall()

        now = int(time.time() * 1000)
        runs = [Run(*row[:-1], place=resolved(row[-1], destination)) for row in rows(_RUNS)]
        models = [Model(*row[:-1], place=resolved(row[-1], destination)) for row in rows(_MODELS)]
        named, places = _registry(rows(_VERSIONS), rows(_REGISTRY_TAGS), destination)
        return Facts(
            now=now,
            runs={run.id: run for run in runs},
            models={model.id: model for model in models},
            parents=dict(rows(_PARENTS)),
            used=tuple((row[0], row[1]) for row in rows(_USED)),
            tagged_runs=frozenset(row[0] for row in rows(_TAGGED_RUNS, policy.keep_tag)),
            tagged_experiments=frozenset(row[0] for row in rows(_TAGGED_EXPERIMENTS, policy.keep_tag)),
            named=named,
            named_places=places,
            trash=dict(rows(_TRASH)),
            reachable=("gs://", f"{destination}/"),
        )


def resolved(uri: str, destination: str) -> str:
    """Where files really lie: an address through the server is one below *destination*."""
    found = _PROXIED.match(uri)
    return f"{destination}/{uri[found.end() :]}".rstrip("/") if found else uri.rstrip("/")


def _registry(
    versions: Iterable[tuple[Any, ...]], tags: Iterable[tuple[Any, ...]], destination: str
) -> tuple[dict[str, str], dict[str, str]]:
    """What the registry names by id, and by place, each with the words that say so."""
    named: dict[str, str] = {}
    places: dict[str, str] = {}
    for name, version, aliases, run, source, location in versions:
        called = f" ({aliases})" if aliases else ""
        why = f"version {version}{called} of the registered model {name} names it"
        named.setdefault(run, why)
        for uri in (source, location):
            for one in _NAMED.findall(uri):
                named.setdefault(one, why)
            if "://" in (place := resolved(uri, destination)):
                places.setdefault(place, why)
    for name, tag, value in tags:
        for one in _NAMED.findall(value):
            named.setdefault(one, f"the registered model {name} names it: {tag}")
    return named, places
