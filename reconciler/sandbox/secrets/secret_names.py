"""How Secret Manager names things: by project id in the store, by project number in answers, global or regional.

A regional secret (`projects/p/locations/l/secrets/s`) is one of its own, whatever a global one of its name is.
"""

from __future__ import annotations

import secrets
from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

SECRET: Final = "secretmanager.secret"  # noqa: S105 -- the store's word for the kind
VERSION: Final = "secretmanager.version"


def parent(request: Request) -> str:
    """What a request's secret lies in, by project id: "projects/p" or "projects/p/locations/l"."""
    parts = _parts(request)
    regional = parts[2:3] == ["locations"]
    return f"projects/{request.project}" + (f"/locations/{parts[3]}" if regional else "")


def regional(request: Request) -> bool:
    """Whether a request is about regional secrets."""
    return "/locations/" in parent(request)


def secret_name(request: Request) -> str:
    """The store's name of the secret that a request names, without a version."""
    parts = _parts(request)
    at = parts.index("secrets") if "secrets" in parts else -1
    return f"{parent(request)}/secrets/{parts[at + 1]}" if at >= 0 else ""


def version_id(request: Request) -> str:
    """What a request calls a version: its number, "latest" or an alias."""
    return _parts(request)[-1]


def shown(world: World, request: Request, name: str) -> str:
    """*name* with the project's number in place of its id."""
    project = world.projects.get(request.project)
    number = project.number if project else request.project
    return name.replace(f"projects/{request.project}", f"projects/{number}", 1)


def fresh_etag() -> str:
    """A new etag; Secret Manager's carry quotes."""
    return f'"{secrets.token_hex(7)}"'


def etag_mismatch() -> ApiError:
    """The 400 for an etag that is not the resource's own any more."""
    text = "The etag provided in the request does not match the resource's current etag."
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION")


def find(world: World, request: Request) -> Body:
    """The secret that a request names; raises ApiError 404."""
    name = secret_name(request)
    body = world.store.get(SECRET, name)
    if body is None:
        raise ApiError(404, f"Secret [{shown(world, request, name)}] not found.")
    return body


def _parts(request: Request) -> list[str]:
    named = request.params.get("name") or request.params.get("parent") or request.params.get("resource")
    return str(named).split("/")
