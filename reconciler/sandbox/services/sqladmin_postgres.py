"""Databases and users of a PostgreSQL instance: they are the server's own, read from it and made in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.postgres import Cluster, PostgresError, identifier, literal
from reconciler.sandbox.services import sqladmin_records as records
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

NOT_SHOWN: Final = ("template0", "template1", "cloudsqladmin")
IAM_ROLES: Final = {
    "CLOUD_IAM_USER": "cloudsqliamuser",
    "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount",
    "CLOUD_IAM_GROUP": "cloudsqliamgroup",
}
"""The role that Cloud SQL makes users of each kind members of; it tells the kinds apart."""
_COLLATION: Final = "en_US.UTF8"
_USERS: Final = """SELECT r.rolname, coalesce(string_agg(g.rolname, ','), '') FROM pg_roles r
LEFT JOIN pg_auth_members m ON m.member = r.oid LEFT JOIN pg_roles g ON g.oid = m.roleid
WHERE r.rolname NOT LIKE 'cloudsql%' AND r.rolname NOT LIKE 'pg\\_%' GROUP BY r.rolname, r.rolcanlogin
HAVING r.rolcanlogin OR coalesce(string_agg(g.rolname, ','), '') LIKE '%cloudsqliamgroup%' ORDER BY r.rolname"""


@dataclass(frozen=True)
class Served:
    """The databases and users of one instance, in its PostgreSQL."""

    world: World
    resource: Mapping[str, Any]
    where: Cluster

    def databases(self) -> list[Body]:
        """{"name", "charset", "collation"} of each, in order of name."""
        rows = postgres.run_sql(self.where, "SELECT datname FROM pg_database ORDER BY datname")
        return [self._database(row[0]) for row in rows if row[0] not in NOT_SHOWN]

    def _database(self, name: str) -> Body:
        known = self.world.store.get(records.DATABASE, self._named("databases", name)) or {}
        return {"name": name, "charset": "UTF8", "collation": known.get("collation", _COLLATION)}

    def check_new_database(self, name: str, body: Mapping[str, Any]) -> None:
        """Raise ApiError 400 where there is one of that name, or the charset is another one."""
        charset = str(body.get("charset", "UTF8"))
        if charset.upper() not in ("UTF8", "UTF-8"):
            raise invalid(f"Charset ({charset}) is not supported by the sandbox.")
        if any(one["name"] == name for one in self.databases()):
            raise invalid(f'failed to create database {name}. Detail: pq: database "{name}" already exists.')

    def create_database(self, name: str, body: Mapping[str, Any]) -> None:
        """Make it; done already where an operation is carried on with after a crash."""
        if any(one["name"] == name for one in self.databases()):
            return
        sql = f"CREATE DATABASE {identifier(name)} OWNER cloudsqlsuperuser"
        self._run(sql, f"failed to create database {name}. Detail: pq: ")
        known = {"collation": body.get("collation", _COLLATION)}
        self.world.store.put(records.DATABASE, self._named("databases", name), known)

    def change_database(self, name: str, body: Mapping[str, Any]) -> None:
        """PostgreSQL cannot change what a database is made with."""
        del body
        raise invalid(f"failed to update database {name}: charset and collation cannot be updated.")

    def drop_database(self, name: str) -> None:
        """Drop it; raises ApiError 400 while somebody is connected to it."""
        if name in NOT_SHOWN or not any(one["name"] == name for one in self.databases()):
            return
        self._run(f"DROP DATABASE {identifier(name)}", f"failed to delete database {name}. Detail: pq: ")

    def users(self) -> list[Body]:
        """{"name", "host", "type", …} of each, in order of name."""
        return [self._user(name, roles.split(",")) for name, roles in postgres.run_sql(self.where, _USERS)]

    def _user(self, name: str, roles: list[str]) -> Body:
        known = self.world.store.get(records.USER, self._named("users", name)) or {}
        kind = next((kind for kind, role in IAM_ROLES.items() if role in roles), "BUILT_IN")
        return {**known, "name": name, "host": "", "type": kind}

    def check_user(self, verb: str, name: str, host: str) -> None:
        """Raise ApiError where the user is there (CREATE) or is not (ALTER, DROP), as the engine says it."""
        del host
        there = any(one["name"] == name for one in self.users())
        if there and verb == "CREATE":
            raise invalid(f'failed to create user {name}. Detail: pq: role "{name}" already exists.')
        if not there and verb != "CREATE":
            raise ApiError(404, f"The user {name} does not exist.", reason="notFound")

    def create_user(self, name: str, host: str, body: Mapping[str, Any], password: str | None) -> None:
        """Make the role; done already where an operation is carried on with after a crash."""
        del host
        kind = str(body.get("type", "BUILT_IN"))
        if any(one["name"] == name for one in self.users()):
            return
        group = IAM_ROLES.get(kind, "cloudsqlsuperuser")
        secret = f" PASSWORD {literal(password)}" if password and kind == "BUILT_IN" else ""
        rights = "CREATEDB CREATEROLE" if kind == "BUILT_IN" else ""
        login = "NOLOGIN" if kind == "CLOUD_IAM_GROUP" else "LOGIN"
        if [group] not in postgres.run_sql(self.where, "SELECT rolname FROM pg_roles"):
            postgres.run_sql(self.where, f"CREATE ROLE {identifier(group)} NOLOGIN")
        self._run(
            f"CREATE ROLE {identifier(name)} {login} {rights} IN ROLE {identifier(group)}{secret}",
            f"failed to create user {name}. Detail: pq: ",
        )
        self._keep_policy(name, body)

    def change_user(self, name: str, host: str, body: Mapping[str, Any], password: str | None) -> None:
        """Another password, or another policy."""
        del host
        if password:
            sql = f"ALTER ROLE {identifier(name)} PASSWORD {literal(password)}"
            self._run(sql, f"failed to update user {name}. Detail: pq: ")
        self._keep_policy(name, body)

    def drop_user(self, name: str, host: str) -> None:
        """Drop the role; raises ApiError 400 where it owns something, which it keeps."""
        del host
        if not any(one["name"] == name for one in self.users()):
            return
        self._run(f"DROP ROLE {identifier(name)}", f"failed to delete user {name}: . ")
        if self.world.store.get(records.USER, self._named("users", name)) is not None:
            self.world.store.delete(records.USER, self._named("users", name))

    def _keep_policy(self, name: str, body: Mapping[str, Any]) -> None:
        if sent := body.get("passwordPolicy"):
            known = {"passwordPolicy": records.policy(self.world, sent)}
            self.world.store.put(records.USER, self._named("users", name), known)

    def _named(self, kind: str, name: str) -> str:
        return f"{records.name_of(self.resource)}/{kind}/{name}"

    def _run(self, statement: str, prefix: str) -> None:
        try:
            postgres.run_sql(self.where, statement)
        except PostgresError as error:
            detail = f" Details: {error.detail}" if error.detail and "depend" in str(error) else ""
            raise invalid(f"{prefix}{error}{detail}.") from error
