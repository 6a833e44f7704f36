"""Databases of Cloud SQL instances."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import sqladmin_children as children
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

CREATE: Final = "sqladmin.createDatabase"
CHANGE: Final = "sqladmin.updateDatabase"
DELETE: Final = "sqladmin.deleteDatabase"


def register(world: World) -> None:
    """Say what the operations on databases do."""

    def create(arguments: Mapping[str, Any], _: Any) -> None:
        owner = children.holder(world, arguments["project"], arguments["instance"])
        owner.create_database(arguments["name"], arguments["body"])

    def change(arguments: Mapping[str, Any], _: Any) -> None:
        owner = children.holder(world, arguments["project"], arguments["instance"])
        owner.change_database(arguments["name"], arguments["body"])

    def delete(arguments: Mapping[str, Any], _: Any) -> None:
        owner = children.holder(world, arguments["project"], arguments["instance"])
        owner.drop_database(arguments["name"])

    world.operations.register(CREATE, create)
    world.operations.register(CHANGE, change)
    world.operations.register(DELETE, delete)


def insert(world: World, request: Request) -> dict[str, Any]:
    """databases.insert."""
    name = str(request.body.get("name", ""))
    if not name or len(name) > 63:
        raise invalid(f"Invalid database name ({name}).")
    children.writable(world, request).check_new_database(name, request.body)
    arguments = {"name": name, "body": _texts(request.body)}
    return children.write(world, request, CREATE, "CREATE_DATABASE", arguments)


def get(world: World, request: Request) -> dict[str, Any]:
    """databases.get."""
    return _shown(request, _find(request, children.of(world, request)))


def listing(world: World, request: Request) -> dict[str, Any]:
    """databases.list."""
    items = [_shown(request, one) for one in children.of(world, request).databases()]
    return {"kind": "sql#databasesList", "items": items}


def patch(world: World, request: Request) -> dict[str, Any]:
    """databases.patch: another charset or collation, where the engine can."""
    known, sent = _find(request, children.writable(world, request)), _texts(request.body)
    # Another charset brings its own collation.
    return _change(world, request, sent if "charset" in sent else {**_texts(known), **sent})


def update(world: World, request: Request) -> dict[str, Any]:
    """databases.update: what is not sent goes back to the engine's default."""
    _find(request, children.writable(world, request))
    return _change(world, request, _texts(request.body))


def delete(world: World, request: Request) -> dict[str, Any]:
    """databases.delete."""
    name = _find(request, children.writable(world, request))["name"]
    return children.write(world, request, DELETE, "DELETE_DATABASE", {"name": name})


def _change(world: World, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {"name": str(request.params["database"]), "body": dict(body)}
    return children.write(world, request, CHANGE, "UPDATE_DATABASE", arguments)


def _find(request: Request, owner: children.Holder) -> Body:
    name = str(request.params["database"])
    found = next((one for one in owner.databases() if one["name"] == name), None)
    if found is None:
        raise ApiError(404, "Not Found", reason="notFound")
    return found


def _texts(body: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(body[key]) for key in ("charset", "collation") if body.get(key)}


def _shown(request: Request, known: Body) -> dict[str, Any]:
    instance, name = str(request.params["instance"]), known["name"]
    link = f"{operations.instance_link(request.version, request.project, instance)}/databases/{name}"
    return {
        "kind": "sql#database",
        **_texts(known),
        "etag": hashlib.sha256(f"{link} {_texts(known)}".encode()).hexdigest(),
        "instance": instance,
        "name": name,
        "project": request.project,
        "selfLink": link,
    }
