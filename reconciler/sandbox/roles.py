"""Which predefined role holds which permissions, for the roles that a deployment uses.

Taken from Google's "IAM roles and permissions index". A permission may end in `*`. A role of a service listed here
that is not in the table does not exist; a role of another service is kept in policies but grants nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from reconciler.sandbox.permissions import PERMISSIONS

BASIC: Final = {
    "roles/owner": "projectOwner",
    "roles/editor": "projectEditor",
    "roles/viewer": "projectViewer",
}
"""The basic roles, and how a bucket's policy calls whoever holds them."""
STRICT: Final = frozenset(
    {
        "storage",
        "secretmanager",
        "cloudsql",
        "run",
        "artifactregistry",
        "cloudbuild",
        "resourcemanager",
        "serviceusage",
    }
)
"""Services whose roles are all in the table."""


def exists(role: str) -> bool:
    """Whether Google has this predefined role, as far as the table reaches; custom roles are taken on trust."""
    if not role.startswith("roles/"):
        return role.count("/") == 3 and "/roles/" in role
    name = role.removeprefix("roles/")
    if role in PERMISSIONS or "." not in name:
        return role in PERMISSIONS
    return name.partition(".")[0] not in STRICT


def grants(role: str, permission: str) -> bool:
    """Whether *role* holds *permission*."""
    if role in BASIC and permission.startswith("storage.objects."):
        # The basic roles reach objects only through a bucket's legacy bindings (projectOwner:, projectEditor:, …).
        return False
    return any(fnmatchcase(permission, pattern) for pattern in PERMISSIONS.get(role, ()))
