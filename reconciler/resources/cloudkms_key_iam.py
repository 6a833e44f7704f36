"""Which of Google's services may encrypt with a key of the customer's: those that keep our data under it. Additive.

A key that the spec names no longer keeps its grant: what was written under it is still read with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "cloudkms.key_iam"
API: Final = "cloudkms.googleapis.com"
ROLE: Final = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
STORAGE: Final = "gs-project-accounts"
DATABASE: Final = "gcp-sa-cloud-sql"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """One policy for each key that the spec names; two services may share a key."""
    users = {
        "artifacts.kms_key": ("" if deployment.artifacts.existing else deployment.artifacts.kms_key, STORAGE),
        "database.kms_key": (deployment.database.kms_key, DATABASE),
    }
    grants: dict[str, dict[str, str]] = {}
    for key, (crypto_key, domain) in users.items():
        if crypto_key:
            member = f"serviceAccount:service-{names.project_number}@{domain}.iam.gserviceaccount.com"
            grants.setdefault(crypto_key, {})[policy.grant(ROLE, member)] = key
    for crypto_key, asked in grants.items():
        yield Desired(
            ref(crypto_key),
            dict.fromkeys(asked, policy.GRANTED),
            permanent=True,
            origins={
                "": deployment.origin(next(iter(asked.values()))),
                **{field: deployment.origin(key) for field, key in asked.items()},
            },
        )


def ref(crypto_key: str) -> Ref:
    """The policy of the key with the full name *crypto_key*."""
    return Ref(NAME, crypto_key)


def _keys(cloud: Cloud) -> Any:
    return cloud.api("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    return dict(_keys(cloud).getIamPolicy(resource=ref.name, options_requestedPolicyVersion=3).execute())


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    _awaken(cloud, changed)
    return _keys(cloud).setIamPolicy(resource=ref.name, body={"policy": changed}).execute()


def _awaken(cloud: Cloud, changed: Mapping[str, Any]) -> None:
    """Have Google make the agents that the policy names, which it does only when somebody asks for them."""
    for field in policy.grants_of(changed):
        for domain, ask in _AGENTS.items():
            if field.startswith(ROLE) and field.endswith(
                f"-{cloud.project_number}@{domain}.iam.gserviceaccount.com"
            ):
                ask(cloud)


def _storage_agent(cloud: Cloud) -> object:
    return cloud.storage.get_service_account_email(retry=None, timeout=60)


def _database_agent(cloud: Cloud) -> object:
    parent = f"projects/{cloud.project}/services/sqladmin.googleapis.com"
    return cloud.api("serviceusage", "v1beta1").services().generateServiceIdentity(parent=parent).execute()


_AGENTS: Final[Mapping[str, Callable[[Cloud], object]]] = {STORAGE: _storage_agent, DATABASE: _database_agent}

KEY_IAM: Final = PolicyKind(NAME, API, _wanted, _read, _write)
"""`cloudkms.key_iam`: the policy of one key."""
