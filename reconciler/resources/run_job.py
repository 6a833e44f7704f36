"""The Cloud Run jobs: one makes and migrates the database's schema, one deletes old runs.

Running the first is `run.migration`; `cloudscheduler.job` runs the second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp import containers, operations, run_deletion, vpc_access
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json, from_json
from reconciler.kind import refuse_foreign
from reconciler.model import Body, Desired, Observed, Ref
from reconciler.resources import (
    artifactregistry_image,
    cloudresourcemanager_project_iam,
    iam_service_account,
    secretmanager_secret_iam,
    secretmanager_version,
    serviceusage_services,
    sqladmin_instance,
    storage_bucket_iam,
    vpcaccess_connector,
)
from reconciler.server import secrets, settings
from reconciler.server.naming import Names, label_origins, labels_of, mark_of
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
TEMPLATE = "template.template."
BORN = "MLFLOW_DB_BORN"
"""Tells the job nothing; it records in each execution which instance that was for."""
TIMEOUTS = {"migrate": "1800s", "retain": "86400s"}
"""Half an hour: `mlflow db upgrade` took 3 s on a small database, and large ones rewrite whole tables. A day: what is
ended then goes on where it was the next time."""
MEMORY = {"migrate": "512Mi", "retain": "1Gi"}
"""Measured: what is known of 100,000 runs takes 140 MiB more than the 180 MiB of MLflow itself."""
_KEYS = {
    "RETAIN_AFTER_DAYS": "lifecycle.retention.delete_runs_after_days",
    "RETAIN_RESTORABLE_DAYS": "lifecycle.retention.restorable_days",
    "RETAIN_KEEP_TAG": "lifecycle.retention.keep_tag",
    "RETAIN_DRY_RUN": "lifecycle.retention.dry_run",
}
_EFFECTS = {
    "RETAIN_AFTER_DAYS": "runs that are older, and that nothing names, are deleted from the next time on",
    "RETAIN_KEEP_TAG": "what is tagged otherwise may be deleted from the next time on",
    "RETAIN_DRY_RUN": "whether the job deletes runs, or only lists them in its log",
}


class Job:
    """`run.job`."""

    name: str = "run.job"
    api: str = "run.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The server's image with other commands: `migrate`, which sees nothing but the database, and `retain`."""
        at = deployment.origin
        yield Desired(
            ref(names),
            _migrating(deployment, names),
            needs=_needs(deployment, names),
            complete=(f"{TEMPLATE}{containers.ENV}",),
            private=tuple(f"{TEMPLATE}{one}" for one in containers.SPOKEN),
            mark=mark_of(deployment),
            origins={
                "": at("server"),
                f"{TEMPLATE}containers.image": at("image"),
                **label_origins(deployment),
                **vpcaccess_connector.way_in_origins(deployment, TEMPLATE),
            },
        )
        wanted = deployment.lifecycle.retention.delete_runs_after_days > 0
        yield Desired(
            retention_ref(names),
            _retaining(deployment, names) if wanted else None,
            needs=(*_needs(deployment, names), storage_bucket_iam.ref(names.bucket)),
            complete=(f"{TEMPLATE}{containers.ENV}",),
            private=tuple(f"{TEMPLATE}{one}" for one in containers.SPOKEN),
            mark=mark_of(deployment),
            only_with=serviceusage_services.SCHEDULER,
            effects={f"{TEMPLATE}{containers.ENV}{name}": text for name, text in _EFFECTS.items()},
            origins={
                "": at("lifecycle.retention.delete_runs_after_days"),
                f"{TEMPLATE}containers.image": at("image"),
                **label_origins(deployment),
                **{f"{TEMPLATE}{containers.ENV}{name}": at(key) for name, key in _KEYS.items()},
                **vpcaccess_connector.way_in_origins(deployment, TEMPLATE),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The job's template, in the terms of a spec; versioned by its etag, busy while it reconciles."""
        found = cloud.found(f"reading job {ref.short}", lambda: _get(cloud, ref))
        if found is None:
            return None
        job = as_json(found)
        task: dict[str, Any] = flat.at(job, "template.template") or {}
        project_ids = (cloud.project, cloud.project_number)
        fields = {
            **containers.flattened(task, project_ids),
            **vpc_access.flattened(task, ref.name.split("/")[3], project_ids),
        }
        body = {
            f"{TEMPLATE}{key}": value
            for key, value in {**fields, "maxRetries": task.get("maxRetries", 0)}.items()
        }
        return Observed(
            ref,
            {"ready": containers.ready(job), **body, **flat.prefixed("labels", job.get("labels"))},
            version=str(job.get("etag", "")),
            busy="being made ready" if job.get("reconciling") else "",
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait until it is ready; one that is there already is brought up to date."""
        body = desired.body or {}
        job: dict[str, Any] = {}
        _write(job, body, body)
        parent = desired.ref.name.rsplit("/jobs/", 1)[0]
        about = f"creating job {desired.ref.short}"
        request = {"parent": parent, "job_id": desired.ref.short, "job": from_json(_message(), job)}
        try:
            operation = cloud.call(
                about, lambda: cloud.run_jobs.create_job(request=request, retry=None, timeout=TIMEOUT)
            )
        except errors.AlreadyThere:
            observed = self.observe(cloud, desired.ref)
            if observed is None:
                raise
            refuse_foreign(desired, observed)
            different = [field for field, value in body.items() if observed.body.get(field) != value]
            if different or observed.busy:
                self.update(cloud, desired, observed, different)
            return
        operations.run_done(cloud, about, operations.begun(operation))

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Read, change *fields*, write back on the etag observed; without any, wait until it is ready."""
        about = f"updating job {desired.ref.short}"
        if observed.busy:
            run_deletion.replan_if_leaving(cloud, desired.ref, about)
        if not fields:
            _await_ready(cloud, about, desired.ref)
            return
        jobs = cloud.api("run", "v2").projects().locations().jobs()
        # As JSON, not as the library's message: that would drop every field which this version of it does not know.
        live: dict[str, Any] = cloud.call(about, jobs.get(name=desired.ref.name).execute)
        _write(live, desired.body or {}, fields)
        if "ready" in fields:
            containers.try_again(live["template"])
        request = jobs.patch(name=desired.ref.name, body={**live, "etag": observed.version})
        operations.run_done(cloud, about, cloud.call(about, request.execute))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it with the record of its executions."""
        run_deletion.delete(
            cloud,
            ref,
            f"deleting job {ref.short}",
            lambda: cloud.run_jobs.delete_job(name=ref.name, retry=None, timeout=TIMEOUT),
        )


def _migrating(deployment: Deployment, names: Names) -> Body:
    """All that the schemas and the server's own users take."""
    held = [secret for secret in secrets.wanted_secrets(deployment, names) if secret.migrates]
    environment: Body = {
        **settings.database_environment(names),
        BORN: sqladmin_instance.born(names),
        **settings.users_environment(deployment),
        **{secret.variable: secretmanager_version.pinned(secret.name) for secret in held},
    }
    return _body(deployment, names, "migrate", environment)


def _retaining(deployment: Deployment, names: Names) -> Body:
    """The database without the users, and the artifacts through the server's account."""
    environment: Body = {
        **settings.database_environment(names),
        **settings.retention_environment(deployment, names),
        "MLFLOW_DB_PASSWORD": secretmanager_version.pinned(names.database_secret),
    }
    return _body(deployment, names, "retain", environment)


def _body(deployment: Deployment, names: Names, mode: str, environment: Body) -> Body:
    task: Body = {
        "serviceAccount": names.service_account,
        "timeout": TIMEOUTS[mode],
        "maxRetries": 0,
        "containers.image": artifactregistry_image.reference(deployment, names),
        "containers.args": [mode],
        "containers.command": [],
        "containers.workingDir": None,
        "containers.resources.limits.cpu": "1",
        "containers.resources.limits.memory": MEMORY[mode],
        containers.SOCKETS: [names.connection_name],
        **vpcaccess_connector.way_in(deployment, names),
        **{f"{containers.ENV}{name}": value for name, value in environment.items()},
    }
    return {
        "ready": True,
        **{f"{TEMPLATE}{field}": value for field, value in task.items()},
        **flat.prefixed("labels", labels_of(deployment)),
    }


def _needs(deployment: Deployment, names: Names) -> tuple[Ref, ...]:
    held = [secret.name for secret in secrets.wanted_secrets(deployment, names) if secret.migrates]
    return (
        *artifactregistry_image.needs(deployment, names),
        cloudresourcemanager_project_iam.ref(names.project),
        iam_service_account.ref(names.project, names.service_account),
        *(secretmanager_secret_iam.ref(name) for name in held),
        *(secretmanager_version.ref(name) for name in held),
        sqladmin_instance.ref(names),
        *vpcaccess_connector.needs(deployment, names),
    )


def ref(names: Names) -> Ref:
    """The deployment's migration job."""
    return Ref(Job.name, names.job)


def retention_ref(names: Names) -> Ref:
    """The deployment's retention job."""
    return Ref(Job.name, names.retention_job)


def _get(cloud: Cloud, ref: Ref) -> Any:
    return cloud.run_jobs.get_job(name=ref.name, retry=None, timeout=TIMEOUT)


def _await_ready(cloud: Cloud, about: str, ref: Ref) -> None:
    """Wait for a change that somebody else, or an earlier run, has started."""
    job = operations.await_state(
        cloud,
        about,
        operations.RUN,
        lambda: as_json(cloud.call(about, lambda: _get(cloud, ref))),
        lambda job: "being made ready" if job.get("reconciling") else "",
    )
    if not containers.ready(job):
        message = flat.at(job, "terminalCondition.message") or "it is not ready"
        raise errors.OperationFailed(f"{about}: {message}")


def _message() -> Any:
    from google.cloud.run_v2 import Job as Message

    return Message


def _write(job: dict[str, Any], body: Body, fields: Collection[str]) -> None:
    task: dict[str, Any] = job.setdefault("template", {}).setdefault("template", {})
    inner = {field.removeprefix(TEMPLATE): body.get(field) for field in fields if field.startswith(TEMPLATE)}
    containers.write(task, inner, inner)
    labels = flat.under("labels", body, fields)
    if labels:
        job["labels"] = flat.with_map(job.get("labels"), labels)
