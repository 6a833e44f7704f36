"""Which predefined role holds which permissions, for the roles that a deployment meets.

A role of a service whose roles are all in the table, and that is not in it, does not exist; a role of another service
is kept in policies but grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from reconciler.sandbox.iam.predefined import basic, billing, containers, data, identity, networks, observing

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
NAMED: Final = frozenset(
    f"roles/{service}.{role}"
    for service, names in {
        "cloudbuild": "connectionAdmin connectionViewer integrations.editor integrations.owner integrations.viewer "
        "integrationsEditor integrationsOwner integrationsViewer loggingServiceAgent readTokenAccessor tokenAccessor "
        "workerPoolEditor workerPoolOwner workerPoolViewer",
        "cloudsql": "schemaViewer",
        "resourcemanager": "folderAdmin folderCreator folderEditor folderIamAdmin folderMover folderViewer "
        "lienModifier organizationAdmin organizationViewer tagAdmin tagHoldAdmin",
        "serviceusage": "apiKeysViewer",
        "storage": "expressModeServiceInput expressModeServiceOutput expressModeUserAccess folderAdmin",
    }.items()
    for role in names.split()
)
"""Roles of these services that a policy may hold, and that grant nothing here: no deployment has any of them."""
NOT_OWNED: Final = "iap.webServiceVersions.accessViaIAP"
"""What owning a project does not bring: an owner may change who passes Identity-Aware Proxy, and does not pass."""
_CHOICE: Final = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True)
class Role:
    """What a predefined role holds (a permission may hold `*`), and its *witness*: "listed", "partly" or "known"."""

    permissions: frozenset[str]
    witness: str


def _read(*texts: str) -> Iterator[tuple[str, Role]]:
    for paragraph in "\n".join(texts).strip().split("\n\n"):
        head, *lines = paragraph.strip().splitlines()
        name, witness = head.split()
        yield name, Role(frozenset(one for line in lines for one in _expanded(line.strip())), witness)


def _expanded(text: str) -> Iterator[str]:
    """Every permission that *text* stands for: "a.{b,c}" is "a.b" and "a.c"."""
    choice = _CHOICE.search(text)
    if choice is None:
        yield text
        return
    for one in choice[1].split(","):
        yield from _expanded(text[: choice.start()] + one + text[choice.end() :])


ROLES: Final[Mapping[str, Role]] = dict(
    _read(basic.TEXT, billing.TEXT, identity.TEXT, data.TEXT, containers.TEXT, networks.TEXT, observing.TEXT)
)
"""By name: "roles/run.viewer"."""


def exists(role: str) -> bool:
    """Whether Google has this predefined role, as far as the table reaches; custom roles are taken on trust."""
    if not role.startswith("roles/"):
        return role.count("/") == 3 and "/roles/" in role
    name = role.removeprefix("roles/")
    if role in ROLES or role in NAMED or "." not in name:
        return role in ROLES or role in NAMED
    return name.partition(".")[0] not in STRICT


def grants(role: str, permission: str) -> bool:
    """Whether *role* holds *permission*."""
    if role in BASIC and (permission.startswith("storage.objects.") or permission == NOT_OWNED):
        # The basic roles reach objects only through a bucket's legacy bindings (projectOwner:, projectEditor:, …).
        return False
    known = ROLES.get(role)
    return known is not None and any(fnmatchcase(permission, pattern) for pattern in known.permissions)
