"""The database's schema, made or migrated by the job with exactly the image that the server is to run.

Not a resource of Google's but a fact about one: the newest execution of the job, its image and how it ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler import errors
from reconciler.gcp import containers, operations, retries, sql_work
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json
from reconciler.model import Body, Desired, Observed, Ref
from reconciler.resources import (
    artifactregistry_image,
    run_job,
    secretmanager_version,
    sqladmin_database,
    sqladmin_instance,
    sqladmin_user,
)
from reconciler.server import settings
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
FRESH = timedelta(hours=1)
"""No first apply takes longer: an instance that is older was there before, with whatever is in it."""
ADMINISTRATOR = "users.administrator"
BACKUP = "BACKUP_VOLUME"
FILLED = ("CLONE", "RESTORE_VOLUME", "IMPORT")
"""Operations after which a new instance holds data, whatever its age."""
GIVEN = "users.password"
"""Names the secret version that the administrator was given last, never the password."""


class Migration:
    """`run.migration`: fields `image`, `instance` and `database` (that the schema was last made for), and `state`.

    Where the server keeps users itself, `users.…` say in which database, and who was made administrator there.
    """

    name: str = "run.migration"
    api: str = "run.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """A succeeded execution with the server's image."""
        users = _users(deployment, names)
        database = (sqladmin_database.ref(names, str(users["users.database"])),) if users else ()
        yield Desired(
            ref(names),
            {
                "image": artifactregistry_image.reference(deployment, names),
                "instance": sqladmin_instance.born(names),
                "database": names.database,
                "state": "SUCCEEDED",
                **users,
            },
            needs=(
                *artifactregistry_image.needs(deployment, names),
                run_job.ref(names),
                sqladmin_database.ref(names),
                *database,
                sqladmin_user.ref(names),
            ),
            lane=sqladmin_instance.lane(names),
            part_of=run_job.ref(names),
            effects={
                "image": "backs up the database, then migrates its schema: an older MLflow will not start on it",
                ADMINISTRATOR: "makes this user an administrator, with the secret's password; others stay",
                GIVEN: "gives the administrator the secret's password; other users keep theirs",
            },
            origins={
                "": deployment.origin("server.version"),
                "users.database": deployment.origin("auth.mode"),
                ADMINISTRATOR: deployment.origin("auth.mlflow.admin_username"),
                GIVEN: deployment.origin("auth.mode"),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The newest execution of the job. The API lists the newest first."""
        request = {"parent": _job(ref), "page_size": 1}

        def read() -> list[dict[str, Any]]:
            pages = cloud.run_executions.list_executions(request=request, retry=None, timeout=TIMEOUT).pages
            return [as_json(execution) for execution in next(iter(pages)).executions]

        executions = cloud.found(f"reading the executions of {ref.short}", read) or []
        if not executions:
            return None
        newest = executions[0]
        ran = containers.flattened(newest.get("template") or {}, (cloud.project, cloud.project_number))
        running = "" if newest.get("completionTime") else "the migration is running"
        told = {field: ran.get(f"{containers.ENV}{variable}") for field, variable in TOLD.items()}
        return Observed(
            ref, {"image": ran["containers.image"], "state": _state(newest), **told}, busy=running
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Run the job and wait for it. An instance that was not made just now may hold data: it is backed up first."""
        if _holds_data(cloud, desired):
            _back_up(cloud, desired.ref)
        self._run(cloud, desired)

    def _run(self, cloud: Cloud, desired: Desired) -> None:
        about = "making the database's schema"
        operation = cloud.call(
            about,
            lambda: cloud.run_jobs.run_job(name=_job(desired.ref), retry=None, timeout=TIMEOUT),
            retries.ONCE,
        )
        execution = operations.run_done(cloud, about, operations.begun(operation), operations.MIGRATION)
        if _state(execution) != "SUCCEEDED":
            name = str(execution.get("name", "")).rsplit("/", 1)[-1]
            raise errors.OperationFailed(
                f"{about}: execution {name} failed",
                way_out=f"Its log says why: {execution.get('logUri', 'gcloud run jobs executions describe ' + name)}",
            )

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Back up what is there, then migrate it; first wait for a migration that is running already."""
        if observed.busy:
            self._await_end(cloud, desired.ref)
            if set(fields) <= {"state"}:
                return
        elsewhere = not {"instance", "database"}.isdisjoint(fields)
        if _holds_data(cloud, desired) if elsewhere else "image" in fields:
            _back_up(cloud, desired.ref)
        self._run(cloud, desired)

    def _await_end(self, cloud: Cloud, ref: Ref) -> None:
        def look() -> dict[str, Any]:
            now = self.observe(cloud, ref)
            return {"busy": now.busy if now else "", "state": now.body["state"] if now else "FAILED"}

        about = "waiting for the migration that is running"
        ended = operations.await_state(
            cloud, about, operations.MIGRATION, look, lambda state: str(state["busy"])
        )
        if ended["state"] != "SUCCEEDED":
            raise errors.OperationFailed(f"{about}: it failed", way_out="Run this again to try it anew.")

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: executions go with their job."""


TOLD = {
    "instance": run_job.BORN,
    "database": "MLFLOW_DB_NAME",
    "users.database": "MLFLOW_AUTH_DB_NAME",
    ADMINISTRATOR: "MLFLOW_AUTH_ADMIN_USERNAME",
    GIVEN: "MLFLOW_AUTH_ADMIN_PASSWORD",
}
"""Fields that an execution records in its environment."""


def _users(deployment: Deployment, names: Names) -> Body:
    told = settings.users_environment(deployment)
    known: Body = {field: told[variable] for field, variable in TOLD.items() if variable in told}
    if ADMINISTRATOR not in known:
        return known
    return {**known, GIVEN: secretmanager_version.pinned(names.admin_secret)}


def ref(names: Names) -> Ref:
    """The state of the deployment's schema."""
    return Ref(Migration.name, names.migration)


def _job(ref: Ref) -> str:
    _, project, _, region, *_ = ref.name.split("/")
    return f"projects/{project}/locations/{region}/jobs/{ref.short}-migrate"


def _state(execution: Mapping[str, Any]) -> str:
    if execution.get("succeededCount"):
        return "SUCCEEDED"
    return "FAILED" if execution.get("completionTime") else "RUNNING"


def _holds_data(cloud: Cloud, desired: Desired) -> bool:
    """Whether the instance is older than any first apply, or was filled since: else it has nothing to lose yet."""
    made = datetime.fromisoformat(str((desired.body or {})["instance"]))
    if datetime.now(UTC) - made > FRESH:
        return True
    return any(one.get("operationType") in FILLED for one in sql_work.listed(cloud, _instance(desired.ref)))


def _instance(ref: Ref) -> str:
    """The instance that the schema is in: it may have another name than the deployment."""
    return ref.name.split("/")[5]


def _back_up(cloud: Cloud, ref: Ref) -> None:
    """A backup that is from now; one that is being made is one, whoever began it."""
    about, instance = "backing up the database", _instance(ref)
    cloud.note("backing up")
    request = cloud.api("sqladmin", "v1").backupRuns().insert(
        project=cloud.project, instance=instance, body={"description": "before a schema migration"}
    )  # fmt: skip
    last = sql_work.newest(cloud, instance)

    def attempt() -> None:
        waited = sql_work.settle(cloud, instance)
        made = any(operation.get("operationType") == BACKUP for operation in waited)
        # An attempt whose answer was lost may have been carried out.
        if not made and not sql_work.done_since(cloud, instance, last, BACKUP):
            operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.NEVER))

    retries.persist(retries.SQL, attempt, cloud.pause)
