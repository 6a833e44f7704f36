"""Databases and users as the API's records, for instances without a database behind them.

MySQL and SQL Server keep the shapes, defaults and errors that were recorded; a statement is carried out nowhere. For
PostgreSQL only what PostgreSQL itself does not know is kept here: a database's collation, a user's password policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_versions import MYSQL, POSTGRES, SQLSERVER, engine
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World, timestamp

DATABASE: Final = "sqladmin.database"
USER: Final = "sqladmin.user"
KINDS: Final = (DATABASE, USER)
_SYSTEM: Final = {
    MYSQL: ("information_schema", "mysql", "performance_schema", "sys"),
    SQLSERVER: ("master", "model", "msdb", "tempdb"),
    POSTGRES: ("postgres",),
}
_FIRST_USERS: Final[Mapping[str, tuple[tuple[str, str, dict[str, Any]], ...]]] = {
    MYSQL: (("root", "%", {"passwordPolicy": {"status": {}}}),),
    SQLSERVER: (
        ("##MS_PolicyEventProcessingLogin##", "", {"sqlserverUserDetails": {"disabled": True}}),
        ("##MS_PolicyTsqlExecutionLogin##", "", {"sqlserverUserDetails": {"disabled": True}}),
        ("sqlserver", "", {"sqlserverUserDetails": {"serverRoles": ["CustomerDbRootRole"]}}),
    ),
    POSTGRES: (),
}


def name_of(resource: Mapping[str, Any]) -> str:
    """The store's name of an instance."""
    return f"projects/{resource['project']}/instances/{resource['name']}"


def first_users(world: World, resource: Mapping[str, Any]) -> None:
    """The users that a new instance has; PostgreSQL makes its own."""
    for name, host, details in _FIRST_USERS[engine(resource["databaseVersion"])]:
        world.store.put(
            USER, f"{name_of(resource)}/users/{name}@{host}", {"name": name, "host": host, **details}
        )


def policy(world: World, sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """A user's `passwordPolicy` as it is shown, with the day on which a password set now expires."""
    shown: dict[str, Any] = {key: value for key, value in (sent or {}).items() if key != "status"}
    status: dict[str, Any] = {}
    if lasts := shown.get("passwordExpirationDuration"):
        end = world.clock().replace(microsecond=0) + timedelta(seconds=float(lasts.removesuffix("s")))
        status["passwordExpirationTime"] = timestamp(end).replace(".000000Z", "Z")
    return {**shown, "status": status}


@dataclass(frozen=True)
class Records:
    """The databases and users of one instance."""

    world: World
    resource: Mapping[str, Any]

    @property
    def engine(self) -> str:
        """MYSQL or SQLSERVER; POSTGRES for a replica."""
        return engine(self.resource["databaseVersion"])

    def databases(self) -> list[Body]:
        """{"name", "charset", "collation"} of each, in order of name."""
        own = [body for _, body in self.world.store.list(DATABASE, f"{name_of(self.resource)}/databases/")]
        system = [{"name": name, **self._texts({})} for name in _SYSTEM[self.engine]]
        return sorted((*system, *own), key=lambda one: one["name"])

    def check_new_database(self, name: str, body: Mapping[str, Any]) -> None:
        """Raise ApiError 400 where there is one of that name."""
        del body
        if any(one["name"] == name for one in self.databases()):
            reason = {MYSQL: f"Error 1007: Can't create database '{name}'; database exists"}
            text = reason.get(self.engine, f"Database '{name}' already exists")
            raise invalid(f"failed to create database {name}. Detail: {text}.")

    def create_database(self, name: str, body: Mapping[str, Any]) -> None:
        """Keep it."""
        known = {"name": name, **self._texts(body)}
        self.world.store.put(DATABASE, f"{name_of(self.resource)}/databases/{name}", known)

    def change_database(self, name: str, body: Mapping[str, Any]) -> None:
        """Another charset or collation."""
        self.create_database(name, body)

    def drop_database(self, name: str) -> None:
        """Forget it; the engine's own stay."""
        own = f"{name_of(self.resource)}/databases/{name}"
        if self.world.store.get(DATABASE, own) is not None:
            self.world.store.delete(DATABASE, own)

    def users(self) -> list[Body]:
        """{"name", "host", "type", …} of each, in order of name."""
        return [body for _, body in self.world.store.list(USER, f"{name_of(self.resource)}/users/")]

    def check_user(self, verb: str, name: str, host: str) -> None:
        """Raise ApiError where the user is there (CREATE) or is not (ALTER, DROP), as the engine says it."""
        there = self.world.store.get(USER, self._user(name, host)) is not None
        if there == (verb == "CREATE"):
            if self.engine == MYSQL:
                raise invalid(f"Error 1396: Operation {verb} USER failed for '{name}'@'{host}'.")
            if there:
                raise invalid(f"failed to create user {name}. Detail: User {name} already exists.")
            raise ApiError(404, f"The user {name} does not exist.", reason="notFound")

    def create_user(self, name: str, host: str, body: Mapping[str, Any], password: str | None) -> None:
        """Keep it."""
        del password
        known: Body = {"name": name, "host": host}
        if kind := body.get("type"):
            known["type"] = kind
        if self.engine == MYSQL:
            known["passwordPolicy"] = policy(self.world, body.get("passwordPolicy"))
        if self.engine == SQLSERVER:
            sent = body.get("sqlserverUserDetails", {})
            known["sqlserverUserDetails"] = {"serverRoles": ["CustomerDbRootRole"], **sent}
        self.world.store.put(USER, self._user(name, host), known)

    def change_user(self, name: str, host: str, body: Mapping[str, Any], password: str | None) -> None:
        """Another policy, or another password, which begins the policy's time anew."""

        def change(known: Body) -> Body:
            if self.engine != MYSQL:
                return known
            wanted = body.get("passwordPolicy") or known.get("passwordPolicy")
            return {**known, "passwordPolicy": policy(self.world, wanted)}

        del password
        self.world.store.update(USER, self._user(name, host), change)

    def drop_user(self, name: str, host: str) -> None:
        """Forget it."""
        if self.world.store.get(USER, self._user(name, host)) is not None:
            self.world.store.delete(USER, self._user(name, host))

    def _user(self, name: str, host: str) -> str:
        return f"{name_of(self.resource)}/users/{name}@{host}"

    def _texts(self, body: Mapping[str, Any]) -> dict[str, str]:
        if self.engine == SQLSERVER:
            return {"collation": str(body.get("collation", "SQL_Latin1_General_CP1_CI_AS"))}
        if self.engine == POSTGRES:
            return {"charset": "UTF8", "collation": "en_US.UTF8"}
        old = self.resource["databaseVersion"].startswith("MYSQL_5")
        charset = str(body.get("charset", "utf8" if old else "utf8mb4"))
        plain = {"utf8mb4": "utf8mb4_general_ci" if old else "utf8mb4_0900_ai_ci"}
        collation = plain.get(charset, f"{charset}_general_ci")
        return {"charset": charset, "collation": str(body.get("collation", collation))}
