"""Custom roles in the store: which of them policies may name, and what they hold."""

from __future__ import annotations

from typing import Final

from reconciler.sandbox.projects import Projects
from reconciler.sandbox.store import Body, Store

KIND: Final = "iam.role"
"""The store's kind of a custom role, by "projects/PROJECT_ID/roles/ID"."""


def usable(store: Store, projects: Projects, role: str) -> bool:
    """Whether policies may name *role*; those of organisations and of other people's projects are taken on trust."""
    kind, owner, *_ = role.split("/")
    project = projects.get(owner) if kind == "projects" else None
    if project is None:
        return True
    return _live(store, f"projects/{project.project_id}/roles/{role.rpartition('/')[2]}") is not None


def permissions(store: Store, role: str) -> tuple[str, ...]:
    """The permissions that *role* holds; none where it is not there, deleted or switched off."""
    body = _live(store, role)
    if body is None or body.get("stage") == "DISABLED":
        return ()
    return tuple(body.get("includedPermissions", ()))


def _live(store: Store, role: str) -> Body | None:
    body = store.get(KIND, role)
    return None if body is None or body.get("deleted") else body
