"""The value of a secret: the newest version that is not destroyed, pinned by its number wherever it is used.

It is made here once, of 32 random bytes in URL-safe base64 (a password as well as a Fernet key), and never leaves
Secret Manager again but for its user.
"""

from __future__ import annotations

import base64
import secrets as random
from collections.abc import Collection, Iterable

import google_crc32c

from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json
from reconciler.model import Desired, Observed, Pending, Ref
from reconciler.resources import secretmanager_secret
from reconciler.server import secrets
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
PAGE = 25


class Version:
    """`secretmanager.version`."""

    name: str = "secretmanager.version"
    api: str = "secretmanager.googleapis.com"
    tells: bool = True

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """An enabled version of each secret that is wanted."""
        for secret in secrets.secrets_of(deployment, names):
            yield Desired(
                ref(secret.name),
                {"state": "ENABLED"} if secret.wanted else None,
                needs=(secretmanager_secret.ref(secret.name),),
                holds_data=True,
                part_of=secretmanager_secret.ref(secret.name),
                origins={"": deployment.origin(secret.key)},
            )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """State and number of the newest version that still has its value. The API lists the newest first."""
        if secretmanager_secret.read(cloud, ref.name.removesuffix("/versions/latest")) is None:
            return None
        return _newest(cloud, ref)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Add a version with a new random value, unless an attempt whose answer was lost has done so."""
        if _newest(cloud, desired.ref) is not None:
            return
        value = base64.urlsafe_b64encode(random.token_bytes(32))
        payload = {
            "data": value,
            "data_crc32c": int.from_bytes(google_crc32c.Checksum(value).digest(), "big"),
        }
        request = {"parent": desired.ref.name.removesuffix("/versions/latest"), "payload": payload}
        about = f"adding a version to {desired.ref.short}"
        cloud.call(
            about,
            lambda: cloud.secrets.add_secret_version(request=request, retry=None, timeout=TIMEOUT),
            retries.ONCE,
        )

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Enable the version again."""
        name = desired.ref.name.replace("/latest", f"/{observed.body['version']}")
        cloud.call(
            f"enabling {desired.ref.short}",
            lambda: cloud.secrets.enable_secret_version(name=name, retry=None, timeout=TIMEOUT),
        )

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: a version goes with its secret."""


def _newest(cloud: Cloud, ref: Ref) -> Observed | None:
    secret = ref.name.removesuffix("/versions/latest")
    request = {"parent": secret, "page_size": PAGE}

    def read() -> list[dict[str, str]]:
        pages = cloud.secrets.list_secret_versions(request=request, retry=None, timeout=TIMEOUT).pages
        return [as_json(version) for version in next(iter(pages)).versions]

    versions = cloud.found(f"reading the versions of {ref.short}", read) or []
    kept = next((v for v in versions if v.get("state") != "DESTROYED"), None)
    if kept is None:
        return None
    number = kept["name"].rsplit("/", 1)[-1]
    return Observed(ref, {"state": kept.get("state"), "version": number}, version=kept.get("etag", ""))


def ref(secret: str) -> Ref:
    """The newest usable version of *secret*."""
    return Ref(Version.name, f"{secret}/versions/latest")


def pinned(secret: str) -> Pending:
    """The full name of the version in use, once there is one."""
    return Pending(ref(secret), "version", f"{secret}/versions/{{}}", "known after the secret has a version")


def value_of(cloud: Cloud, version: str) -> str:
    """The secret value of the version with the full name *version*. Keep it out of every text."""
    about = f"reading the value of {version.split('/')[3]}"
    answer = cloud.call(
        about, lambda: cloud.secrets.access_secret_version(name=version, retry=None, timeout=TIMEOUT)
    )
    return bytes(answer.payload.data).decode()
