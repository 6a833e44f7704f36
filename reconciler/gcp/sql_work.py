"""What is going on with a Cloud SQL instance: it runs one operation at a time, its databases and users included.

An operation goes on when whoever began it is killed. It is waited for here, by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations
from reconciler.gcp.cloud import Cloud

T = TypeVar("T")
LISTED = 50
"""Operations that are looked at, the newest first."""


def settle(cloud: Cloud, instance: str) -> list[dict[str, Any]]:
    """Wait for what is running on the instance, whoever began it; the operations that were waited for.

    Raises `OperationFailed` where one of them ends badly.
    """
    about = f"waiting for instance {instance}"
    running = [one for one in listed(cloud, instance) if one.get("status") != "DONE"]
    for operation in running:
        operations.sql_done(cloud, about, operation)
    return running


def replan_if_busy(cloud: Cloud, instance: str) -> None:
    """Raise `VersionMoved` once what was running has ended: what was observed before that is no longer true."""
    if settle(cloud, instance):
        raise errors.VersionMoved(f"instance {instance} was being changed")


def answered(cloud: Cloud, instance: str, ask: Callable[[], T]) -> T | None:
    """What the instance says about its databases or users; None while it is not there or not ready to tell."""
    try:
        return ask()
    except (errors.Refused, errors.AlreadyThere, errors.PermissionMissing):
        # What Google answers for an instance that is not there or not running; anything else is an error.
        if not _usable(cloud, instance):
            return None
        return ask()  # it may have become ready in between; else this says what is wrong


def _usable(cloud: Cloud, instance: str) -> bool:
    """Whether the instance can be asked about its databases and users. Asked only after such a question failed."""
    request = cloud.api("sqladmin", "v1").instances().get(project=cloud.project, instance=instance)
    found = cloud.found(f"reading instance {instance}", request.execute)
    return bool(
        found and found.get("state") == "RUNNABLE" and flat.at(found, "settings.activationPolicy") != "NEVER"
    )


def listed(cloud: Cloud, instance: str) -> list[dict[str, Any]]:
    """The instance's newest operations, the newest first; none where there is no instance."""
    request = cloud.api("sqladmin", "v1").operations().list(
        project=cloud.project, instance=instance, maxResults=LISTED
    )  # fmt: skip
    found: Any = cloud.found(f"reading the operations on instance {instance}", request.execute)
    return flat.items(found or {}, "items")


def newest(cloud: Cloud, instance: str) -> str:
    """The name of the instance's newest operation: what is begun from now on comes after it."""
    return next((str(one["name"]) for one in listed(cloud, instance)), "")


def done_since(cloud: Cloud, instance: str, last: str, *types: str) -> bool:
    """Whether an operation of one of these *types* came after the one called *last*, and ended well."""
    for operation in listed(cloud, instance):
        if operation["name"] == last:
            return False
        if operation.get("operationType") in types and operation.get("status") == "DONE":
            return not operation.get("error")
    return False
