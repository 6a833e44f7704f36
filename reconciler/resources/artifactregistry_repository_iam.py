"""Who may push to the repository: the builder. Cloud Run's own agent may pull within the project. Additive."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import artifactregistry_repository, iam_service_account
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class RepositoryIam:
    """`artifactregistry.repository_iam`."""

    name: ClassVar[str] = "artifactregistry.repository_iam"
    api: ClassVar[str] = "artifactregistry.googleapis.com"
    tells: ClassVar[bool] = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The builder writes images, where the image is built here."""
        yield Desired(
            ref(names),
            {
                policy.grant("roles/artifactregistry.writer", names.build_account_member): None
                if deployment.image.digest
                else policy.GRANTED
            },
            needs=(
                artifactregistry_repository.ref(names),
                iam_service_account.ref(names.project, names.build_account),
            ),
            empties=True,
            origins={"": deployment.origin("image")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant on the repository; None when there is no such repository."""
        found = cloud.found(f"reading the policy of repository {ref.short}", lambda: _read(cloud, ref))
        return (
            None
            if found is None
            else Observed(ref, policy.grants_of(found), version=str(found.get("etag", "")))
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A repository always has a policy; this is reached when the repository has just been made."""
        self._write(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        self._write(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the policy goes with its repository."""

    def _write(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        def write(changed: policy.Policy) -> Any:
            return (
                _repositories(cloud)
                .setIamPolicy(resource=desired.ref.name, body={"policy": changed})
                .execute()
            )

        wanted = policy.only(desired.body or {}, fields)
        about = f"granting roles on repository {desired.ref.short}"
        policy.rewrite(cloud, about, wanted, lambda: _read(cloud, desired.ref), write)


def ref(names: Names) -> Ref:
    """The policy of the deployment's repository."""
    return Ref(RepositoryIam.name, names.repository)


def _repositories(cloud: Cloud) -> Any:
    return cloud.api("artifactregistry", "v1").projects().locations().repositories()


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    return dict(
        _repositories(cloud).getIamPolicy(resource=ref.name, options_requestedPolicyVersion=3).execute()
    )
