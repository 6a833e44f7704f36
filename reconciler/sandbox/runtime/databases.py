"""The PostgreSQL of each Cloud SQL instance: found by the instance's name, started when first needed."""

import threading
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.networking import vpc
from reconciler.sandbox.runtime import pg_binaries, postgres
from reconciler.sandbox.runtime.pg_binaries import Flag
from reconciler.sandbox.runtime.postgres import Cluster
from reconciler.sandbox.world import World

INSTANCE: Final = "sqladmin.instance"
"""The store's kind of an instance, by "projects/PROJECT/instances/NAME"."""


class Databases:
    """The clusters of this sandbox; one change at a time for each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()
        self._flags: Mapping[str, Flag] | None = None

    def cluster(self, project: str, region: str, name: str) -> Cluster:
        """The cluster of an instance, running or not."""
        return postgres.cluster(self._world.home, project, region, name)

    def lock(self, project: str, name: str) -> threading.RLock:
        """Held while the cluster of an instance is made, changed or stopped."""
        with self._guard:
            return self._locks.setdefault(f"{project}/{name}", threading.RLock())

    def running(self, project: str, name: str) -> Cluster | None:
        """The cluster of an instance that should run, started where it does not; None where it should not."""
        stored = self._world.store.get(INSTANCE, f"projects/{project}/instances/{name}")
        if stored is None or not should_run(stored["resource"]) or not has_database(stored["resource"]):
            return None
        where = self.cluster(project, stored["resource"]["region"], name)
        with self.lock(project, name):
            if postgres.exists(where):
                postgres.start(where)
                return where
        return None

    def private_address(self, name: str, network: str) -> str:
        """The address of the instance PROJECT:REGION:NAME, where it cannot be reached from *network*; else "".

        An instance with a public address is reached from anywhere: by that address Cloud Run connects to it.
        """
        project, _, rest = name.partition(":")
        stored = self._world.store.get(INSTANCE, f"projects/{project}/instances/{rest.partition(':')[2]}")
        if stored is None:
            return ""
        addresses = {one["type"]: one["ipAddress"] for one in stored["resource"].get("ipAddresses", ())}
        own = stored["resource"]["settings"]["ipConfiguration"].get("privateNetwork", "")
        if "PRIMARY" in addresses or "PRIVATE" not in addresses:
            return ""
        reached = vpc.full_name(self._world, project, "global/networks", own) == network
        return "" if reached else addresses["PRIVATE"]

    def flags(self) -> Mapping[str, Flag]:
        """The database flags that this machine's PostgreSQL knows, by name."""
        if self._flags is None:
            self._flags = pg_binaries.flags(pg_binaries.installations(self._world.home)[0])
        return self._flags

    def shown(self) -> list[dict[str, Any]]:
        """Every instance: what Cloud SQL calls its version, which PostgreSQL serves it, and where it is reached."""
        found: list[dict[str, Any]] = []
        for _, stored in self._world.store.list(INSTANCE):
            resource = stored["resource"]
            project, region, name = resource["project"], resource["region"], resource["name"]
            where = self.cluster(project, region, name)
            real = has_database(resource) and postgres.exists(where)
            found.append(
                {
                    "project": project,
                    "region": region,
                    "name": name,
                    "version": resource["databaseVersion"],
                    "served_by": _server(where) if real else "",
                    "state": "stopped" if not should_run(resource) else resource["state"].lower(),
                    "socket": str(where.sockets) if real else "",
                }
            )
        return found

    def start_all(self) -> None:
        """Start what should run, one after the other; what cannot start says so in its own log and when it is used."""
        for _, stored in self._world.store.list(INSTANCE):
            resource = stored["resource"]
            try:
                self.running(resource["project"], resource["name"])
            except SandboxError as error:
                print(f"{error} {error.way_out}")  # noqa: T201 -- the sandbox's own log

    def stop_all(self) -> None:
        """Stop every cluster."""
        postgres.stop_all(self._world.home)


def should_run(resource: Mapping[str, Any]) -> bool:
    """Whether the instance is up, by its state and activation policy."""
    return resource["state"] == "RUNNABLE" and resource["settings"].get("activationPolicy") == "ALWAYS"


def has_database(resource: Mapping[str, Any]) -> bool:
    """Whether a PostgreSQL stands behind the instance: MySQL, SQL Server and read replicas are records alone."""
    primary = resource.get("instanceType", "CLOUD_SQL_INSTANCE") == "CLOUD_SQL_INSTANCE"
    return primary and str(resource["databaseVersion"]).startswith("POSTGRES")


def _server(where: postgres.Cluster) -> str:
    try:
        return f"PostgreSQL {postgres.major(where)}"
    except FileNotFoundError:
        return ""  # it is being made, or taken away, at this very moment
