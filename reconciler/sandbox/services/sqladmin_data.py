"""Databases and users of Cloud SQL instances: they are the PostgreSQL's own, read from it and made in it."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, SandboxError
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.engine import engine_of
from reconciler.sandbox.runtime.postgres import Cluster, PostgresError, identifier, literal
from reconciler.sandbox.services import sqladmin_instances as instances
from reconciler.sandbox.services import sqladmin_operations as operations
from reconciler.sandbox.services import sqladmin_work as work
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.world import Request, World

OVER: Final = "sqladmin.statement"
_USER: Final = "sqladmin.user"
_DATABASE: Final = "sqladmin.database"
_NOT_SHOWN: Final = ("template0", "template1", "cloudsqladmin")
_COLLATION: Final = "en_US.UTF8"
_IAM_ROLES: Final = {
    "CLOUD_IAM_USER": "cloudsqliamuser",
    "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount",
}


def register(world: World) -> None:
    """The statement of a database or user operation is done before it starts, so that its errors are the call's."""
    world.operations.register(OVER, lambda _arguments, _progress: None)


def _cluster(world: World, request: Request) -> Cluster:
    resource = instances.find(world, request)["resource"]
    try:
        where = engine_of(world).databases.running(request.project, resource["name"])
    except SandboxError as error:
        raise ApiError(400, f"{error} {error.way_out}", reason="invalidState") from error
    if where is None:
        raise invalid("Invalid request since instance is not running.")
    return where


def _write(
    world: World, request: Request, operation_type: str, statement: Callable[[Cluster], None]
) -> dict[str, Any]:
    """Do a statement now, and answer with an operation that is done."""
    name = str(request.params["instance"])
    where = _cluster(world, request)
    if world.operations.running(f"sqladmin/{request.project}/{name}"):
        raise operations.in_progress()
    statement(where)
    return operations.start_and_wait(world, request, OVER, operation_type, name, {})


def insert_database(world: World, request: Request) -> dict[str, Any]:
    """databases.insert."""
    name = str(request.body.get("name", ""))
    if not name or len(name) > 63:
        raise invalid(f"Invalid database name ({name}).")
    charset = request.body.get("charset", "UTF8")
    if charset.upper() not in ("UTF8", "UTF-8"):
        raise invalid(f"Charset ({charset}) is not supported by the sandbox.")

    def statement(where: Cluster) -> None:
        sql = f"CREATE DATABASE {identifier(name)} OWNER cloudsqlsuperuser"
        _run(where, sql, f"failed to create database {name}. Detail: pq: ")
        full = f"{work.stored_name(request.project, request.params['instance'])}/databases/{name}"
        world.store.put(_DATABASE, full, {"collation": request.body.get("collation", _COLLATION)})

    return _write(world, request, "CREATE_DATABASE", statement)


def delete_database(world: World, request: Request) -> dict[str, Any]:
    """databases.delete."""
    name = str(request.params["database"])

    def statement(where: Cluster) -> None:
        if name in _NOT_SHOWN or name not in _database_names(where):
            raise ApiError(404, "Not Found", reason="notFound")
        _run(where, f"DROP DATABASE {identifier(name)}", f'failed to delete database "{name}". Detail: pq: ')

    return _write(world, request, "DELETE_DATABASE", statement)


def get_database(world: World, request: Request) -> dict[str, Any]:
    """databases.get."""
    name = str(request.params["database"])
    if name not in _database_names(_cluster(world, request)):
        raise ApiError(404, "Not Found", reason="notFound")
    return _shown_database(world, request, name)


def list_databases(world: World, request: Request) -> dict[str, Any]:
    """databases.list."""
    names = _database_names(_cluster(world, request))
    return {"kind": "sql#databasesList", "items": [_shown_database(world, request, name) for name in names]}


def _database_names(where: Cluster) -> list[str]:
    rows = postgres.run_sql(where, "SELECT datname FROM pg_database ORDER BY datname")
    return [row[0] for row in rows if row[0] not in _NOT_SHOWN]


def _shown_database(world: World, request: Request, name: str) -> dict[str, Any]:
    instance = str(request.params["instance"])
    full = f"{work.stored_name(request.project, instance)}/databases/{name}"
    known = world.store.get(_DATABASE, full) or {}
    return {
        "kind": "sql#database",
        "charset": "UTF8",
        "collation": known.get("collation", _COLLATION),
        "etag": hashlib.sha256(full.encode()).hexdigest(),
        "instance": instance,
        "name": name,
        "project": request.project,
        "selfLink": f"{operations.instance_link(request.version, request.project, instance)}/databases/{name}",
    }


def insert_user(world: World, request: Request) -> dict[str, Any]:
    """users.insert."""
    name, kind = str(request.body.get("name", "")), str(request.body.get("type", "BUILT_IN"))
    if not name or len(name) > 63:
        raise invalid(f"Invalid user name ({name}).")
    if kind != "BUILT_IN" and kind not in _IAM_ROLES:
        raise ApiError(
            400, f"The sandbox does not emulate users of type {kind}.", reason="sandboxNotEmulated"
        )
    if name.endswith(".gserviceaccount.com"):
        raise invalid(f"Database username ({name}) must not end in .gserviceaccount.com.")

    def statement(where: Cluster) -> None:
        password = request.body.get("password", "")
        login = f" PASSWORD {literal(password)}" if password and kind == "BUILT_IN" else ""
        rights = "CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser" if kind == "BUILT_IN" else ""
        _run(
            where,
            f"CREATE ROLE {identifier(name)} LOGIN {rights}{login}",
            f"failed to create user {name}. Detail: pq: ",
        )
        world.store.put(_USER, _user_name(request, name), {"type": kind})

    return _write(world, request, "CREATE_USER", statement)


def update_user(world: World, request: Request) -> dict[str, Any]:
    """users.update: a new password."""
    name = str(request.params.get("name") or request.body.get("name", ""))

    def statement(where: Cluster) -> None:
        _demand_user(where, name)
        if password := request.body.get("password"):
            sql = f"ALTER ROLE {identifier(name)} PASSWORD {literal(password)}"
            _run(where, sql, f"failed to update user {name}. Detail: pq: ")

    return _write(world, request, "UPDATE_USER", statement)


def delete_user(world: World, request: Request) -> dict[str, Any]:
    """users.delete."""
    name = str(request.params.get("name", ""))

    def statement(where: Cluster) -> None:
        _demand_user(where, name)
        # What the user owns in any database keeps it: PostgreSQL itself says so.
        _run(where, f"DROP ROLE {identifier(name)}", f"failed to delete user {name}: . ")
        if world.store.get(_USER, _user_name(request, name)) is not None:
            world.store.delete(_USER, _user_name(request, name))

    return _write(world, request, "DELETE_USER", statement)


def get_user(world: World, request: Request) -> dict[str, Any]:
    """users.get."""
    name = str(request.params["name"])
    _demand_user(_cluster(world, request), name)
    return _shown_user(world, request, name)


def list_users(world: World, request: Request) -> dict[str, Any]:
    """users.list; without users there is no `items`."""
    names = _user_names(_cluster(world, request))
    items = [_shown_user(world, request, name) for name in names]
    return {"kind": "sql#usersList", **({"items": items} if items else {})}


def _user_names(where: Cluster) -> list[str]:
    sql = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname NOT LIKE 'cloudsql%' ORDER BY rolname"
    return [row[0] for row in postgres.run_sql(where, sql)]


def _demand_user(where: Cluster, name: str) -> None:
    if name not in _user_names(where):
        raise ApiError(404, f"The user {name} does not exist.", reason="notFound")


def _user_name(request: Request, name: str) -> str:
    return f"{work.stored_name(request.project, request.params['instance'])}/users/{name}"


def _shown_user(world: World, request: Request, name: str) -> dict[str, Any]:
    known: Mapping[str, Any] = world.store.get(_USER, _user_name(request, name)) or {}
    kind = known.get("type", "BUILT_IN")
    user: dict[str, Any] = {
        "kind": "sql#user",
        "etag": hashlib.sha256(_user_name(request, name).encode()).hexdigest(),
        "host": "",
        "iamStatus": "IAM_STATUS_UNSPECIFIED" if kind == "BUILT_IN" else "ACTIVE",
        "instance": request.params["instance"],
        "name": name,
        "project": request.project,
    }
    return user if kind == "BUILT_IN" else {**user, "type": kind}


def _run(where: Cluster, statement: str, prefix: str) -> None:
    try:
        postgres.run_sql(where, statement)
    except PostgresError as error:
        raise invalid(f"{prefix}{error}.") from error
