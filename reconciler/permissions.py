"""What each kind asks of IAM: the one table of it.

`docs/permissions.md` is made of this table, and tests hold both against what the sandbox really asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.change import Action


@dataclass(frozen=True, slots=True)
class Asked:
    """The permissions that each verb of a kind asks for; an update that a create may fall back to is part of both."""

    read: tuple[str, ...]
    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def by(self, action: Action) -> tuple[str, ...]:
        """What carrying *action* out asks for; whoever writes reads first."""
        written = {
            Action.KEEP: (),
            Action.CREATE: self.create,
            Action.UPDATE: self.update,
            Action.REPLACE: (*self.delete, *self.create),
            Action.DELETE: self.delete,
        }
        return (*self.read, *written[action])

    @property
    def all(self) -> frozenset[str]:
        """Everything that any verb asks for."""
        return frozenset((*self.read, *self.create, *self.update, *self.delete))


def _policy(collection: str) -> Asked:
    """A policy is read and written back; taking our grants away is an update, too."""
    read, write = f"{collection}.getIamPolicy", f"{collection}.setIamPolicy"
    return Asked((read,), (write,), (write,), (write,))


def _labelled(collection: str) -> Asked:
    """Found in one list of them all."""
    return Asked(
        (f"{collection}.list",),
        (f"{collection}.create",),
        (f"{collection}.update",),
        (f"{collection}.delete",),
    )


_ACT_AS: Final = "iam.serviceAccounts.actAs"
_PASSWORD: Final = (
    "secretmanager.versions.access",
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
)
"""A database user is given the secret's value, and the secret a note of which one."""
_RUN_DONE: Final = "run.operations.get"
_RUN_LISTED: Final = "run.operations.list"
"""Whoever deletes, or finds it busy, looks for a deletion that is running."""
_PEERED: Final = "servicenetworking.operations.get"

ASKED_BEFORE: Final = ("compute.projects.get", "compute.regions.get", "orgpolicy.policy.get")
"""What the guards ask for before the first write (`guards.quotas`, `guards.organisation`); the list of tiers is open.

Whoever lacks one of these is told by Google's own refusal, later, what the guard would have told.
"""

ASKED: Final[Mapping[str, Asked]] = {
    "serviceusage.services": Asked(
        ("serviceusage.services.get",),
        update=("serviceusage.services.enable", "serviceusage.operations.get"),
    ),
    "iam.service_account": Asked(
        ("iam.serviceAccounts.get",),
        ("iam.serviceAccounts.create",),
        ("iam.serviceAccounts.update", "iam.serviceAccounts.enable"),
        ("iam.serviceAccounts.delete",),
    ),
    "cloudresourcemanager.project_iam": _policy("resourcemanager.projects"),
    "cloudkms.key_iam": Asked(
        ("cloudkms.cryptoKeys.getIamPolicy",),
        *(
            (
                "cloudkms.cryptoKeys.setIamPolicy",
                "resourcemanager.projects.get",
                "serviceusage.services.enable",
            ),
        )
        * 2,
    ),
    "storage.bucket": Asked(
        ("storage.buckets.get",),
        ("storage.buckets.create",),
        ("storage.buckets.update",),
        ("storage.buckets.delete", "storage.objects.list", "storage.objects.delete"),
    ),
    "storage.bucket_iam": _policy("storage.buckets"),
    "artifactregistry.repository": Asked(
        ("artifactregistry.repositories.get",),
        ("artifactregistry.repositories.create",),
        ("artifactregistry.repositories.update",),
        ("artifactregistry.repositories.delete",),
    ),
    "artifactregistry.repository_iam": _policy("artifactregistry.repositories"),
    "artifactregistry.image": Asked(
        ("artifactregistry.tags.get",),
        (
            "cloudbuild.builds.create",
            "cloudbuild.builds.get",
            "cloudbuild.builds.list",
            _ACT_AS,
            "storage.objects.create",
            # A context that an earlier run has left is looked at, and written over where it is another.
            "storage.objects.get",
            "storage.objects.delete",
        ),
    ),
    "artifactregistry.image/docker": Asked(
        ("artifactregistry.tags.get",),
        (
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.uploadArtifacts",
        ),
    ),
    "secretmanager.secret": Asked(
        ("secretmanager.secrets.list",),
        ("secretmanager.secrets.create",),
        ("secretmanager.secrets.get", "secretmanager.secrets.update"),
        ("secretmanager.secrets.delete",),
    ),
    "secretmanager.version": Asked(
        ("secretmanager.secrets.list", "secretmanager.versions.list"),
        ("secretmanager.versions.add",),
        ("secretmanager.versions.enable", "secretmanager.versions.add"),
    ),
    "secretmanager.secret_iam": Asked(
        ("secretmanager.secrets.list", "secretmanager.secrets.getIamPolicy"),
        ("secretmanager.secrets.setIamPolicy",),
        ("secretmanager.secrets.setIamPolicy",),
        ("secretmanager.secrets.setIamPolicy",),
    ),
    "compute.network": Asked(("compute.networks.get",)),
    "compute.subnetwork": Asked(("compute.subnetworks.get",)),
    "compute.address": Asked(
        ("compute.globalAddresses.get",),
        (
            "compute.globalAddresses.createInternal",
            "compute.globalAddresses.setLabels",
            "compute.globalOperations.get",
            "compute.networks.use",
        ),
        ("compute.globalAddresses.setLabels", "compute.globalOperations.get"),
        ("compute.globalAddresses.deleteInternal", "compute.globalOperations.get"),
    ),
    "servicenetworking.connection": Asked(
        ("servicenetworking.services.get",),
        ("servicenetworking.services.addPeering", "compute.globalAddresses.list", _PEERED),
        delete=(
            "servicenetworking.services.deleteConnection",
            "servicenetworking.services.addPeering",
            "compute.globalAddresses.list",
            _PEERED,
        ),
    ),
    "vpcaccess.connector": Asked(
        ("vpcaccess.connectors.get",),
        ("vpcaccess.connectors.create", "vpcaccess.operations.get"),
        ("vpcaccess.connectors.update", "vpcaccess.operations.get"),
        ("vpcaccess.connectors.delete", "vpcaccess.operations.get"),
    ),
    "sqladmin.public_address": Asked(
        ("cloudsql.instances.get",), ("cloudsql.instances.update",), ("cloudsql.instances.update",)
    ),
    "sqladmin.instance": Asked(
        ("cloudsql.instances.get",),
        ("cloudsql.instances.create",),
        ("cloudsql.instances.update",),
        ("cloudsql.instances.delete",),
    ),
    "sqladmin.database": Asked(
        ("cloudsql.databases.list", "cloudsql.instances.get"), ("cloudsql.databases.create",)
    ),
    "sqladmin.user": Asked(
        ("cloudsql.users.get", "cloudsql.instances.get", "secretmanager.secrets.list"),
        ("cloudsql.users.create", "cloudsql.users.update", *_PASSWORD),
        ("cloudsql.users.update", *_PASSWORD),
    ),
    "run.job": Asked(
        ("run.jobs.get",),
        ("run.jobs.create", _ACT_AS, _RUN_DONE),
        ("run.jobs.update", _ACT_AS, _RUN_DONE),
        ("run.jobs.delete", _RUN_DONE, _RUN_LISTED),
    ),
    "run.migration": Asked(
        ("run.executions.list",),
        ("run.jobs.run", _RUN_DONE, "cloudsql.backupRuns.create", "cloudsql.instances.get"),
        ("run.jobs.run", _RUN_DONE, "cloudsql.backupRuns.create", "cloudsql.instances.get"),
    ),
    "run.service": Asked(
        ("run.services.get",),
        ("run.services.create", _ACT_AS, _RUN_DONE),
        ("run.services.update", _ACT_AS, _RUN_DONE),
        ("run.services.delete", _RUN_DONE, _RUN_LISTED),
    ),
    "run.service_iam": _policy("run.services"),
    "run.job_iam": _policy("run.jobs"),
    "cloudscheduler.job": Asked(
        ("cloudscheduler.jobs.get",),
        ("cloudscheduler.jobs.create", _ACT_AS),
        ("cloudscheduler.jobs.update", "cloudscheduler.jobs.enable", _ACT_AS),
        ("cloudscheduler.jobs.delete",),
    ),
    "monitoring.uptime_check": _labelled("monitoring.uptimeCheckConfigs"),
    "monitoring.notification_channel": _labelled("monitoring.notificationChannels"),
    "monitoring.alert_policy": Asked(
        ("monitoring.alertPolicies.list", "monitoring.notificationChannels.list"),
        ("monitoring.alertPolicies.create",),
        ("monitoring.alertPolicies.update",),
        ("monitoring.alertPolicies.delete",),
    ),
    "billingbudgets.budget": Asked(("resourcemanager.projects.get",)),
    "iap.service_agent": Asked(
        ("run.services.getIamPolicy",),
        ("run.services.setIamPolicy", "serviceusage.services.enable", "serviceusage.operations.get"),
        ("run.services.setIamPolicy", "serviceusage.services.enable", "serviceusage.operations.get"),
    ),
    "iap.web_iam": _policy("iap.webServices"),
}
"""By kind, and after a stroke by the means that a resource is made with.

Waiting for an operation of Cloud SQL asks for `cloudsql.instances.get`, as reading an instance does.
"""
