"""Who may touch the objects of a bucket: the server its artifacts, the builder its contexts. Additive."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, cast

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import iam_service_account, storage_bucket
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class BucketIam:
    """`storage.bucket_iam`: the policy of one bucket."""

    name: ClassVar[str] = "storage.bucket_iam"
    api: ClassVar[str] = "storage.googleapis.com"
    tells: ClassVar[bool] = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The server reads and writes objects of the artifact bucket; the builder reads build contexts."""
        bucket = storage_bucket.ref(names.bucket)
        server = iam_service_account.ref(names.project, names.service_account)
        yield Desired(
            ref(names.bucket),
            {policy.grant("roles/storage.objectUser", names.service_account_member): policy.GRANTED},
            needs=(server,) if deployment.artifacts.existing else (bucket, server),
            empties=True,
            origins={"": deployment.origin("artifacts")},
        )
        built = None if deployment.image.digest else policy.GRANTED
        yield Desired(
            ref(names.build_bucket),
            {policy.grant("roles/storage.objectViewer", names.build_account_member): built},
            needs=(
                storage_bucket.ref(names.build_bucket),
                iam_service_account.ref(names.project, names.build_account),
            ),
            empties=True,
            origins={"": deployment.origin("image")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Every grant on the bucket; None when there is no such bucket."""
        found = cloud.found(f"reading the policy of bucket {ref.short}", lambda: _read(cloud, ref))
        return (
            None
            if found is None
            else Observed(ref, policy.grants_of(found), version=str(found.get("etag", "")))
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A bucket always has a policy; this is reached when the bucket has just been made."""
        self._write(cloud, desired, desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Merge the grants of *fields* into the policy."""
        self._write(cloud, desired, fields)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the policy goes with its bucket."""

    def _write(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        bucket = cloud.storage.bucket(desired.ref.short)

        def write(changed: policy.Policy) -> Any:
            from google.api_core.iam import Policy

            return bucket.set_iam_policy(cast("Any", Policy).from_api_repr(changed), retry=None, timeout=60)

        wanted = policy.only(desired.body or {}, fields)
        policy.rewrite(
            cloud,
            f"granting roles on bucket {desired.ref.short}",
            wanted,
            lambda: _read(cloud, desired.ref),
            write,
        )


def ref(bucket: str) -> Ref:
    """The policy of *bucket*."""
    return Ref(BucketIam.name, f"projects/_/buckets/{bucket}")


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    found = cloud.storage.bucket(ref.short).get_iam_policy(requested_policy_version=3, retry=None, timeout=60)
    return dict(found.to_api_repr())
