"""The APIs that a deployment needs, enabled in its project. Never disabled: others may use them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.server import networks
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

NEEDED = (
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "sql-component.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
)
"""The APIs that every deployment needs."""
SCHEDULER: Final = "cloudscheduler.googleapis.com"
KMS: Final = "cloudkms.googleapis.com"
IAP: Final = "iap.googleapis.com"
OPTIONAL: Final[Mapping[str, Callable[[Deployment], bool]]] = {
    KMS: lambda deployment: bool(deployment.artifacts.kms_key or deployment.database.kms_key),
    SCHEDULER: lambda deployment: deployment.lifecycle.retention.delete_runs_after_days > 0,
    "billingbudgets.googleapis.com": lambda deployment: bool(deployment.budget.billing_account),
    "cloudbilling.googleapis.com": lambda deployment: bool(deployment.budget.billing_account),
    "monitoring.googleapis.com": lambda deployment: deployment.monitoring.enabled,
    "compute.googleapis.com": lambda deployment: deployment.networking.private,
    "servicenetworking.googleapis.com": lambda deployment: deployment.networking.private,
    "vpcaccess.googleapis.com": networks.connected,
    IAP: lambda deployment: deployment.auth.mode == "iap",
}
"""The APIs that only some deployments need, and which those are."""


class EnabledServices:
    """`serviceusage.services`: one resource per project, one field per API."""

    name: str = "serviceusage.services"
    api: str = "serviceusage.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """Every API that something wanted needs."""
        yield Desired(
            ref=ref(names.project),
            body=dict.fromkeys(needed(deployment), "ENABLED"),
            permanent=True,
            origins={"": deployment.origin("project")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The state of each API. The answer also carries the project's number, which `project_number` reads."""
        services = states(cloud)
        body = {str(s["name"]).rsplit("/", 1)[-1]: str(s["state"]) for s in services}
        return Observed(ref, body)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """A project always has this resource; only fields of it can be missing."""
        self.update(cloud, desired, Observed(desired.ref, {}), desired.body or {})

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Enable *fields*, at most 20 in one request (the API's limit)."""
        services, reader = (
            cloud.api("serviceusage", "v1").services(),
            cloud.api("serviceusage", "v1").operations(),
        )
        parent, wanted = f"projects/{cloud.project}", sorted(fields)
        about = f"enabling {len(wanted)} APIs"

        def look(name: str) -> Any:
            return reader.get(name=name).execute()

        for start in range(0, len(wanted), 20):
            request = services.batchEnable(parent=parent, body={"serviceIds": wanted[start : start + 20]})
            operation = cloud.call(about, request.execute, retries.ENABLING)
            operations.await_operation(
                cloud, about, operations.SHORT, operation, look, lambda _running: "enabling"
            )

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: an API that one deployment no longer needs may be all that another one lives on."""


def ref(project: str) -> Ref:
    """The project's enabled services."""
    return Ref(EnabledServices.name, f"projects/{project}/services")


def needed(deployment: Deployment) -> tuple[str, ...]:
    """The APIs that *deployment* needs."""
    return (*NEEDED, *(api for api, wanted in OPTIONAL.items() if wanted(deployment)))


def states(cloud: Cloud) -> list[dict[str, Any]]:
    """The state of every API that a deployment may need, in one request.

    Raises `PermissionMissing` for a project that is not there.
    """
    services = cloud.api("serviceusage", "v1").services()
    parent = f"projects/{cloud.project}"
    names = [f"{parent}/services/{name}" for name in (*NEEDED, *OPTIONAL)]

    def read() -> list[dict[str, Any]]:
        request = services.batchGet(parent=parent, names=names)
        return cloud.call(f"reading project {cloud.project}", request.execute).get("services", [])

    return cloud.once("serviceusage.states", read)


def project_number(cloud: Cloud) -> str:
    """The project's number: Service Usage names services by it, and is the one API every project has enabled."""
    return str(states(cloud)[0]["name"]).split("/")[1]
