"""The schedule on which the retention job runs: Cloud Scheduler asks Cloud Run to, as an account of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.kind import refuse_foreign
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.resources import iam_service_account, run_job, run_job_iam, serviceusage_services
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
DEADLINE = "180s"
"""The answer comes as soon as the execution has begun."""
RETRIES = 3
"""A second execution while one is at work ends at once, so that trying again does no harm."""


class SchedulerJob:
    """`cloudscheduler.job`."""

    name: str = "cloudscheduler.job"
    api: str = "cloudscheduler.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """A call of the retention job on its schedule, where there is one. Jobs have no labels: their words tell."""
        retention = deployment.lifecycle.retention
        mine = f"Retention of runs of {deployment.name}, by mlflow-reconcile"
        body: Body = {
            "description": mine,
            "schedule": retention.schedule,
            "timeZone": retention.time_zone,
            "state": "ENABLED",
            "attemptDeadline": DEADLINE,
            "retryConfig.retryCount": RETRIES,
            "httpTarget.uri": f"https://run.googleapis.com/v2/{names.retention_job}:run",
            "httpTarget.httpMethod": "POST",
            "httpTarget.oauthToken.serviceAccountEmail": names.cron_account,
            "httpTarget.oauthToken.scope": SCOPE,
        }
        at = deployment.origin
        yield Desired(
            ref(names),
            body if retention.delete_runs_after_days else None,
            needs=(
                run_job.retention_ref(names),
                run_job_iam.ref(names),
                iam_service_account.ref(names.project, names.cron_account),
            ),
            mark=("description", mine),
            only_with=serviceusage_services.SCHEDULER,
            effects={"state": "while it is paused, nothing is deleted"},
            origins={
                "": at("lifecycle.retention.delete_runs_after_days"),
                "schedule": at("lifecycle.retention.schedule"),
                "timeZone": at("lifecycle.retention.time_zone"),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The job, in the terms of a spec. The API has no version of it to hold a change against."""
        found = cloud.found(f"reading schedule {ref.short}", _jobs(cloud).get(name=ref.name).execute)
        return None if found is None else Observed(ref, _body(found))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it; one that is there already is brought up to date."""
        body = desired.body or {}
        job = {"name": desired.ref.name, **_parts({}, body, [field for field in body if field != "state"])}
        request = _jobs(cloud).create(parent=desired.ref.name.rsplit("/jobs/", 1)[0], body=job)
        try:
            cloud.call(f"creating schedule {desired.ref.short}", request.execute)
        except errors.AlreadyThere:
            observed = self.observe(cloud, desired.ref)
            if observed is None:
                raise
            refuse_foreign(desired, observed)
            different = [field for field, value in body.items() if observed.body.get(field) != value]
            if different:
                self.update(cloud, desired, observed, different)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH of the changed parts, what we do not declare in them as it is; resuming has a verb of its own."""
        about = f"updating schedule {desired.ref.short}"
        written = [field for field in fields if field != "state"]
        if written:
            live: dict[str, Any] = cloud.call(about, _jobs(cloud).get(name=desired.ref.name).execute)
            # A token is written whole: half of one is refused.
            whole = {f for f in desired.body or {} if f.startswith("httpTarget.oauthToken.")}
            chosen = {*written, *(whole if whole & set(written) else ())}
            parts = _parts(live, desired.body or {}, chosen)
            request = _jobs(cloud).patch(
                name=desired.ref.name, body=parts, updateMask=",".join(sorted(parts))
            )
            cloud.call(about, request.execute)
        if "state" in fields:
            cloud.call(about, _jobs(cloud).resume(name=desired.ref.name, body={}).execute)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it; an execution that is at work goes on."""
        cloud.found(f"deleting schedule {ref.short}", _jobs(cloud).delete(name=ref.name).execute)


def ref(names: Names) -> Ref:
    """The deployment's schedule."""
    return Ref(SchedulerJob.name, names.schedule)


def _jobs(cloud: Cloud) -> Any:
    return cloud.api("cloudscheduler", "v1").projects().locations().jobs()


def _body(job: dict[str, Any]) -> dict[str, Json]:
    target: dict[str, Any] = job.get("httpTarget", {})
    token: dict[str, Any] = target.get("oauthToken", {})
    return {
        "description": job.get("description", ""),
        "schedule": job.get("schedule"),
        "timeZone": job.get("timeZone"),
        "state": job.get("state"),
        "attemptDeadline": job.get("attemptDeadline"),
        "retryConfig.retryCount": job.get("retryConfig", {}).get("retryCount", 0),
        "httpTarget.uri": target.get("uri"),
        "httpTarget.httpMethod": target.get("httpMethod"),
        "httpTarget.oauthToken.serviceAccountEmail": token.get("serviceAccountEmail"),
        "httpTarget.oauthToken.scope": token.get("scope"),
    }


def _parts(live: Mapping[str, Any], body: Body, fields: Collection[str]) -> dict[str, Any]:
    """The whole parts (`schedule`, `httpTarget`) that *fields* lie in: as *live*, with *fields* as *body* has them."""
    parts = flat.nested({field: body[field] for field in fields})
    for name, part in parts.items():
        if isinstance(part, dict):
            kept: Mapping[str, Any] = live.get(name, {})
            parts[name] = {**{key: kept[key] for key in kept if key != "oidcToken"}, **part}
    return parts
