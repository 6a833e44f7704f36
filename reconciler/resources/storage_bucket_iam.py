"""Who may touch a bucket's objects: server and writers the artifacts, the builder its contexts. Additive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from reconciler.gcp import policy
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iam_service_account, storage_bucket
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NAME: Final = "storage.bucket_iam"
USER: Final = "roles/storage.objectUser"


def _wanted(deployment: Deployment, names: Names) -> Iterable[Desired]:
    """The server reads and writes objects of the artifact bucket; the builder reads build contexts."""
    bucket = storage_bucket.ref(names.bucket)
    server = iam_service_account.ref(names.project, names.service_account)
    writers = _writers(deployment, names)
    yield Desired(
        ref(names.bucket),
        {policy.grant(USER, names.service_account_member): policy.GRANTED, **writers},
        needs=(server,) if deployment.artifacts.existing else (bucket, server),
        empties=True,
        effects=dict.fromkeys(writers, "who reads and writes artifacts without the server's login"),
        origins={
            "": deployment.origin("artifacts"),
            **dict.fromkeys(writers, deployment.origin("artifacts.writers")),
        },
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


def _writers(deployment: Deployment, names: Names) -> dict[str, str | None]:
    """A grant for each writer: wanted with access direct; in somebody else's bucket below our folder alone."""
    artifacts = deployment.artifacts
    ours = artifacts.folder if artifacts.existing else ""
    below = f"gs://{names.bucket}/{ours}" if ours else ""
    wanted = policy.GRANTED if artifacts.access == "direct" else None
    return {policy.grant(USER, member, below): wanted for member in artifacts.writers}


def ref(bucket: str) -> Ref:
    """The policy of *bucket*."""
    return Ref(NAME, f"projects/_/buckets/{bucket}")


def _read(cloud: Cloud, ref: Ref) -> dict[str, Any]:
    found = cloud.storage.bucket(ref.short).get_iam_policy(requested_policy_version=3, retry=None, timeout=60)
    return dict(found.to_api_repr())


def _write(cloud: Cloud, ref: Ref, changed: policy.Policy) -> object:
    from google.api_core.iam import Policy

    message = cast("Any", Policy).from_api_repr(changed)
    return cloud.storage.bucket(ref.short).set_iam_policy(message, retry=None, timeout=60)


BUCKET_IAM: Final = PolicyKind(NAME, "storage.googleapis.com", _wanted, _read, _write)
"""`storage.bucket_iam`: the policy of one bucket."""
