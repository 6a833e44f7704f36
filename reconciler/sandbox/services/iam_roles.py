"""IAM: custom roles of projects."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.custom_roles import KIND
from reconciler.sandbox.iam.policy_bindings import plain_etag
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, Exists
from reconciler.sandbox.web.fields import check_open, open_fields
from reconciler.sandbox.world import Method, Request, World

API: Final = "iam"
VERSIONS: Final = ("v1",)
ROLE_ID: Final = re.compile(r"[A-Za-z0-9_.]{3,64}")
MOST_TITLE: Final = 100
MOST_DESCRIPTION: Final = 300
_CHANGEABLE: Final = tuple(sorted(open_fields("iam.Role")))


def methods(world: World) -> dict[str, Method]:
    """What of custom roles is emulated."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "get": _role,
        "list": _list,
        "patch": _patch,
        "delete": lambda world, request: _mark(world, request, deleted=True),
        "undelete": lambda world, request: _mark(world, request, deleted=False),
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.roles.{verb}": bound(function) for verb, function in found.items()}


def _name(request: Request) -> str:
    return f"projects/{request.project}/roles/{request.params['name'].rpartition('/')[2]}"


def _role(world: World, request: Request) -> Body:
    body = world.store.get(KIND, _name(request))
    if body is None:
        raise ApiError(404, f"The role named {request.params['name']} was not found.")
    return body


def _create(world: World, request: Request) -> Mapping[str, Any]:
    role_id = str(request.body.get("roleId", ""))
    if ROLE_ID.fullmatch(role_id) is None:
        text = "must have a length between 3 and 64 and may hold letters, digits, underscores and periods."
        raise ApiError(400, f"The role_id {role_id} {text}")
    name = f"projects/{request.project}/roles/{role_id}"
    body = _kept({"name": name, **_sent(request.body.get("role", {}), _CHANGEABLE)})
    try:
        world.store.create(KIND, name, body)
    except Exists as error:
        if (world.store.get(KIND, name) or {}).get("deleted"):
            text = f"You can't create a role with role_id ({role_id}) where there is an existing role with that role_id"
            raise ApiError(400, f"{text} in a deleted state.", rpc_status="FAILED_PRECONDITION") from error
        text = f"A role named {role_id} in projects/{request.project} already exists."
        raise ApiError(409, text) from error
    return body


def _list(world: World, request: Request) -> Mapping[str, Any]:
    full = request.params.get("view") == "FULL"
    items = [
        (name, body if full else {key: value for key, value in body.items() if key != "includedPermissions"})
        for name, body in world.store.list(KIND, f"projects/{request.project}/roles/")
        if request.params.get("showDeleted") or not body.get("deleted")
    ]
    return listed("roles", items, request.params, default=300, most=1000)


def _patch(world: World, request: Request) -> Mapping[str, Any]:
    mask = str(request.params.get("updateMask", ""))
    fields = [_camel(field) for field in mask.split(",") if field] or [
        f for f in _CHANGEABLE if f in request.body
    ]
    check_open("iam.Role", fields, ("etag",))
    sent = _sent(request.body, fields)

    def change(old: Body) -> Body:
        if request.body.get("etag") and plain_etag(request.body["etag"]) != plain_etag(old["etag"]):
            text = "There were concurrent changes to the role. Please retry the read-modify-write."
            raise ApiError(409, text, rpc_status="ABORTED")
        kept = {key: value for key, value in old.items() if key not in fields}
        return _kept({**kept, **sent})

    return world.store.update(KIND, str(_role(world, request)["name"]), change)


def _mark(world: World, request: Request, *, deleted: bool) -> Mapping[str, Any]:
    body = _role(world, request)
    if bool(body.get("deleted")) == deleted:
        text = f"The role named {body['name']} is {'already' if deleted else 'not'} deleted."
        raise ApiError(400, text, rpc_status="FAILED_PRECONDITION")
    fresh = {key: value for key, value in body.items() if key != "deleted"}
    return world.store.update(
        KIND, body["name"], lambda _: _kept({**fresh, **({"deleted": True} if deleted else {})})
    )


def _sent(role: Mapping[str, Any], fields: list[str] | tuple[str, ...]) -> dict[str, Any]:
    if len(role.get("title", "")) > MOST_TITLE or len(role.get("description", "")) > MOST_DESCRIPTION:
        raise ApiError(400, "The title has at most 100 characters, the description at most 300.")
    kept = {field: role[field] for field in fields if role.get(field) and field != "etag"}
    if "includedPermissions" in kept:
        kept["includedPermissions"] = sorted(set(kept["includedPermissions"]))
    # ALPHA is the enum's zero, which proto3 leaves out.
    return {key: value for key, value in kept.items() if (key, value) != ("stage", "ALPHA")}


def _kept(body: Body) -> Body:
    etag = base64.b64encode(b"\x07" + (time.time_ns() // 1000).to_bytes(7, "big")).decode()
    return {**body, "etag": etag}


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)
