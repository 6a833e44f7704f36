"""What a new project has before anybody did anything: its owner, and the default compute service account."""

from __future__ import annotations

from reconciler.sandbox.iam.identities import OPERATOR, subject_of
from reconciler.sandbox.projects import Project
from reconciler.sandbox.store import Store
from reconciler.sandbox.world import World

ACCOUNT = "iam.serviceAccount"
"""The store's kind of a service account, by "PROJECT/EMAIL"."""


def create_project(world: World, project_id: str) -> Project:
    """The project, made where it is missing and brought back where it was deleted.

    Raises ValueError for an id that Google would refuse.
    """
    with world.store.transaction():
        known = world.projects.find(project_id)
        if known is not None:
            return world.projects.change(project_id, {"deleted": ""}) if known.deleted else known
        project = world.projects.create(project_id)
        resource = f"projects/{project_id}"
        world.policies.add(resource, "roles/owner", OPERATOR)
        # Organisations of today do not make the default accounts editors any more; a project without one still does.
        world.policies.add(resource, "roles/editor", f"serviceAccount:{project.compute_account}")
        email = project.compute_account
        body = {
            "email": email,
            "projectId": project_id,
            "uniqueId": subject_of(email),
            "displayName": "Compute Engine default service account",
        }
        world.store.put(ACCOUNT, f"{project_id}/{email}", body)
    return project


def account_exists(store: Store, email: str) -> bool:
    """Whether any project of this sandbox has the service account *email*."""
    return any(not body.get("deleted") for name, body in store.list(ACCOUNT) if name.endswith(f"/{email}"))
