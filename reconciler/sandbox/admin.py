"""The sandbox's own endpoints, /sandbox/v1/…: status, projects, identities, conditions, permissions, probes, stop."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.iam.identities import LIFETIME, OPERATOR
from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.seeding import account_exists, create_project
from reconciler.sandbox.weather.conditions import Unusable
from reconciler.sandbox.world import Visit, World

PREFIX: Final = "/sandbox/v1/"
VERSION: Final = "1"
JSON: Final = ("Content-Type", "application/json; charset=UTF-8")
_MEMBER: Final = re.compile(r"(user|group|serviceAccount):[^@\s]+@[^@\s]+\.[^@\s]+")
Reply = tuple[int, Mapping[str, Any]]


def answer(world: World, visit: Visit, source: str, stop: Callable[[], None]) -> None:
    """Answer an administrative request; *source* is the code's fingerprint, *stop* asks the process to end."""
    path = visit.target.partition("?")[0].removeprefix(PREFIX)
    endpoints: dict[tuple[str, str], Callable[[dict[str, Any]], Reply]] = {
        ("GET", "status"): lambda _: (200, status(world, source)),
        ("POST", "projects"): lambda body: _project(world, body),
        ("POST", "identity"): lambda body: _identity(world, body),
        ("GET", "conditions"): lambda _: (200, world.conditions.show()),
        ("PUT", "conditions"): lambda body: _conditions(world, body),
        ("GET", "permissions"): lambda _: (200, {"asked": world.policies.questions.show()}),
        ("DELETE", "permissions"): lambda _: _forget(world),
        ("POST", "token"): lambda body: _token(world, body),
        ("POST", "probe"): lambda _: (200, _probe(world)),
        ("POST", "stop"): lambda _: (200, {"stopping": True}),
    }
    endpoint = endpoints.get((visit.method, path))
    if endpoint is None:
        code, reply = 404, _error(f"The sandbox has no {visit.method} {PREFIX}{path}.")
    else:
        code, reply = _reply(endpoint, visit)
    visit.respond(code, [JSON], json.dumps(reply).encode())
    if (visit.method, path) == ("POST", "stop"):
        stop()


def status(world: World, source: str) -> dict[str, Any]:
    """{version, source, pid, port, home, projects, services, instances}; the newest project is last."""
    projects = sorted(world.projects.list(), key=lambda one: one.created)
    return {
        "version": VERSION,
        "source": source,
        "pid": os.getpid(),
        "port": world.port,
        "home": str(world.home),
        "projects": [one.project_id for one in projects],
        "services": world.runtime.services() if world.runtime else [],
        "instances": world.runtime.instances() if world.runtime else [],
    }


def _probe(world: World) -> dict[str, Any]:
    """{checks, alerts}: what the uptime checks of every project find now, and what its alert policies see then."""
    from reconciler.sandbox.measuring import (  # they need the runtime, which needs this module
        alerting,
        probing,
    )

    projects = [one.project_id for one in world.projects.list()]
    checks = [result for project in projects for result in probing.probe(world, project)]
    return {
        "checks": checks,
        "alerts": [seen for project in projects for seen in alerting.look(world, project)],
    }


def _reply(endpoint: Callable[[dict[str, Any]], Reply], visit: Visit) -> Reply:
    try:
        body: Any = parsed(visit.body.read(1 << 20) or b"{}")
    except ValueError as error:
        return 400, _error(f"The body is no JSON: {error}.")
    if not isinstance(body, dict):
        return 400, _error("The body must be a JSON object.")
    return endpoint(body)  # pyright: ignore[reportUnknownArgumentType] -- each endpoint checks what it reads


def _project(world: World, body: dict[str, Any]) -> Reply:
    try:
        project = create_project(world, str(body.get("projectId", "")))
    except ValueError as error:
        return 400, _error(f"{error}.")
    return 200, {"projectId": project.project_id, "projectNumber": project.number}


def _identity(world: World, body: dict[str, Any]) -> Reply:
    """An ID token of the caller's own account: what `gcloud auth print-identity-token` gives a person."""
    audience = body.get("audience")
    if not isinstance(audience, str) or not audience:
        return 400, _error("audience must be the URL that the token is for.")
    member = world.conditions.caller or OPERATOR
    if "accessToken" in body:
        known = world.identities.verify_access_token(str(body["accessToken"]))
        if known is None:
            return 401, _error("The access token is unknown or over.")
        member = known
    return 200, {"token": world.identities.mint_id_token(member.partition(":")[2], audience)}


def _token(world: World, body: dict[str, Any]) -> Reply:
    """An access token that makes its bearer the member: {member} gives {token, seconds}."""
    member = body.get("member")
    if not isinstance(member, str) or not _MEMBER.fullmatch(member):
        return 400, _error("member must be user:ADDRESS, group:ADDRESS or serviceAccount:ADDRESS.")
    email = member.partition(":")[2]
    if member.startswith("serviceAccount:") and not account_exists(world.store, email):
        return 404, _error(f"There is no service account {email} in this sandbox.")
    return 200, {"token": world.identities.mint_access_token(member), "seconds": LIFETIME}


def _forget(world: World) -> Reply:
    world.policies.questions.forget()
    return 200, {"asked": []}


def _conditions(world: World, body: dict[str, Any]) -> Reply:
    try:
        world.conditions.replace(body)
    except Unusable as error:
        return 400, _error("; ".join(error.findings))
    return 200, world.conditions.show()


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text}}
