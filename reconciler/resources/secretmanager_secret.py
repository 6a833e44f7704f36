"""The secrets of a deployment: the database user's password and, for basic authentication, the login's."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json
from reconciler.model import Desired, Observed, Ref
from reconciler.server.naming import Names, labels_of, mark_of
from reconciler.spec.deployment import Deployment

TIMEOUT = 60


class Secret:
    """`secretmanager.secret`: the container; its value is a `secretmanager.version`."""

    name: str = "secretmanager.secret"
    api: str = "secretmanager.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The database's secret always; the login's while nginx asks for a login."""
        body = {"replication": "automatic", **flat.prefixed("labels", labels_of(deployment))}
        for secret, wanted, key in secrets_of(deployment, names):
            yield Desired(
                ref(secret),
                body if wanted else None,
                fixed=frozenset({"replication"}),
                holds_data=True,
                mark=mark_of(deployment),
                origins={
                    "": deployment.origin(key),
                    **{f"labels.{k}": deployment.origin(f"labels.{k}") for k in deployment.labels},
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


def secrets_of(deployment: Deployment, names: Names) -> tuple[tuple[str, bool, str], ...]:
    """Each secret's full name, whether the spec wants it, and the spec key that decides."""
    return (
        (names.database_secret, True, "database"),
        (names.login_secret, deployment.auth.mode == "basic", "auth.mode"),
    )


def read(cloud: Cloud, name: str) -> dict[str, Any] | None:
    """The secret's description as the API's JSON, read once however many kinds ask."""

    def ask() -> dict[str, Any] | None:
        about = f"reading secret {name.rsplit('/', 1)[-1]}"
        found = cloud.found(about, lambda: cloud.secrets.get_secret(name=name, retry=None, timeout=TIMEOUT))
        return None if found is None else as_json(found)

    return cloud.once(("secret", name), ask)
