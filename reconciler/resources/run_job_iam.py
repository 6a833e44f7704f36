"""Who may run the retention job by itself: the schedule's account, and it may do nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iam_service_account, run_job, serviceusage_services
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
EXECUTOR: Final = "roles/run.jobsExecutor"
"""Runs and ends executions; roles/run.invoker would let it call services, too."""
NAME: Final = "run.job_iam"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The schedule's account runs the retention job, where there is one."""
    on = deployment.lifecycle.retention.delete_runs_after_days > 0
    field = policy.grant(EXECUTOR, f"serviceAccount:{names.cron_account}")
    yield Desired(
        ref(names),
        {field: policy.GRANTED if on else None},
        needs=(
            run_job.retention_ref(names),
            iam_service_account.ref(names.project, names.cron_account),
        ),
        empties=True,
        part_of=run_job.retention_ref(names),
        only_with=serviceusage_services.SCHEDULER,
        origins={"": deployment.origin("lifecycle.retention.delete_runs_after_days")},
    )


def ref(names: Names) -> Ref:
    """The policy of the deployment's retention job."""
    return Ref(NAME, names.retention_job)


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    request = {"resource": ref.name, "options": {"requested_policy_version": 3}}
    return policy.from_message(cloud.run_jobs.get_iam_policy(request=request, retry=None, timeout=TIMEOUT))


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    request = {"resource": ref.name, "policy": policy.as_message(changed)}
    return cloud.run_jobs.set_iam_policy(request=request, retry=None, timeout=TIMEOUT)


JOB_IAM: Final = PolicyKind(NAME, "run.googleapis.com", _wanted, _read, _write)
"""`run.job_iam`: the policy of the retention job. Additive."""
