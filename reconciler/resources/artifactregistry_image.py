"""The server's image: built from `image/` by Cloud Build or Docker, named by its content, deployed by its digest."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler import errors
from reconciler.gcp import docker, operations, retries
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Pending, Ref
from reconciler.resources import (
    artifactregistry_repository,
    artifactregistry_repository_iam,
    cloudresourcemanager_project_iam,
    iam_service_account,
    storage_bucket,
    storage_bucket_iam,
)
from reconciler.server import build_context
from reconciler.server.build_context import BuildContext
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment
from reconciler.spec.files import image_folder

TIMEOUT = 60
BUILD_TIMEOUT = "1800s"
PACKAGE = "server"
DOCKER = "docker"
"""What `image.build` says for this machine's own Docker."""


class Image:
    """`artifactregistry.image`: one tag in the repository; it exists once its content has been built."""

    name: str = "artifactregistry.image"
    api: str = "artifactregistry.googleapis.com"
    tells: bool = True

    def __init__(self) -> None:
        # What was read when the plan was made, by tag: exactly that is built, whatever becomes of the files since.
        self._contexts: dict[str, BuildContext] = {}

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The image of what `image/` holds now; nothing where the spec names a digest."""
        if deployment.image.digest:
            return
        image = ref(deployment, names)
        self._contexts[image.short] = _context(deployment)
        yield Desired(
            image,
            {"tag": image.short},
            needs=(
                artifactregistry_repository.ref(names),
                artifactregistry_repository_iam.ref(names),
                cloudresourcemanager_project_iam.ref(names.project),
                iam_service_account.ref(names.project, names.build_account),
                storage_bucket.ref(names.build_bucket),
                storage_bucket_iam.ref(names.build_bucket),
            ),
            part_of=artifactregistry_repository.ref(names),
            means=deployment.image.build,
            origins={"": deployment.origin("image")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The digest that the tag stands for."""
        tags = cloud.api("artifactregistry", "v1").projects().locations().repositories().packages().tags()
        found = cloud.found(f"reading image {ref.short}", tags.get(name=ref.name).execute)
        if found is None:
            return None
        digest = str(found["version"]).rsplit("/", 1)[-1]
        return Observed(ref, {"tag": ref.short, "digest": digest})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Build the context that was read for the plan, and wait."""
        context = self._contexts[desired.ref.short]
        if desired.means == DOCKER:
            _build_here(cloud, desired.ref, context)
            return
        names = _Built.of(desired.ref)
        about = f"building image {desired.ref.short}"
        anywhere = f"projects/{cloud.project}/locations/global"
        for place in (names.location, anywhere):
            if running := _running(cloud, place, names):
                cloud.note("an earlier run has begun to build it")
                _await(cloud, about, running)
                return
        content = build_context.archive(context)
        source = f"{desired.ref.short}.tgz"
        cloud.note("uploading the build context")
        cloud.call(about, lambda: _upload(cloud, names.bucket, source, content), retries.IAM)
        body = names.build(source)
        try:
            _build(cloud, about, names.location, body)
        except errors.Refused as error:
            if "in this region" not in error.message and "quota restrictions" not in error.message:
                raise
            # Some projects may build in a few regions only; the global pool takes what the region refuses.
            cloud.note("building in the global pool: this project may not build in its own region")
            _build(cloud, about, anywhere, body)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Nothing of an image can change: other content is another image."""

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: images go with their repository, or by its clean-up policies."""


RUNNING = frozenset({"STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING"})
GRANTS_SPREAD = frozenset({"PUSH_NOT_AUTHORIZED", "FETCH_SOURCE_FAILED", "LOGGING_FAILURE"})
"""Failures of a build whose account was granted its roles a moment ago (FailureInfo.Type)."""


def _builds(cloud: Cloud) -> Any:
    return cloud.api("cloudbuild", "v1").projects().locations().builds()


def _running(cloud: Cloud, location: str, names: _Built) -> str:
    """The name of a build of this very image that is going on, "" where none is.

    The tag leads to builds of the same content, of which another deployment's push elsewhere.
    """
    request = _builds(cloud).list(parent=location, filter=f'tags="{names.tag}"')
    found: Any = cloud.found(f"looking for a build of {names.tag}", request.execute)
    for build in flat.items(found or {}, "builds"):
        if build.get("status") in RUNNING and names.image in (build.get("images") or []):
            return f"{location}/builds/{build['id']}"
    return ""


def _build(cloud: Cloud, about: str, location: str, body: dict[str, Any]) -> None:
    request = _builds(cloud).create(parent=location, body=body)
    operation = cloud.call(about, request.execute, retries.BUILD)
    _await(cloud, about, f"{location}/builds/{operation['metadata']['build']['id']}")


def _await(cloud: Cloud, about: str, name: str) -> None:
    """Wait for a build. The build itself is read, not its operation, whose name has no location to ask in."""
    builds = _builds(cloud)

    def look() -> dict[str, Any]:
        return cloud.call(about, builds.get(name=name).execute)

    def going_on(build: Mapping[str, Any]) -> str:
        return str(build["status"]).lower() if build.get("status") in RUNNING else ""

    build = operations.await_state(cloud, about, operations.BUILD, look, going_on)
    if build.get("status") == "SUCCESS":
        return
    failure: dict[str, str] = build.get("failureInfo") or {}
    text = f"{about}: {build.get('status')} {build.get('statusDetail') or failure.get('detail', '')}".strip()
    kind = errors.NotYetEffective if failure.get("type") in GRANTS_SPREAD else errors.OperationFailed
    raise kind(text, way_out=f"Its log: {build.get('logUrl', 'gcloud builds list')}")


def _upload(cloud: Cloud, bucket: str, name: str, content: bytes) -> None:
    """Put *content* there, unless it is there already: whoever put it may have been killed right after that."""
    from google.api_core.exceptions import PreconditionFailed

    blob = cloud.storage.bucket(bucket).blob(name)

    def write(**condition: int) -> None:
        blob.upload_from_string(
            content, content_type="application/gzip", retry=None, timeout=TIMEOUT, **condition
        )

    try:
        write(if_generation_match=0)
    except PreconditionFailed:
        blob.reload(retry=None, timeout=TIMEOUT)
        if blob.md5_hash != base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode():
            write()


def _build_here(cloud: Cloud, image: Ref, context: BuildContext) -> None:
    with tempfile.TemporaryDirectory(prefix="mlflow-image-") as folder:
        build_context.unpack(context, Path(folder))
        docker.build_and_push(cloud, f"building image {image.short}", _Built.of(image).image, Path(folder))


class _Built:
    """The names that a build needs, read off the image's own."""

    def __init__(self, project: str, region: str, name: str, tag: str) -> None:
        self.project, self.name, self.tag = project, name, tag
        self.location = f"projects/{project}/locations/{region}"
        self.bucket = f"{project}-{name}-build"
        self.image = f"{region}-docker.pkg.dev/{project}/{name}/{PACKAGE}:{tag}"

    @classmethod
    def of(cls, ref: Ref) -> _Built:
        _, project, _, region, _, name, _, _, _, tag = ref.name.split("/")
        return cls(project, region, name, tag)

    @property
    def account(self) -> str:
        """The e-mail of the service account that builds."""
        return f"{self.name}-build@{self.project}.iam.gserviceaccount.com"

    def build(self, source: str) -> dict[str, Any]:
        """The build as Cloud Build's JSON; run by our own account, so its log goes to Cloud Logging alone."""
        arguments = ["build", "--platform", "linux/amd64", "-t", self.image, "."]
        return {
            "source": {"storageSource": {"bucket": self.bucket, "object": source}},
            "steps": [{"name": "gcr.io/cloud-builders/docker", "args": arguments}],
            "images": [self.image],
            "serviceAccount": f"projects/{self.project}/serviceAccounts/{self.account}",
            "options": {"logging": "CLOUD_LOGGING_ONLY"},
            "timeout": BUILD_TIMEOUT,
            "tags": ["mlflow-reconcile", self.tag],
        }


def builder(image: Ref) -> str:
    """The e-mail of the service account that builds *image*."""
    return _Built.of(image).account


def ref(deployment: Deployment, names: Names) -> Ref:
    """The image of the content that `image/` holds now."""
    tag = _context(deployment).tag
    return Ref(Image.name, f"{names.repository}/packages/{PACKAGE}/tags/{tag}")


def reference(deployment: Deployment, names: Names) -> str | Pending:
    """What the server runs: the digest that the spec names, or that of the image built here."""
    if deployment.image.digest:
        return deployment.image.digest
    return Pending(ref(deployment, names), "digest", f"{names.image}@{{}}", "known after the image is built")


def needs(deployment: Deployment, names: Names) -> tuple[Ref, ...]:
    """The image, where it is built here."""
    return () if deployment.image.digest else (ref(deployment, names),)


def _context(deployment: Deployment) -> BuildContext:
    required = (build_context.PROVIDER,) if deployment.auth.mode == "oidc" else ()
    server = deployment.server
    try:
        return build_context.read(image_folder(), server.version, server.pip, required)
    except OSError as error:
        raise errors.SpecInvalid(
            f"the image's files cannot be read: {error}",
            way_out="Reinstall, or name image.digest in the spec.",
        ) from error
