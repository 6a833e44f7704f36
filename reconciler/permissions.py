"""What each kind asks of IAM, and whether we may do all of a plan before the first of it is done.

`docs/permissions.md` is made of this table, and tests hold both against what the sandbox really asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.resources import artifactregistry_image


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
            _ACT_AS,
            "storage.objects.create",
            "storage.objects.delete",  # the context of a build that did not end well is written over
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
    "sqladmin.instance": Asked(
        ("cloudsql.instances.get",),
        ("cloudsql.instances.create",),
        ("cloudsql.instances.update",),
        ("cloudsql.instances.delete",),
    ),
    "sqladmin.database": Asked(
        ("cloudsql.databases.get", "cloudsql.instances.get"), ("cloudsql.databases.create",)
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
        ("run.jobs.delete", _RUN_DONE),
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
        ("run.services.delete", _RUN_DONE),
    ),
    "run.service_iam": _policy("run.services"),
    "monitoring.uptime_check": _labelled("monitoring.uptimeCheckConfigs"),
    "monitoring.notification_channel": _labelled("monitoring.notificationChannels"),
    "monitoring.alert_policy": Asked(
        ("monitoring.alertPolicies.list", "monitoring.notificationChannels.list"),
        ("monitoring.alertPolicies.create",),
        ("monitoring.alertPolicies.update",),
        ("monitoring.alertPolicies.delete",),
    ),
}
"""By kind, and after a stroke by the means that a resource is made with.

Waiting for an operation of Cloud SQL asks for `cloudsql.instances.get`, as reading an instance does.
"""


_CONDITIONAL: Final = (
    "Where a condition grants it on some resources only, nobody can tell beforehand: --skip-permission-check."
)


def refuse_if_lacking(cloud: Cloud, changes: Iterable[Change]) -> None:
    """Raise `PermissionMissing` where we may not carry *changes* out; `ApiDisabled` where nobody can tell yet.

    One question to Resource Manager about the whole project; what it does not grant there may be granted on a resource
    that exists already, so that is asked, too.
    """
    wanted: dict[str, list[Change]] = {}
    for change in changes:
        for permission in _asked(change):
            wanted.setdefault(permission, []).append(change)
    try:
        held = _held_in_project(cloud, wanted) if wanted else frozenset[str]()
    except (errors.PermissionMissing, errors.Refused, errors.NotThere):
        return  # this check is a courtesy: Google's own refusal comes later
    lacking = {
        permission: askers
        for permission, askers in wanted.items()
        if permission not in held and not all(_held_there(cloud, asker, permission) for asker in askers)
    }
    if lacking:
        raise _refusal(cloud, lacking)


def _asked(change: Change) -> tuple[str, ...]:
    kind, means = change.ref.kind, change.desired.means if change.desired else ""
    found = ASKED.get(f"{kind}/{means}") or ASKED.get(kind)
    return found.by(change.action) if found else ()


def _refusal(cloud: Cloud, lacking: Mapping[str, list[Change]]) -> errors.PermissionMissing:
    listed = "\n".join(
        f"- {permission}, to {askers[0].action.value} {askers[0].ref.address}"
        + (f" and {len(askers) - 1} more" if len(askers) > 1 else "")
        for permission, askers in lacking.items()
    )
    noun = "a permission" if len(lacking) == 1 else f"{len(lacking)} permissions"
    error = errors.PermissionMissing(
        f"{cloud.member or 'whoever calls'} lacks {noun} on project {cloud.project}, and nothing that needs "
        f"{'it' if len(lacking) == 1 else 'them'} was begun:\n{listed}",
        way_out=f"{cloud.ways_in(lacking)}\n{_CONDITIONAL}",
    )
    error.permissions = tuple(lacking)
    return error


def _held_in_project(cloud: Cloud, permissions: Iterable[str]) -> frozenset[str]:
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    request = projects.testIamPermissions(resource=cloud.project, body={"permissions": sorted(permissions)})
    answer = cloud.call("asking what we may do", request.execute)
    return frozenset(answer.get("permissions", ()))


def _held_there(cloud: Cloud, change: Change, permission: str) -> bool:
    """Whether *permission* is granted on the very resource: no resource says so of what it does not know."""
    ask = _question(cloud, change, permission)
    if ask is None:
        return False
    try:
        return permission in cloud.call(f"asking what we may do with {change.ref.short}", ask)
    except errors.ReconcileError:
        return False


def _question(cloud: Cloud, change: Change, permission: str) -> Callable[[], Iterable[str]] | None:
    """How to ask the resource that may grant *permission*, None where only the project can."""
    ref, kind = change.ref, change.ref.kind
    if permission.startswith("iam.serviceAccounts.") and (account := _account(change)):
        accounts = cloud.api("iam", "v1").projects().serviceAccounts()
        request = accounts.testIamPermissions(resource=account, body={"permissions": [permission]})
        return lambda: request.execute().get("permissions", ())
    if kind in ("storage.bucket", "storage.bucket_iam"):
        bucket = cloud.storage.bucket(ref.short)
        return lambda: bucket.test_iam_permissions([permission], timeout=60)
    if kind in ("secretmanager.secret", "secretmanager.secret_iam"):
        asked = {"resource": ref.name, "permissions": [permission]}
        return lambda: cloud.secrets.test_iam_permissions(request=asked, retry=None, timeout=60).permissions
    return None


def _account(change: Change) -> str:
    """The full name of the service account that *change* makes, changes or acts as."""
    if change.ref.kind == "iam.service_account":
        return change.ref.name
    if change.ref.kind == artifactregistry_image.Image.name:
        return f"projects/-/serviceAccounts/{artifactregistry_image.builder(change.ref)}"
    body: Mapping[str, Any] = (change.desired.body if change.desired else None) or {}
    email = body.get("template.serviceAccount") or body.get("serviceAccount")
    return f"projects/-/serviceAccounts/{email}" if email else ""
