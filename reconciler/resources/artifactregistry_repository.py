"""The Artifact Registry repository that holds the server's images, and cleans up after itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, cast

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.kind import refuse_foreign
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.server.naming import Names, label_origins, labels_of, mark_of
from reconciler.spec.deployment import Deployment

DAY = 24 * 60 * 60


class Repository:
    """`artifactregistry.repository`."""

    name: str = "artifactregistry.repository"
    api: str = "artifactregistry.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """A Docker repository, where the image is built here; its clean-up keeps the newest and drops the untagged."""
        body: Body = {
            "format": "DOCKER",
            "cleanupPolicies.delete-untagged": cast("Json", _delete_untagged()),
            "cleanupPolicies.delete-old": cast("Json", _delete_old()),
            "cleanupPolicies.keep-latest": cast("Json", _keep_latest(deployment.image.keep)),
            "cleanupPolicyDryRun": False,
            **flat.prefixed("labels", labels_of(deployment)),
        }
        yield Desired(
            ref(names),
            None if deployment.image.digest else body,
            # Where the spec names a digest, it may well be one of the images in here.
            permanent=bool(deployment.image.digest),
            fixed=frozenset({"format"}),
            mark=mark_of(deployment),
            origins={
                "": deployment.origin("image"),
                "cleanupPolicies.keep-latest": deployment.origin("image.keep"),
                **label_origins(deployment),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Format, labels and clean-up policies; the API has no etag for repositories."""
        found = cloud.found(
            f"reading repository {ref.short}", _repositories(cloud).get(name=ref.name).execute
        )
        if found is None:
            return None
        live: dict[str, dict[str, Any]] = found.get("cleanupPolicies") or {}
        policies = {key: _declared(value) for key, value in live.items()}
        return Observed(
            ref,
            {
                "format": found.get("format"),
                "cleanupPolicyDryRun": bool(found.get("cleanupPolicyDryRun")),
                **flat.prefixed("cleanupPolicies", policies),
                **flat.prefixed("labels", found.get("labels")),
            },
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait; one that is there already, or by the end of another operation on it, is as good."""
        body = _message(dict(desired.body or {}))
        parent = desired.ref.name.rsplit("/repositories/", 1)[0]
        about = f"creating repository {desired.ref.short}"
        request = _repositories(cloud).create(parent=parent, repositoryId=desired.ref.short, body=body)
        try:
            self._wait(cloud, about, cloud.call(about, request.execute, retries.REPOSITORY))
        except errors.AlreadyThere:
            refuse_foreign(desired, self.observe(cloud, desired.ref))
            cloud.note("it exists already")

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH with a mask of the top-level fields concerned; entries of maps that are not ours are kept."""
        about = f"updating repository {desired.ref.short}"
        live = cloud.call(about, _repositories(cloud).get(name=desired.ref.name).execute)
        message = _message({field: (desired.body or {})[field] for field in fields})
        for key in ("labels", "cleanupPolicies"):
            if key in message:
                message[key] = flat.with_map(live.get(key), message[key])
        request = _repositories(cloud).patch(
            name=desired.ref.name, updateMask=",".join(sorted(message)), body=message
        )
        cloud.call(about, request.execute)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it with the images in it: they can be built again."""
        about = f"deleting repository {ref.short}"
        try:
            operation = cloud.call(
                about, _repositories(cloud).delete(name=ref.name).execute, retries.REPOSITORY
            )
        except errors.NotThere:
            return
        self._wait(cloud, about, operation)

    @staticmethod
    def _wait(cloud: Cloud, about: str, operation: Any) -> None:
        reader = cloud.api("artifactregistry", "v1").projects().locations().operations()
        operations.await_operation(
            cloud,
            about,
            operations.SHORT,
            operation,
            lambda name: reader.get(name=name).execute(),
            lambda _running: "waiting",
        )


def ref(names: Names) -> Ref:
    """The deployment's repository."""
    return Ref(Repository.name, names.repository)


def _repositories(cloud: Cloud) -> Any:
    return cloud.api("artifactregistry", "v1").projects().locations().repositories()


def _delete_untagged() -> dict[str, Any]:
    return {"action": "DELETE", "condition": {"tagState": "UNTAGGED"}}


def _delete_old() -> dict[str, Any]:
    return {"action": "DELETE", "condition": {"tagState": "ANY", "olderThan": f"{7 * DAY}s"}}


def _keep_latest(count: int) -> dict[str, Any]:
    return {"action": "KEEP", "mostRecentVersions": {"keepCount": count}}


_POLICY: Final = {
    "action": frozenset[str](),
    "condition": frozenset(
        {"newerThan", "olderThan", "packageNamePrefixes", "tagPrefixes", "tagState", "versionNamePrefixes"}
    ),
    "mostRecentVersions": frozenset({"keepCount", "packageNamePrefixes"}),
}


def _declared(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A clean-up policy without its id, and without what we know nothing of."""
    return flat.known(policy, _POLICY)


def _message(body: dict[str, Any]) -> dict[str, Any]:
    """The API's JSON of flat *body*; each clean-up policy repeats its key as `id`."""
    policies = {key: {"id": key, **value} for key, value in flat.under("cleanupPolicies", body).items()}
    labels = flat.under("labels", body)
    plain = {key: value for key, value in body.items() if "." not in key}
    return {
        **plain,
        **({"cleanupPolicies": policies} if policies else {}),
        **({"labels": labels} if labels else {}),
    }
