"""The build's context: what an earlier run has put there is used, what somebody else has put there is not."""

from __future__ import annotations

from reconciler import pipeline
from reconciler.gcp.cloud import Cloud
from reconciler.resources.artifactregistry_image import Image
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.scenarios.command import ROOT, Bench

SPEC = ROOT / "specs" / "quickstart.yaml"


def test_the_context_is_uploaded_once_and_never_taken_from_somebody_else(settled: Bench) -> None:
    """Built again, as after a kill: the object stays as it is, unless it holds something else than ours."""
    deployment = load(SPEC)
    cloud = Cloud(deployment.project, settled.endpoint)
    names = names_of(deployment, pipeline.look_at_project(cloud).number)
    kind = Image()
    (desired,) = kind.desired(deployment, names)
    bucket, name = cloud.storage.bucket(names.build_bucket), f"{desired.ref.short}.tgz"
    kind.create(cloud, desired)
    first = bucket.get_blob(name)
    kind.create(cloud, desired)
    assert bucket.get_blob(name).generation == first.generation
    bucket.blob(name).upload_from_string(b"somebody else's")
    kind.create(cloud, desired)
    last = bucket.get_blob(name)
    assert (last.md5_hash, last.generation > first.generation) == (first.md5_hash, True)
