"""Service accounts in the store: found by any of the names that Google takes, once they are seen everywhere.

Recorded: for about a minute after its creation an account is there for one read and not for the next. Here its reads
alternate, the first one finds it; policies cannot name it until that minute is over.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.iam.policy_members import GOOGLES, precondition
from reconciler.sandbox.projects import Projects
from reconciler.sandbox.seeding import ACCOUNT
from reconciler.sandbox.store import Body, Store
from reconciler.sandbox.weather.conditions import Conditions
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
    name = name_of(request).partition("/keys/")[0]
    account = find_account(world, name)
    if account is not None and seen(world, account):
        return account
    wanted = name.rpartition("/")[2].lower()
    once = any(wanted in (body["email"], body["uniqueId"]) for _, body in world.store.list(ACCOUNT))
    # Recorded: an account that is gone, or not seen everywhere, is named; one that never was is not.
    raise ApiError(404, f"Service account {name} does not exist." if once else "Unknown service account")


def seen(world: World, account: Body) -> bool:
    """Whether this read finds the account: every other one, until it is seen everywhere."""
    if settled(account, world.conditions, world.clock()):
        return True
    fresh = world.store.update(
        ACCOUNT, account["stored"], lambda old: {**old, "reads": old.get("reads", 0) + 1}
    )
    return fresh["reads"] % 2 == 1


def settled(account: Body, conditions: Conditions, now: datetime) -> bool:
    """Whether an account is seen everywhere by now."""
    lag = conditions.propagation("accounts")
    made = account.get("created", "")
    return not lag or not made or datetime.fromisoformat(made) + timedelta(seconds=lag) <= now


def bindable(store: Store, projects: Projects, conditions: Conditions, email: str, now: datetime) -> bool:
    """Whether policies may name the service account *email* at the moment *now*."""
    for name, body in store.list(ACCOUNT):
        if name.endswith(f"/{email}") and not body.get("deleted"):
            return settled(body, conditions, now)
    return GOOGLES.fullmatch(email) is not None and agents.exists(store, projects, email)


def deleted_member(account: Body) -> str:
    """How policies call an account that was deleted."""
    return f"deleted:serviceAccount:{account['email']}?uid={account['uniqueId']}"


def forbidden(constraint: str, what: str, resource: str) -> ApiError:
    """Google's refusal under an organisation policy; *what* is "Key creation", *resource* the account or project."""
    whole, email = resource.count("/") > 1, resource.rpartition("/")[2]
    text = f"{what} is not allowed on this {'service account' if whole else 'project'}."
    account = f"{resource}?configvalue={quote(email, safe='')}"
    subject = account if whole else f"{resource}/serviceAccounts/?configvalue="
    violation = {"type": f"constraints/{constraint}", "subject": subject, "description": text}
    return precondition(text, [violation])


def works(store: Store, member: str) -> bool:
    """Whether tokens of *member* are good: those of a service account that was disabled or deleted are not."""
    kind, _, email = member.partition(":")
    if kind != "serviceAccount":
        return kind != "deleted"
    named = (body for name, body in store.list(ACCOUNT) if name.endswith(f"/{email}"))
    return not any(body.get("disabled") and not body.get("deleted") for body in named)


def full_name(account: Body) -> str:
    """Its resource name: projects/PROJECT/serviceAccounts/EMAIL."""
    return f"projects/{account['projectId']}/serviceAccounts/{account['email']}"
