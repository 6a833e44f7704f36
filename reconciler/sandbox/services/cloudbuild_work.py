"""What a build does: fetch the source, follow the Dockerfile, push the image, keep the log."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.operations import Progress
from reconciler.sandbox.registry import push_image
from reconciler.sandbox.runtime import images
from reconciler.sandbox.runtime.images import BuildError, Image
from reconciler.sandbox.services.cloudbuild_logs import BUILD, Cancelled, Log
from reconciler.sandbox.storage.bucket_access import demand
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.storage.objects import OBJECT
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

RUN: Final = "cloudbuild.run"
TYPE: Final = "type.googleapis.com/google.devtools.cloudbuild.v1."
_REFERENCE: Final = re.compile(
    r"(?P<region>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[a-z0-9-]+)/(?P<repository>[a-z0-9-]+)/"
    r"(?P<package>[a-z0-9._/-]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?"
)


class _Failed(BuildError):
    """The build fails outside of its steps; *kind* is a FailureInfo.FailureType."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Reference:
    """An image's name in Artifact Registry."""

    repository: str
    package: str
    tag: str


@dataclass(frozen=True)
class _Command:
    """What a `docker build` was told."""

    tags: tuple[str, ...]
    dockerfile: str
    folder: str
    arguments: Mapping[str, str]


def register(world: World) -> None:
    """Say what the operation of a build does."""

    def undone(arguments: Mapping[str, Any], error: ApiError) -> None:
        def ended(body: Body) -> Body:
            detail = {"status": "INTERNAL_ERROR", "statusDetail": error.message, "finishTime": world.now()}
            return {**body, **detail}

        world.store.update(BUILD, arguments["name"], ended)

    world.operations.register(
        RUN, lambda arguments, progress: _run(world, arguments["name"], progress), undone
    )


def image_of(reference: str) -> Reference | None:
    """A reference of Artifact Registry, or None for any other."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    repository = f"projects/{match['project']}/locations/{match['region']}/repositories/{match['repository']}"
    return Reference(repository, match["package"], match["tag"] or "latest")


def _run(world: World, name: str, progress: Progress) -> Mapping[str, Any]:
    build = world.store.get(BUILD, name)
    if build is None:
        raise ApiError(404, "Requested entity was not found.")
    log = Log(world, name)

    def mark(**fields: Any) -> Body:
        def change(body: Body) -> Body:
            return body if body["status"] == "CANCELLED" else {**body, **fields}

        changed = world.store.update(BUILD, name, change)
        progress({"@type": f"{TYPE}BuildOperationMetadata", "build": changed})
        return changed

    mark(status="WORKING", startTime=world.now())
    try:
        results = _build(world, build, log)
    except Cancelled:
        log.keep(build)
        mark()
        raise ApiError(499, "Build cancelled.", rpc_status="CANCELLED") from None
    except BuildError as error:
        failure = _failure(error, log)
        log.keep(build)
        # The URL in logUrl is Google's; this build's log is a file on this machine.
        detail = f"{failure['detail']} (log: {log.path})"
        failure["detail"] = detail
        mark(status="FAILURE", finishTime=world.now(), statusDetail=detail, failureInfo=failure)
        text = f"Build failed; check build logs for details: {error} (log: {log.path})"
        raise ApiError(500, text, rpc_status="UNKNOWN") from error
    log.write("DONE")
    log.keep(build)
    done = mark(status="SUCCESS", finishTime=world.now(), results=results)
    return {"@type": f"{TYPE}Build", **done}


def _failure(error: BuildError, log: Log) -> dict[str, str]:
    """The build's failureInfo, also written to its log."""
    if isinstance(error, _Failed):
        log.write(f"ERROR: {error}")
        return {"type": error.kind, "detail": str(error)}
    log.write(f'ERROR: build step 0 "gcr.io/cloud-builders/docker" failed: {error}')
    return {"type": "USER_BUILD_STEP", "detail": f"Build step failure: {error}"}


def _build(world: World, build: Body, log: Log) -> dict[str, Any]:
    log.write(f'starting build "{build["id"]}"\n\nFETCHSOURCE')
    made: dict[str, Image] = {}
    with tempfile.TemporaryDirectory(prefix="mlr-build-") as work:
        context = Path(work) / "context"
        context.mkdir()
        images.unpack(_source(world, build), context)
        for number, step in enumerate(build["steps"]):
            command = _command(step.get("args", ()))
            log.write(f"BUILD\nStep #{number}: docker {shlex.join(step.get('args', ()))}")
            folder = (context / step.get("dir", "") / command.folder).resolve()
            if not folder.is_relative_to(context.resolve()) or not folder.is_dir():
                raise BuildError(f"unable to prepare context: path {command.folder!r} not found")
            image = images.build(
                folder, command.dockerfile, command.arguments, world.home / "images", log.write
            )
            log.write(f"Successfully built {image.digest}")
            made |= dict.fromkeys(command.tags, image)
    log.write("PUSH")
    pushed = [_push(world, build, name, made, log) for name in build.get("images", ())]
    return {"images": pushed, "buildStepImages": ["" for _ in build["steps"]]}


def resolve_source(world: World, build: Body) -> None:
    """Raise Cloud Build's 400 where the account that is to build may not read the source, or there is none."""
    source = build["source"]["storageSource"]
    bucket, name = str(source.get("bucket", "")), str(source.get("object", ""))
    try:
        found = world.store.get(BUCKET, bucket)
        if found is None:
            raise ApiError(404, "The specified bucket does not exist.")
        body = world.store.get(OBJECT, f"{bucket}/{name}")
        demand(world, f"serviceAccount:{_account(build)}", "storage.objects.get", found, on=body or {})
        if body is None:
            raise ApiError(404, f"No such object: {bucket}/{name}")
    except ApiError as error:
        text = f"could not resolve source: googleapi: Error {error.status}: {error.message}, {error.reason}"
        raise ApiError(400, text) from error


def _account(build: Body) -> str:
    return build["serviceAccount"].rsplit("/", 1)[-1]


def _source(world: World, build: Body) -> Path:
    """The source's file, kept beside the build. Raises _Failed where it went away after the build was made."""
    source = build["source"]["storageSource"]
    place = f"{source['bucket']}/{source['object']}"
    body = world.store.get(OBJECT, place)
    if body is None:
        raise _Failed(
            f"fetching storage source: the object gs://{place} does not exist", "FETCH_SOURCE_FAILED"
        )
    kept = world.home / "builds" / f"{build['id']}.tgz"
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(world.home / "objects" / body["file"], kept)
    return kept


def _command(words: Sequence[str]) -> _Command:
    tags: list[str] = []
    arguments: dict[str, str] = {}
    dockerfile, folder = "Dockerfile", ""
    rest = [word for word in words if word not in ("build", "buildx")]
    while rest:
        word, _, given = rest.pop(0).partition("=")
        if word in ("-t", "--tag", "-f", "--file", "--build-arg", "--platform", "--network"):
            value = given or (rest.pop(0) if rest else "")
            if word in ("-t", "--tag"):
                tags.append(value)
            elif word in ("-f", "--file"):
                dockerfile = value
            elif word == "--build-arg":
                key, _, text = value.partition("=")
                arguments[key] = text
            elif word == "--platform" and value != "linux/amd64":
                raise BuildError(f"the platform {value} is not built here, only linux/amd64")
        elif word in ("--no-cache", "--pull", "--quiet", "-q"):
            continue
        elif word.startswith("-") or folder:
            raise BuildError(f"docker build: {word} is not understood")
        else:
            folder = word
    if not folder:
        raise BuildError("docker build: there is no context")
    return _Command(tuple(tags), dockerfile, folder, arguments)


def _push(world: World, build: Body, name: str, made: Mapping[str, Image], log: Log) -> dict[str, Any]:
    image, reference = made.get(name), image_of(name)
    start = world.now()
    if image is None or reference is None:
        text = f"An image does not exist locally with the tag: {name}"
        raise _Failed(text, "PUSH_IMAGE_NOT_FOUND")
    permission = "artifactregistry.repositories.uploadArtifacts"
    places = [reference.repository, "/".join(reference.repository.split("/")[:2])]
    if not world.policies.allowed(f"serviceAccount:{_account(build)}", permission, places):
        raise _Failed(
            f'denied: Permission "{permission}" denied on resource "{reference.repository}" (or it may not exist)',
            "PUSH_NOT_AUTHORIZED",
        )
    try:
        push_image(
            world,
            reference.repository,
            reference.package,
            image.digest,
            (reference.tag,),
            size_bytes=images.size(image),
        )
    except ApiError as error:
        raise _Failed(f"name unknown: {error.message}", "PUSH_FAILED") from error
    log.write(f"{reference.tag}: digest: {image.digest}")
    return {"name": name, "digest": image.digest, "pushTiming": {"startTime": start, "endTime": world.now()}}
