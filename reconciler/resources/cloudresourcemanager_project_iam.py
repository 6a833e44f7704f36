"""What the deployment's service accounts may do in the whole project. Additive: other grants are not ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import iam_service_account
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class ProjectIam:
    """`cloudresourcemanager.project_iam`: the least that cannot be granted on a single resource."""

    name: ClassVar[str] = "cloudresourcemanager.project_iam"
    api: ClassVar[str] = "cloudresourcemanager.googleapis.com"
    tells: ClassVar[bool] = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
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

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant of the project."""
        found = _read(cloud)
        return Observed(ref, policy.grants_of(found), version=str(found.get("etag", "")))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A project always has a policy."""
        self._write(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        self._write(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: a project's policy cannot be deleted; what we granted is taken away by an update."""

    def _write(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        projects = cloud.api("cloudresourcemanager", "v1").projects()
        wanted = policy.only(desired.body or {}, fields)

        def write(changed: policy.Policy) -> Any:
            return projects.setIamPolicy(resource=cloud.project, body={"policy": changed}).execute()

        policy.rewrite(cloud, "granting roles in the project", wanted, lambda: _read(cloud), write)


def ref(project: str) -> Ref:
    """The project's IAM policy."""
    return Ref(ProjectIam.name, f"projects/{project}")


def _read(cloud: Cloud) -> dict[str, Any]:
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    body = {"options": {"requestedPolicyVersion": 3}}
    request = projects.getIamPolicy(resource=cloud.project, body=body)
    return cloud.call("reading the project's IAM policy", request.execute)
