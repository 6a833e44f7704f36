"""Rules about what deletes artifacts by itself: prefixes in the bucket, and the retention of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.spec import cron
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

KEPT_NAMES: Final = ("artifacts/", "models/", "traces/")
"""Folders that MLflow makes, beside those of experiments, which are numbers:
EXPERIMENT/RUN/artifacts/…, EXPERIMENT/models/m-…/artifacts/…, EXPERIMENT/traces/tr-…/artifacts/…"""
ZONES: Final = Path("/usr/share/zoneinfo")
_WHY: Final = "age cannot tell a stale file from a model that the registry names"
_RETENTION: Final = "lifecycle.retention, which asks the registry before it deletes"


def prefixes_spare_mlflow(deployment: Deployment) -> Iterator[Problem]:
    """Nothing that MLflow may have written is deleted by age."""
    folder = deployment.artifacts.folder
    for position, expiry in enumerate(deployment.lifecycle.delete_prefixes):
        reached = _reached(expiry.prefix, folder)
        if reached:
            yield Problem(
                (f"lifecycle.delete_prefixes.{position}.prefix", "artifacts.folder"),
                f"{expiry.prefix} would delete {reached}: {_WHY}",
                (_RETENTION, "a folder of its own, as in scratch/"),
            )


def _reached(prefix: str, folder: str) -> str:
    """What of MLflow's the objects that begin with *prefix* may hold, "" for nothing."""
    root = f"{folder}/" if folder else ""
    if root.startswith(prefix):
        return f"the artifacts folder {root}"
    if not prefix.startswith(root):
        return ""
    below = prefix.removeprefix(root)
    if below[0].isdigit():
        return "the artifacts of an experiment, whose folder is its number"
    named = next((name for name in KEPT_NAMES if name.startswith(below) or below.startswith(name)), "")
    return f"what MLflow keeps in {root}{named}" if named else ""


def schedule_can_be_met(deployment: Deployment) -> Iterator[Problem]:
    """The schedule of the retention job is one of cron's, in a time zone that there is."""
    retention = deployment.lifecycle.retention
    if why := cron.objection(retention.schedule):
        ways = ("0 3 * * 0, Sundays at three", "0 3 1 * *, on the first of each month")
        yield Problem(("lifecycle.retention.schedule",), f"{retention.schedule} {why}", ways)
    # Python's own reader of the database takes longer to load than all the rules; a machine without one cannot tell.
    if (ZONES / "Etc/UTC").is_file() and not (ZONES / retention.time_zone).is_file():
        message = f"{retention.time_zone} is not a name of the tz database"
        yield Problem(("lifecycle.retention.time_zone",), message, ("Etc/UTC", "Europe/Paris"))


def retention_has_an_age(deployment: Deployment) -> Iterator[Problem]:
    """What is said about a job that is not made means nothing."""
    if deployment.lifecycle.retention.delete_runs_after_days:
        return
    section, age = "lifecycle.retention", "lifecycle.retention.delete_runs_after_days"
    told = [key for key in deployment.origins if key.startswith(f"{section}.") and key != age]
    for key in told[:1]:
        message = "means nothing while delete_runs_after_days is 0: there is no job"
        ways = ("delete_runs_after_days: 180", "remove it")
        yield Problem((key, age), message, ways, "warning")


RULES = (prefixes_spare_mlflow, schedule_can_be_met, retention_has_an_age)
