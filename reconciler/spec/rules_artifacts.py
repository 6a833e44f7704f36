"""Rules about the way of artifacts, and about the place, class and key of their bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.members import EVERYBODY, complaint
from reconciler.spec.regions import REGIONS

PLACES = ("us", "eu", "asia", "nam4", "eur4", "eur5", "eur7", "eur8", "asia1")
"""Cloud Storage's multi-regions and dual-regions ("Bucket locations")."""
KEY_PLACES = {"eu": "europe"}
"""Where a key lies that is called otherwise than its buckets' place."""
_OURS = ("location", "storage_class", "kms_key")


def writers_are_members(deployment: Deployment) -> Iterator[Problem]:
    """Each writer is an IAM member as Google writes it, and not everybody."""
    for position, member in enumerate(deployment.artifacts.writers):
        key = f"artifacts.writers.{position}"
        if member in EVERYBODY:
            message = f"{member} is everybody, who could then read, change and delete every artifact"
            yield Problem((key,), message, ("name who may write", "artifacts.access: proxied"))
        elif found := complaint(member):
            yield Problem((key,), *found)


def writers_fit_access(deployment: Deployment) -> Iterator[Problem]:
    """Clients that write by themselves need the right to; others need none."""
    artifacts = deployment.artifacts
    keys = ("artifacts.access", "artifacts.writers")
    if artifacts.access == "direct" and not artifacts.writers:
        message = "direct without writers makes a server whose clients may write no artifact"
        ways = ("list who may, as in writers: [group:ml@acme.example]", "access: proxied")
        # The owners of another team's bucket may have granted it themselves.
        yield Problem(keys, message, ways, "warning" if artifacts.existing else "error")
    if artifacts.access == "proxied" and artifacts.writers:
        message = (
            "has no effect with access proxied: clients write through the server, without Google credentials"
        )
        yield Problem(keys[::-1], message, ("remove writers", "access: direct"), "warning")


def settings_of_a_foreign_bucket(deployment: Deployment) -> Iterator[Problem]:
    """An existing bucket lies where it lies."""
    if deployment.artifacts.existing:
        for key in _OURS:
            if f"artifacts.{key}" in deployment.origins:
                message = "is not done to an existing bucket, which is somebody else's"
                ways = ("remove it", "artifacts.existing: false, if the bucket is yours")
                yield Problem((f"artifacts.{key}", "artifacts.existing"), message, ways)


def location_exists(deployment: Deployment) -> Iterator[Problem]:
    """Buckets lie in regions, or in places of several."""
    location = deployment.artifacts.location
    if location and location not in PLACES and location not in REGIONS:
        message = f"{location} is no location of Cloud Storage"
        ways = ("leave it out for the deployment's region", f"one of {', '.join(PLACES[:3])}, or a region")
        yield Problem(("artifacts.location",), message, ways)


def key_lies_with_the_bucket(deployment: Deployment) -> Iterator[Problem]:
    """Cloud Storage takes keys of the bucket's own place alone."""
    artifacts = deployment.artifacts
    found = re.fullmatch(r"projects/[^/]+/locations/([^/]+)/.+", artifacts.kms_key)
    place = artifacts.location or deployment.region
    wanted = KEY_PLACES.get(place, place)
    if found and found[1] != wanted and not artifacts.existing:
        message = f"the key lies in {found[1]}, and a bucket in {place} takes keys in {wanted} alone"
        buckets = {key: bucket for bucket, key in KEY_PLACES.items()}
        ways = (
            f"a key in {wanted}",
            f"artifacts.location: {buckets.get(found[1], found[1])}, for a new bucket",
        )
        yield Problem(("artifacts.kms_key", "artifacts.location"), message, ways)


RULES = (
    writers_are_members,
    writers_fit_access,
    settings_of_a_foreign_bucket,
    location_exists,
    key_lies_with_the_bucket,
)
