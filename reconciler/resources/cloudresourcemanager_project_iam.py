"""What the deployment's service accounts may do in the whole project. Additive: other grants are not ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iam_service_account
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "cloudresourcemanager.project_iam"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The server connects to Cloud SQL and writes logs; the builder writes logs."""
    built = None if deployment.image.digest else policy.GRANTED
    yield Desired(
        ref(names.project),
        {
            policy.grant("roles/cloudsql.client", names.service_account_member): policy.GRANTED,
            policy.grant("roles/logging.logWriter", names.service_account_member): policy.GRANTED,
            policy.grant("roles/logging.logWriter", names.build_account_member): built,
        },
        needs=(
            iam_service_account.ref(names.project, names.service_account),
            iam_service_account.ref(names.project, names.build_account),
        ),
        empties=True,
        origins={"": deployment.origin("project")},
    )


def ref(project: str) -> Ref:
    """The project's IAM policy."""
    return Ref(NAME, f"projects/{project}")


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    body = {"options": {"requestedPolicyVersion": 3}}
    return projects.getIamPolicy(resource=ref.short, body=body).execute()


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    return projects.setIamPolicy(resource=ref.short, body={"policy": changed}).execute()


PROJECT_IAM: Final = PolicyKind(NAME, "cloudresourcemanager.googleapis.com", _wanted, _read, _write)
"""`cloudresourcemanager.project_iam`: the least that cannot be granted on a single resource."""
