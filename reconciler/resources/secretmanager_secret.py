"""The secrets of a deployment. Which there are is the business of `server.secrets`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json
from reconciler.kind import refuse_foreign
from reconciler.model import Desired, Observed, Ref
from reconciler.server import secrets
from reconciler.server.naming import SECRET_SUFFIXES, Names, label_origins, labels_of, mark_of
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
PAGE = 1000


class Secret:
    """`secretmanager.secret`: the container; its value is a `secretmanager.version`."""

    name: str = "secretmanager.secret"
    api: str = "secretmanager.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """Each secret that the deployment may have; what is not wanted stays, because it holds data."""
        body = {"replication": "automatic", **flat.prefixed("labels", labels_of(deployment))}
        for secret in secrets.secrets_of(deployment, names):
            yield Desired(
                ref(secret.name),
                body if secret.wanted else None,
                fixed=frozenset({"replication"}),
                holds_data=True,
                mark=mark_of(deployment),
                origins={
                    "": deployment.origin(secret.key),
                    **label_origins(deployment),
                },
            )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Labels and replication; never the value."""
        found = read(cloud, ref.name)
        if found is None:
            return None
        replication = "automatic" if "automatic" in found.get("replication", {}) else "userManaged"
        return Observed(
            ref,
            {"replication": replication, **flat.prefixed("labels", found.get("labels"))},
            version=str(found.get("etag", "")),
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it, without a value; one that is there already is as good."""
        body: dict[str, Any] = {
            "replication": {"automatic": {}},
            "labels": flat.under("labels", desired.body or {}),
        }
        request = {"parent": f"projects/{cloud.project}", "secret_id": desired.ref.short, "secret": body}
        try:
            cloud.call(
                f"creating secret {desired.ref.short}",
                lambda: cloud.secrets.create_secret(request=request, retry=None, timeout=TIMEOUT),
            )
        except errors.AlreadyThere:
            cloud.forget()
            refuse_foreign(desired, self.observe(cloud, desired.ref))
            cloud.note("it exists already")

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Write labels, keeping other people's, on the etag observed."""
        about = f"updating secret {desired.ref.short}"
        live = cloud.call(
            about, lambda: cloud.secrets.get_secret(name=desired.ref.name, retry=None, timeout=TIMEOUT)
        )
        labels = flat.with_map(dict(live.labels), flat.under("labels", desired.body or {}, fields))
        secret = {"name": desired.ref.name, "labels": labels, "etag": observed.version}
        request = {"secret": secret, "update_mask": "labels"}
        cloud.call(about, lambda: cloud.secrets.update_secret(request=request, retry=None, timeout=TIMEOUT))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it with every version; this cannot be undone."""
        cloud.found(
            f"deleting secret {ref.short}",
            lambda: cloud.secrets.delete_secret(name=ref.name, retry=None, timeout=TIMEOUT),
        )


def ref(secret: str) -> Ref:
    """The secret with the full name *secret*."""
    return Ref(Secret.name, secret)


def read(cloud: Cloud, name: str) -> dict[str, Any] | None:
    """The secret's description as the API's JSON; None where it does not exist.

    All secrets of a deployment are read in one request, however many kinds ask for however many of them; one whose
    name is not made as ours are is read by itself.
    """
    short = name.rsplit("/", 1)[-1]
    deployment = next((short.removesuffix(end) for end in SECRET_SUFFIXES if short.endswith(end)), None)
    return _one(cloud, name) if deployment is None else _all_of(cloud, deployment).get(short)


def _one(cloud: Cloud, name: str) -> dict[str, Any] | None:
    request = {"name": name}
    found = cloud.found(
        f"reading secret {name.rsplit('/', 1)[-1]}",
        lambda: cloud.secrets.get_secret(request=request, retry=None, timeout=TIMEOUT),
    )
    return None if found is None else as_json(found)


def look_ahead(cloud: Cloud, deployment: str) -> None:
    """Read what `read` is going to be asked about; where that fails, `read` will say why, if it matters then."""
    with contextlib.suppress(errors.ReconcileError):
        _all_of(cloud, deployment)


def _all_of(cloud: Cloud, deployment: str) -> Mapping[str, dict[str, Any]]:
    """The secrets whose names contain *deployment*, by their short names."""
    request = {"parent": f"projects/{cloud.project}", "filter": f"name:{deployment}", "page_size": PAGE}

    def read_all() -> dict[str, dict[str, Any]]:
        found = cloud.secrets.list_secrets(request=request, retry=None, timeout=TIMEOUT)
        return {secret.name.rsplit("/", 1)[-1]: as_json(secret) for secret in found}

    def ask() -> dict[str, dict[str, Any]]:
        return cloud.found("reading the deployment's secrets", read_all) or {}

    return cloud.once(("secrets", deployment), ask)
