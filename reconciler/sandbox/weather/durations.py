"""How long work takes on Google Cloud, for a sandbox that is asked to be realistic."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

OPERATIONS: Final[Mapping[str, float]] = {
    # Cloud SQL: a zonal instance takes 5 to 10 minutes (Terraform's acceptance runs log 641 s for create and delete),
    # a change of labels under a minute, of the tier 1 to 5 minutes, a deletion 1 to 5.
    "sqladmin.instances.insert": 450,
    "sqladmin.instances.patch": 90,
    "sqladmin.instances.update": 90,
    "sqladmin.instances.delete": 150,
    "sqladmin.instances.restart": 60,
    "sqladmin.instances.restoreBackup": 300,
    "sqladmin.instances.*": 90,
    "sqladmin.backupRuns.*": 60,
    # Users and databases come back done in most recordings.
    "sqladmin.*": 2,
    # Cloud Run: 9 s from update to Ready in a capture, 10 to 60 s typical.
    "run.projects.locations.services.create": 20,
    "run.projects.locations.services.patch": 15,
    "run.*": 5,
    "artifactregistry.*": 5,
    "vpcaccess.projects.locations.connectors.delete": 120,
    "vpcaccess.*": 180,
    # Cloud SQL keeps a deleted instance's network for its recovery: "Service Networking waits for four days".
    "servicenetworking.services.connections.release": 345_600,
    "servicenetworking.*": 60,
    "compute.*": 15,
    # Service Usage: 10 to 60 s.
    "serviceusage.*": 20,
    "cloudbuild.*": 60,
}
"""Seconds by method, the first pattern that fits. What has no recorded time is an estimate of documentation's size."""

PROPAGATION: Final[Mapping[str, float]] = {
    # Service accounts were recorded to be found and lost again for about a minute; Google's page on IAM says that a
    # changed policy takes about two minutes; an API is said to need "a few minutes" after it was enabled.
    "accounts": 60,
    "policies": 120,
    "services": 60,
    # A deleted Cloud SQL instance's name: free at once by Google's page "Delete instances"; refused for up to a week
    # by the API in reports of users (604800 makes it so here).
    "names": 0,
}
"""Seconds until a change is seen everywhere."""


def of(method: str, table: Mapping[str, float]) -> float:
    """The seconds of *table*'s first pattern that fits "API.METHOD_ID"; 0 where none does."""
    return next((seconds for pattern, seconds in table.items() if fnmatchcase(method, pattern)), 0.0)
