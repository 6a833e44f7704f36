"""Who may read a secret: the server. Additive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iam_service_account, secretmanager_secret
from reconciler.server import secrets
from reconciler.server.naming import SECRET_SUFFIXES, Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60

NAME: Final = "secretmanager.secret_iam"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The server reads each secret that is wanted, and those of others that it is given."""
    field = policy.grant("roles/secretmanager.secretAccessor", names.service_account_member)
    account = iam_service_account.ref(names.project, names.service_account)
    for secret in secrets.secrets_of(deployment, names):
        yield Desired(
            ref(secret.name),
            {field: policy.GRANTED if secret.wanted else None},
            needs=(secretmanager_secret.ref(secret.name), account),
            empties=True,
            origins={"": deployment.origin(secret.key)},
        )
    given = {one.secret: one for one in reversed(secrets.references_of(deployment))}
    for secret in sorted(given):
        yield Desired(
            ref(secret),
            {field: policy.GRANTED},
            needs=(account,),
            empties=True,
            somebody_elses=_missing(secret),
            origins={"": deployment.origin(given[secret].key)},
        )


def _missing(secret: str) -> str:
    _, project, _, name = secret.split("/")
    command = f"gcloud secrets create {name} --project {project} --data-file=FILE"
    return f"secret {name} does not exist in project {project}: make it first, or take it out of the spec: {command}"


def ref(secret: str) -> Ref:
    """The policy of the secret with the full name *secret*."""
    return Ref(NAME, secret)


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    request = {"resource": ref.name, "options": {"requested_policy_version": 3}}
    return policy.from_message(cloud.secrets.get_iam_policy(request=request, retry=None, timeout=TIMEOUT))


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    request = {"resource": ref.name, "policy": policy.as_message(changed)}
    return cloud.secrets.set_iam_policy(request=request, retry=None, timeout=TIMEOUT)


def _exists(cloud: Cloud, ref: Ref) -> bool:
    """Nothing is known beforehand of a secret that somebody else made."""
    if not ref.name.endswith(SECRET_SUFFIXES):
        return True
    return secretmanager_secret.read(cloud, ref.name) is not None


SECRET_IAM: Final = PolicyKind(NAME, "secretmanager.googleapis.com", _wanted, _read, _write, exists=_exists)
"""`secretmanager.secret_iam`: the policy of one secret."""
