"""What a build writes, and where it can be read: a file of the sandbox, and an object in the build's log bucket.

A build that names no bucket and no account of its own logs into one of Google's, `PROJECTNUMBER.cloudbuild-logs.
googleusercontent.com`, which the people of the project may read and nobody lists.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.iam.identities import OPERATOR
from reconciler.sandbox.logs import entries
from reconciler.sandbox.storage import blobs, bucket_access, buckets, generations
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

BUILD: Final = "cloudbuild.build"
GOOGLES: Final = "cloudbuild-logs"
"""The project of Google's own log buckets; no caller owns it."""
NOT_TO_LOGGING: Final = ("GCS_ONLY", "NONE")
ELSEWHERE: Final = ("CLOUD_LOGGING_ONLY", "NONE")


class Cancelled(Exception):
    """Somebody cancelled the build while it ran."""


class Log:
    """The log of one build; writing to it notices that the build was cancelled."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self.path = world.home / "logs" / f"build-{name.rsplit('/', 1)[-1]}.log"
        self.path.unlink(missing_ok=True)

    def write(self, line: str) -> None:
        """Add a line. Raises Cancelled."""
        with self.path.open("a") as file:
            file.write(line + "\n")
        build = self._world.store.get(BUILD, self._name)
        if build is not None and build.get("options", {}).get("logging") not in NOT_TO_LOGGING:
            self._send(build, line)
        if build is None or build["status"] == "CANCELLED":
            raise Cancelled

    def _send(self, build: Body, line: str) -> None:
        """The line as an entry of Cloud Logging."""
        named = {"build_id": build["id"], "build_trigger_id": "", "project_id": build["projectId"]}
        entry = {"textPayload": line, "resource": {"type": "build", "labels": named}}
        entries.of(self._world).write(build["projectId"], "cloudbuild", {**entry, "severity": "INFO"})

    def keep(self, build: Body) -> None:
        """Put the log into the bucket that the build names."""
        place = str(build.get("logsBucket", "")).removeprefix("gs://").strip("/")
        name, _, folder = place.partition("/")
        bucket = self._world.store.get(BUCKET, name) if name else None
        if bucket is None:
            return
        key = f"{folder}/log-{build['id']}.txt".lstrip("/")
        written = blobs.write(self._world.home, [self.path.read_bytes()])
        generations.keep(self._world, OPERATOR, bucket, key, {"contentType": "text/plain"}, written)


def default_bucket(world: World, project_id: str, number: str, sent: Mapping[str, Any]) -> dict[str, str]:
    """The `logsBucket` that a build gets which asks for none; {} where its log goes elsewhere."""
    options: Mapping[str, Any] = sent.get("options", {})
    if sent.get("logsBucket") or sent.get("serviceAccount") or options.get("logging") in ELSEWHERE:
        return {}
    name = f"{number}.{GOOGLES}.googleusercontent.com"
    with world.store.transaction():
        if world.store.get(BUCKET, name) is None:
            _make(world, name, project_id)
    return {"logsBucket": f"gs://{name}"}


def _make(world: World, name: str, project_id: str) -> None:
    # Nobody else may call a bucket Google's.
    uniform = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    made = buckets.made(GOOGLES, uniform, "0", world.clock())
    link = str(made["selfLink"]).replace(GOOGLES, name)
    body = {**made, "name": name, "id": name, "selfLink": link, "projectId": GOOGLES}
    world.store.create(BUCKET, name, body)
    readers = [f"project{who}:{project_id}" for who in ("Editor", "Owner", "Viewer")]
    roles = ("roles/storage.legacyBucketReader", "roles/storage.legacyObjectReader")
    bindings = [{"role": role, "members": readers} for role in roles]
    bucket_access.keep_bindings(world, body, {"bindings": bindings})
