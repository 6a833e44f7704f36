"""Users of Cloud SQL instances. A password is kept in memory until it is set, and shown nowhere."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.services import sqladmin_children as children
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services.sqladmin_defaults import ROTATION_MODE
from reconciler.sandbox.services.sqladmin_postgres import IAM_ROLES
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

CREATE: Final = "sqladmin.createUser"
CHANGE: Final = "sqladmin.updateUser"
DELETE: Final = "sqladmin.deleteUser"
_TYPES: Final = ("BUILT_IN", *IAM_ROLES)
_KEPT: Final = ("type", "passwordPolicy", "sqlserverUserDetails")


def register(world: World) -> None:
    """Say what the operations on users do."""

    def delete(arguments: Mapping[str, Any], _: Any) -> None:
        owner = children.holder(world, arguments["project"], arguments["instance"])
        owner.drop_user(arguments["name"], arguments["host"])

    world.operations.register(CREATE, lambda arguments, _: _set(world, arguments, "create_user"))
    world.operations.register(CHANGE, lambda arguments, _: _set(world, arguments, "change_user"))
    world.operations.register(DELETE, delete)


def _set(world: World, arguments: Mapping[str, Any], verb: str) -> None:
    owner = children.holder(world, arguments["project"], arguments["instance"])
    password = engine_of(world).forget_password(_secret(arguments))
    if password is None and arguments["password"]:
        text = "The sandbox was stopped before the password was set, and keeps none: send it again."
        raise ApiError(500, text, reason=operations.INTERNAL)
    method = owner.create_user if verb == "create_user" else owner.change_user
    method(arguments["name"], arguments["host"], arguments["body"], password)


def insert(world: World, request: Request) -> dict[str, Any]:
    """users.insert."""
    name, kind = str(request.body.get("name", "")), str(request.body.get("type", "BUILT_IN"))
    if not name or len(name) > 63:
        raise invalid(f"Invalid user name ({name}).")
    if kind not in _TYPES:
        text = f"The sandbox does not emulate users of type {kind}."
        raise ApiError(400, text, reason="sandboxNotEmulated")
    if name.endswith(".gserviceaccount.com"):
        raise invalid(f"Database username ({name}) must not end in .gserviceaccount.com.")
    host = str(request.body.get("host", ""))
    children.writable(world, request).check_user("CREATE", name, host)
    return _write(world, request, CREATE, "CREATE_USER", name, host)


def update(world: World, request: Request) -> dict[str, Any]:
    """users.update: a new password, or a new policy for it."""
    name = str(request.params.get("name") or request.body.get("name", ""))
    host = str(request.params.get("host", ""))
    children.writable(world, request).check_user("ALTER", name, host)
    return _write(world, request, CHANGE, "UPDATE_USER", name, host)


def delete(world: World, request: Request) -> dict[str, Any]:
    """users.delete; MySQL knows a user by name and host."""
    name, host = str(request.params.get("name", "")), str(request.params.get("host", ""))
    children.writable(world, request).check_user("DROP", name, host)
    return children.write(world, request, DELETE, "DELETE_USER", {"name": name, "host": host})


def get(world: World, request: Request) -> dict[str, Any]:
    """users.get."""
    name, host = str(request.params["name"]), request.params.get("host")
    for known in children.of(world, request).users():
        if known["name"] == name and host in (None, "", known["host"]):
            return _shown(world, request, known)
    raise ApiError(404, f"The user {name} does not exist.", reason="notFound")


def listing(world: World, request: Request) -> dict[str, Any]:
    """users.list; without users there is no `items`."""
    items = [_shown(world, request, known) for known in children.of(world, request).users()]
    return {"kind": "sql#usersList", **({"items": items} if items else {})}


def _write(
    world: World, request: Request, kind: str, operation_type: str, name: str, host: str
) -> dict[str, Any]:
    body = {key: request.body[key] for key in _KEPT if key in request.body}
    password = str(request.body.get("password", ""))
    arguments = {"name": name, "host": host, "body": body, "password": bool(password)}
    key = _secret({"project": request.project, "instance": request.params["instance"], **arguments})
    if password:
        engine_of(world).remember_password(key, password)
    return children.write(world, request, kind, operation_type, arguments)


def _secret(arguments: Mapping[str, Any]) -> str:
    where = f"projects/{arguments['project']}/instances/{arguments['instance']}"
    return f"{where}/users/{arguments['name']}@{arguments['host']}"


def _shown(world: World, request: Request, known: Body) -> dict[str, Any]:
    """A user as it is shown. The host is left empty as in the recordings, whose authors emptied it."""
    instance, name, kind = str(request.params["instance"]), known["name"], known.get("type", "BUILT_IN")
    user: dict[str, Any] = {
        "kind": "sql#user",
        "etag": hashlib.sha256(f"{request.project} {instance} {name} {known['host']}".encode()).hexdigest(),
        "host": "",
        "instance": instance,
        "name": name,
        "project": request.project,
    }
    if kind != "BUILT_IN":
        user["type"] = kind
    if world.now() >= ROTATION_MODE:
        user["iamStatus"] = "IAM_STATUS_UNSPECIFIED" if kind == "BUILT_IN" else "ACTIVE"
    return user | {key: known[key] for key in ("passwordPolicy", "sqlserverUserDetails") if key in known}
