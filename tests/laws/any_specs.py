"""Valid specs of all sorts: each option of the schema that a sandbox can run, drawn together with the others.

What the rules refuse in combination is drawn again: `reconciler.spec.load` is the judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from hypothesis import HealthCheck
from hypothesis import strategies as st

from reconciler import errors
from reconciler.spec.load import load

PROJECT, NAME = "any-two", "mlflow-any"
FIXED: Final[Mapping[str, Any]] = {
    "version": 1, "name": NAME, "project": PROJECT, "region": "europe-west1",
    "database.deletion_protection": False, "database.version": 16,
}  # fmt: skip
"""What no spec of a pair says differently: what cannot change on a live deployment, or is too slow to."""
CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    "labels": ({}, {"team": "one"}, {"team": "two", "cost-center": "4711"}),
    "networking.ingress": ("all", "internal", "internal-and-load-balancer"),
    "networking.allowed_hosts": ([], ["mlflow.acme.example"]),
    "auth": (
        {"mode": "basic"}, {"mode": "basic", "username": "somebody"}, {"mode": "none", "acknowledge_public": True},
        {"mode": "mlflow"}, {"mode": "mlflow", "mlflow": {"default_permission": "EDIT"}},
        {"mode": "iam", "invokers": ["domain:acme.example"]},
        {"mode": "iam", "invokers": ["domain:acme.example", "user:one@acme.example"], "exclusive": True},
        {"mode": "basic", "behind_iam": True, "invokers": ["user:two@acme.example"]},
    ),
    "scaling.min_instances": (0, 1), "scaling.max_instances": (1, 2), "scaling.concurrency": (20, 40),
    "scaling.timeout": (900, 3600), "scaling.cpu_always_on": (False, True), "scaling.startup_boost": (True, False),
    "memory": ("1Gi", "2Gi"), "cpu": ("1", "2"),
    "lifecycle.nearline_after_days": (0, 30), "lifecycle.coldline_after_days": (0, 90),
    "lifecycle.delete_noncurrent_after_days": (30, 20), "lifecycle.abort_uploads_after_days": (7, 3),
    "lifecycle.soft_delete_days": (7, 0, 14), "lifecycle.versioning": (False, True),
    "lifecycle.delete_prefixes": ([], [{"prefix": "scratch/", "after_days": 14}]),
    "lifecycle.retention": ({}, {"delete_runs_after_days": 180}, {"delete_runs_after_days": 90, "dry_run": True}),
    "database.tier": ("db-g1-small", "db-custom-1-3840", "db-custom-2-7680"), "database.disk_gb": (10, 20),
    "database.availability": ("zonal", "regional"), "database.flags": ({}, {"log_min_duration_statement": "1000"}),
    "database.query_insights": (False, True), "database.disk_limit_gb": (0, 200),
    "database.backups": (
        {}, {"keep": 14, "start_time": "05:00"}, {"point_in_time_recovery": True, "log_days": 3}, {"enabled": False},
    ),
    "database.maintenance": ({}, {"day": "monday", "hour": 3}, {"day": "any"}),
    "artifacts.storage_class": ("standard", "nearline"),
    "server.workers": (1, 2), "server.pool_size": (2, 4), "server.webhooks": (False, True),
    "server.gateway": (False, True), "server.telemetry": (False, True),
    "server.env": ({}, {"MLFLOW_LOGGING_LEVEL": "INFO"}),
    "image.keep": (5, 2),
    "monitoring": (
        {}, {"enabled": True}, {"enabled": True, "emails": ["oncall@acme.example"], "uptime_minutes": 15},
        {"enabled": True, "latency_seconds": 20, "failed_jobs": False, "errors_per_minute": 3},
    ),
}  # fmt: skip
"""The values of each key (or section) that are drawn from; the first is the default, or next to it."""
LENIENT: Final = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture)
"""What hypothesis need not mind: an example takes as long as a deployment, and rules refuse many a draw."""


def any_spec(folder: Path) -> st.SearchStrategy[Path]:
    """The file of a spec that is valid, in *folder*: each key with one of its values, or left out."""
    drawn = st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(values) for key, values in CHOICES.items()}
    )
    return drawn.map(lambda said: _written(folder, said)).filter(_valid)


def _written(folder: Path, said: Mapping[str, Any]) -> Path:
    text = json.dumps(_nested({**FIXED, **said}), indent=1, sort_keys=True)
    file = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _valid(file: Path) -> bool:
    try:
        load(str(file))
    except errors.SpecInvalid:
        return False
    return True


def _nested(said: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections."""
    whole: dict[str, Any] = {}
    for key, value in said.items():
        *steps, last = key.split(".")
        at = whole
        for step in steps:
            at = cast("dict[str, Any]", at.setdefault(step, {}))
        at[last] = value
    return whole
