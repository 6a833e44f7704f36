"""Whether we may do all of a plan: the permissions that it takes and that we lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from reconciler import errors
from reconciler.change import Change
from reconciler.gcp.cloud import Cloud
from reconciler.guards.obstacle import Obstacle, Question
from reconciler.permissions import ASKED
from reconciler.resources import artifactregistry_image

_CONDITIONAL: Final = (
    "Where a condition grants it on some resources only, nobody can tell beforehand: --skip-permission-check."
)


def questions(cloud: Cloud, changes: Iterable[Change]) -> Iterator[Question]:
    """One question to Resource Manager about the whole project.

    What it does not grant there may be granted on a resource that exists already, so that is asked, too.
    """
    wanted: dict[str, list[Change]] = {}
    for change in changes:
        for permission in () if _elsewhere(cloud, change) else _asked(change):
            wanted.setdefault(permission, []).append(change)
    if wanted:
        yield partial(_lacking, cloud, wanted)


def _lacking(cloud: Cloud, wanted: Mapping[str, list[Change]]) -> Iterator[Obstacle]:
    held = _held_in_project(cloud, tuple(sorted(wanted)))
    lacking = {
        permission: askers
        for permission, askers in wanted.items()
        if permission not in held and not all(_held_there(cloud, asker, permission) for asker in askers)
    }
    if lacking:
        yield _obstacle(cloud, lacking)


def _asked(change: Change) -> tuple[str, ...]:
    kind, means = change.ref.kind, change.desired.means if change.desired else ""
    found = ASKED.get(f"{kind}/{means}") or ASKED.get(kind)
    return found.by(change.action) if found else ()


def _elsewhere(cloud: Cloud, change: Change) -> bool:
    """Whether it lies in the host project of a Shared VPC, of which our own project knows nothing."""
    networked = change.ref.kind.startswith(("compute.", "servicenetworking."))
    return networked and change.ref.name.split("/")[1] != cloud.project


def _obstacle(cloud: Cloud, lacking: Mapping[str, list[Change]]) -> Obstacle:
    listed = "\n".join(
        f"- {permission}, to {askers[0].action.value} {askers[0].ref.address}"
        + (f" and {len(askers) - 1} more" if len(askers) > 1 else "")
        for permission, askers in lacking.items()
    )
    noun = "a permission" if len(lacking) == 1 else f"{len(lacking)} permissions"
    return Obstacle(
        f"{cloud.member or 'whoever calls'} lacks {noun} on project {cloud.project}, and nothing that needs "
        f"{'it' if len(lacking) == 1 else 'them'} was begun:\n{listed}",
        f"{cloud.ways_in(lacking)}\n{_CONDITIONAL}",
        tuple(lacking),
    )


def _held_in_project(cloud: Cloud, permissions: tuple[str, ...]) -> frozenset[str]:
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    request = projects.testIamPermissions(resource=cloud.project, body={"permissions": list(permissions)})
    answer: Any = cloud.once(permissions, lambda: cloud.call("asking what we may do", request.execute))
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
