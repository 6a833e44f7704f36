"""Service accounts in the store: found by any of the names that Google takes."""

from __future__ import annotations

import re
from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.seeding import ACCOUNT
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

_NAME: Final = re.compile(r"projects/(?P<project>[^/]+)/serviceAccounts/(?P<account>[^/]+)")


def find_account(world: World, name: str) -> Body | None:
    """The stored account of a resource name; the account may be given by e-mail or unique id, the project as "-"."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    project = world.projects.get(found["project"])
    account = found["account"].lower()
    for stored, body in world.store.list(ACCOUNT):
        right = found["project"] == "-" or (project is not None and body["projectId"] == project.project_id)
        if right and account in (body["email"], body["uniqueId"]) and not body.get("deleted"):
            return {**body, "stored": stored}
    return None


def name_of(request: Request) -> str:
    """The resource name that a request carries, whichever parameter its method has for it."""
    return str(request.params.get("name") or request.params.get("resource"))


def account_of(world: World, request: Request) -> Body:
    """The account that a request names, by itself or by one of its keys; raises ApiError 404."""
    name = name_of(request).partition("/keys")[0]
    account = find_account(world, name)
    if account is None:
        wanted = name.rpartition("/")[2].lower()
        once = any(wanted in (body["email"], body["uniqueId"]) for _, body in world.store.list(ACCOUNT))
        # Recorded: an account that is gone is named, one that never was is not.
        raise ApiError(404, f"Service account {name} does not exist." if once else "Unknown service account")
    return account


def full_name(account: Body) -> str:
    """Its resource name: projects/PROJECT/serviceAccounts/EMAIL."""
    return f"projects/{account['projectId']}/serviceAccounts/{account['email']}"
