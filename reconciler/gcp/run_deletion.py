"""Deletions of Cloud Run's services and jobs: begun once, and waited for by every run that comes while one goes on.

By Google's documents a resource shows its `deleteTime` in the answer to its deletion and nowhere else, and asking again
is answered with a second operation. The operation that runs is listed, and carries the resource (recorded).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Ref


def delete(cloud: Cloud, ref: Ref, about: str, ask: Callable[[], Any]) -> None:
    """See *ref* gone: by the deletion that is going on, or by one that *ask* begins; already gone is no error."""

    def attempt() -> None:
        # Looked at before each attempt: one whose answer was lost may have begun it.
        if awaited(cloud, ref, about):
            return
        try:
            operation = cloud.call(about, ask, retries.NEVER)
        except errors.NotThere:
            return
        operations.run_done(cloud, about, operations.begun(operation))

    retries.persist(retries.READ, attempt, cloud.pause)


def awaited(cloud: Cloud, ref: Ref, about: str) -> bool:
    """Whether its deletion was going on, whoever began it; if so, it is over now."""
    running = _running(cloud, ref)
    if running is None:
        return False
    operations.run_done(cloud, about, running)
    return True


def replan_if_leaving(cloud: Cloud, ref: Ref, about: str) -> None:
    """Raise `VersionMoved` where it was being deleted: what is to be done now is another matter."""
    if awaited(cloud, ref, about):
        raise errors.VersionMoved(f"{about}: it was being deleted, and is gone")


def _running(cloud: Cloud, ref: Ref) -> Mapping[str, Any] | None:
    place = "/".join(ref.name.split("/")[:4])
    reader = cloud.api("run", "v2").projects().locations().operations()
    request = reader.list(name=place, filter="done:false", pageSize=100)
    listed: Any = cloud.call(f"reading the operations on {ref.short}", request.execute)
    for operation in flat.items(listed, "operations"):
        resource: Mapping[str, Any] = operation.get("metadata") or {}
        if resource.get("name") == ref.name and resource.get("deleteTime") and not operation.get("done"):
            return operation
    return None
