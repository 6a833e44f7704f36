"""The service accounts of a deployment: one that runs the server, one that builds its image, one for its schedule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import operations
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import serviceusage_services
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

STEADY = 3


class ServiceAccount:
    """`iam.service_account`."""

    name: str = "iam.service_account"
    api: str = "iam.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The server's account, and the builder's where the image is built."""
        origins = {"": deployment.origin("name")}
        yield Desired(
            ref(names.project, names.service_account),
            {"displayName": f"MLflow server {deployment.name}", "disabled": False},
            origins=origins,
        )
        wanted = (
            None
            if deployment.image.digest
            else {"displayName": f"Image builder of {deployment.name}", "disabled": False}
        )
        yield Desired(ref(names.project, names.build_account), wanted, origins=origins)
        retention = deployment.lifecycle.retention.delete_runs_after_days
        yield Desired(
            ref(names.project, names.cron_account),
            {"displayName": f"Retention schedule of {deployment.name}", "disabled": False}
            if retention
            else None,
            only_with=serviceusage_services.SCHEDULER,
            origins={"": deployment.origin("lifecycle.retention.delete_runs_after_days")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Display name and whether it is disabled; the API leaves out what is empty or false."""
        accounts = cloud.api("iam", "v1").projects().serviceAccounts()
        found = cloud.found(f"reading {ref.short}", accounts.get(name=ref.name).execute)
        if found is None:
            return None
        return Observed(
            ref,
            {"displayName": found.get("displayName", ""), "disabled": bool(found.get("disabled"))},
            version=str(found.get("etag", "")),
        )

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it; one that is already there (an answer was lost, or somebody was faster) is brought up to date."""
        body = desired.body or {}
        account = {
            "accountId": desired.ref.short.split("@")[0],
            "serviceAccount": {"displayName": body["displayName"]},
        }
        accounts = cloud.api("iam", "v1").projects().serviceAccounts()
        request = accounts.create(name=f"projects/{cloud.project}", body=account)
        try:
            cloud.call(f"creating {desired.ref.short}", request.execute)
        except errors.AlreadyThere:
            cloud.note("it exists already")
            observed = self.observe(cloud, desired.ref)
            different = [f for f, value in body.items() if observed and observed.body.get(f) != value]
            if observed and different:
                self.update(cloud, desired, observed, different)
        self._await_visible(cloud, desired.ref)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Rename by PATCH; enabling has a verb of its own."""
        accounts = cloud.api("iam", "v1").projects().serviceAccounts()
        about = f"updating {desired.ref.short}"
        if "displayName" in fields:
            body = {
                "serviceAccount": {
                    "displayName": (desired.body or {})["displayName"],
                    "etag": observed.version,
                },
                "updateMask": "displayName",
            }
            cloud.call(about, accounts.patch(name=desired.ref.name, body=body).execute)
        if "disabled" in fields:
            cloud.call(about, accounts.enable(name=desired.ref.name, body={}).execute)

    def _await_visible(self, cloud: Cloud, ref: Ref) -> None:
        """Until it is found three times in a row: recorded, a new account comes and goes for up to a minute."""
        seen = [0]

        def look() -> dict[str, int]:
            seen[0] = seen[0] + 1 if self.observe(cloud, ref) else 0
            return {"seen": seen[0]}

        def going_on(state: Mapping[str, Any]) -> str:
            return "" if state["seen"] >= STEADY else "waiting until it is visible everywhere"

        operations.await_state(cloud, f"creating {ref.short}", operations.SHORT, look, going_on)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it; Google keeps it for 30 days, to be undeleted."""
        accounts = cloud.api("iam", "v1").projects().serviceAccounts()
        cloud.found(f"deleting {ref.short}", accounts.delete(name=ref.name).execute)


def ref(project: str, email: str) -> Ref:
    """The service account with *email*."""
    return Ref(ServiceAccount.name, f"projects/{project}/serviceAccounts/{email}")
