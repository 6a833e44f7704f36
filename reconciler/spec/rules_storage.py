"""Rules about the bucket and the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from reconciler.server.naming import names_of
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

LONGEST_BUCKET = 63
SOFT_DELETE_DAYS = (7, 90)

PULLABLE = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io|docker\.io)")
"""The registries that Cloud Run pulls from."""


def classes_ascend(deployment: Deployment) -> Iterator[Problem]:
    """An artifact only moves to colder classes, later ones later."""
    life = deployment.lifecycle
    ages = [
        ("nearline_after_days", life.nearline_after_days),
        ("coldline_after_days", life.coldline_after_days),
        ("archive_after_days", life.archive_after_days),
    ]
    used = [(key, days) for key, days in ages if days]
    for (warmer, before), (colder, after) in pairwise(used):
        if after <= before:
            message = f"{after} is not later than {warmer} ({before}), so that class would never be reached"
            ways = (f"{colder}: {before + 30}", f"{warmer}: 0")
            yield Problem((f"lifecycle.{colder}", f"lifecycle.{warmer}"), message, ways)


def soft_delete_is_valid(deployment: Deployment) -> Iterator[Problem]:
    """Cloud Storage keeps deleted objects for 7 to 90 days, or not at all."""
    days = deployment.lifecycle.soft_delete_days
    least, _ = SOFT_DELETE_DAYS
    if 0 < days < least:
        message = f"{days} is too short for Cloud Storage"
        yield Problem(("lifecycle.soft_delete_days",), message, (f"at least {least}", "0 to turn it off"))


def versions_end(deployment: Deployment) -> Iterator[Problem]:
    """Old versions are paid for until somebody deletes them."""
    life = deployment.lifecycle
    if life.versioning and not life.delete_noncurrent_after_days:
        yield Problem(
            ("lifecycle.delete_noncurrent_after_days", "lifecycle.versioning"),
            "0 keeps every old version for ever, and every one is paid for",
            ("delete_noncurrent_after_days: 30", "versioning: false"),
            "warning",
        )


def bucket_is_named(deployment: Deployment) -> Iterator[Problem]:
    """The bucket's name is one that Cloud Storage takes."""
    artifacts = deployment.artifacts
    if artifacts.existing and not artifacts.bucket:
        message = "true needs the name of the bucket that exists"
        yield Problem(("artifacts.existing", "artifacts.bucket"), message, ("add bucket", "existing: false"))
        return
    keys = ("artifacts.bucket",) if artifacts.bucket else ("name", "project", "artifacts.bucket")
    bucket = names_of(deployment, "").bucket
    told = bucket if artifacts.bucket else f"the bucket's name {bucket}"
    own = "" if artifacts.bucket else ", or set artifacts.bucket"
    if "google" in bucket or bucket.startswith("goog"):
        message = f"{told} is refused by Cloud Storage: it begins with goog or holds google"
        yield Problem(keys, message, (f"choose another name{own}",))
    elif "." in bucket and not artifacts.existing:
        message = f"{told} holds a dot, so Google would ask for proof that the domain is yours"
        yield Problem(keys, message, (f"bucket: {bucket.replace('.', '-')}", "existing: true, if it exists"))
    elif any(not 0 < len(part) <= LONGEST_BUCKET for part in bucket.split(".")) or len(bucket) < 3:
        message = f"{told} has {len(bucket)} characters; Cloud Storage takes 3 to {LONGEST_BUCKET}"
        yield Problem(keys, message, (f"choose another name{own}",))
    elif re.fullmatch(r"[0-9]+(\.[0-9]+){3}", bucket):
        yield Problem(keys, f"{told} looks like an IP address", (f"choose another name{own}",))


def life_of_a_foreign_bucket(deployment: Deployment) -> Iterator[Problem]:
    """An existing bucket is not ours to configure, so what the spec says about its life would not happen."""
    if not deployment.artifacts.existing:
        return
    for key in deployment.origins:
        section, _, rest = key.partition(".")
        if section == "lifecycle" and rest and "." not in rest and rest != "retention":
            message = "is not done to an existing bucket, which is somebody else's"
            ways = ("remove it", "artifacts.existing: false, if the bucket is yours")
            yield Problem((key, "artifacts.existing"), message, ways)


def image_can_be_pulled(deployment: Deployment) -> Iterator[Problem]:
    """A given image comes from a registry that Cloud Run pulls from."""
    host = deployment.image.digest.partition("/")[0]
    if host and not PULLABLE.fullmatch(host):
        yield Problem(
            ("image.digest",),
            f"Cloud Run does not pull from {host}",
            (
                "copy it to Artifact Registry (REGION-docker.pkg.dev)",
                "a remote repository there that fetches it",
            ),
        )


RULES = (
    classes_ascend,
    soft_delete_is_valid,
    versions_end,
    bucket_is_named,
    life_of_a_foreign_bucket,
    image_can_be_pulled,
)
