"""Who may read a secret: the server. Additive."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import iam_service_account, secretmanager_secret
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60


class SecretIam:
    """`secretmanager.secret_iam`: the policy of one secret."""

    name: ClassVar[str] = "secretmanager.secret_iam"
    api: ClassVar[str] = "secretmanager.googleapis.com"
    tells: ClassVar[bool] = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The server reads each secret that is wanted."""
        for secret, wanted, key in secretmanager_secret.secrets_of(deployment, names):
            field = policy.grant("roles/secretmanager.secretAccessor", names.service_account_member)
            yield Desired(
                ref(secret),
                {field: policy.GRANTED if wanted else None},
                needs=(
                    secretmanager_secret.ref(secret),
                    iam_service_account.ref(names.project, names.service_account),
                ),
                empties=True,
                origins={"": deployment.origin(key)},
            )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant on the secret; None when there is no such secret."""
        found = cloud.found(f"reading the policy of {ref.short}", lambda: _read(cloud, ref))
        return None if found is None else Observed(ref, policy.grants_of(found), version=str(found["etag"]))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A secret always has a policy; this is reached when the secret has just been made."""
        self._write(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        self._write(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the policy goes with its secret."""

    def _write(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        def write(changed: policy.Policy) -> Any:
            request = {"resource": desired.ref.name, "policy": policy.as_message(changed)}
            return cloud.secrets.set_iam_policy(request=request, retry=None, timeout=TIMEOUT)

        wanted = policy.only(desired.body or {}, fields)
        policy.rewrite(
            cloud, f"granting roles on {desired.ref.short}", wanted, lambda: _read(cloud, desired.ref), write
        )


def ref(secret: str) -> Ref:
    """The policy of the secret with the full name *secret*."""
    return Ref(SecretIam.name, secret)


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    request = {"resource": ref.name, "options": {"requested_policy_version": 3}}
    return policy.from_message(cloud.secrets.get_iam_policy(request=request, retry=None, timeout=TIMEOUT))
