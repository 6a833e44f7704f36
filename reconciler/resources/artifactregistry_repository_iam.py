"""Who may push to the repository: the builder. Cloud Run's own agent may pull within the project. Additive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import artifactregistry_repository, iam_service_account
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "artifactregistry.repository_iam"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
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


def ref(names: Names) -> Ref:
    """The policy of the deployment's repository."""
    return Ref(NAME, names.repository)


def _repositories(cloud: Cloud) -> Any:
    return cloud.api("artifactregistry", "v1").projects().locations().repositories()


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    return dict(
        _repositories(cloud).getIamPolicy(resource=ref.name, options_requestedPolicyVersion=3).execute()
    )


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    return _repositories(cloud).setIamPolicy(resource=ref.name, body={"policy": changed}).execute()


REPOSITORY_IAM: Final = PolicyKind(NAME, "artifactregistry.googleapis.com", _wanted, _read, _write)
"""`artifactregistry.repository_iam`."""
