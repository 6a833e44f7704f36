"""Looking for the database: the instance, what is in it, and how its network is peered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler import errors
from reconciler.discovery.choosing import only
from reconciler.discovery.clues import Clues
from reconciler.gcp import fields as flat
from reconciler.gcp import vpc_access
from reconciler.gcp.cloud import Cloud
from reconciler.resources import servicenetworking_connection

_GOOGLES_DATABASES = frozenset({"postgres", "template0", "template1", "cloudsqladmin"})
_GOOGLES_USERS = ("postgres", "cloudsql")


def find_instance(
    cloud: Cloud, template: Mapping[str, Any], told: Clues, chosen: str, how: dict[str, str]
) -> dict[str, Any]:
    """The instance that the service's sockets, or an address in its settings, lead to; else the only one there is."""
    answer: Any = cloud.found(
        "listing instances", cloud.api("sqladmin", "v1").instances().list(project=cloud.project).execute
    )
    there = [
        one
        for one in flat.items(answer or {}, "items")
        if str(one.get("databaseVersion", "")).startswith("POSTGRES")
    ]
    sockets = [
        name
        for volume in flat.items(template, "volumes")
        for name in flat.words(volume, "cloudSqlInstance.instances")
    ]
    named = {told.instance, *sockets} - {""}
    at_host = [one for one in there if told.host and told.host.partition(":")[0] in _addresses(one)]
    if chosen:
        matching, how["instance"] = [one for one in there if one["name"] == chosen], "as you said"
    elif named:
        matching = [one for one in there if one.get("connectionName") in named]
        how["instance"] = "the service is connected to it"
    elif at_host:
        matching, how["instance"] = at_host, f"{told.said_by['host']} has its address"
    else:
        matching, how["instance"] = there, "the only one with PostgreSQL in the project"
    return only(
        matching,
        f"PostgreSQL instance{f' called {chosen}' if chosen else ' that could be its database'}",
        lambda one: f"--instance {one['name']}",
        "Name it: --instance NAME. What is not in this project, or not PostgreSQL, cannot be adopted.",
    )


def _addresses(instance: Mapping[str, Any]) -> set[str]:
    return {str(one.get("ipAddress")) for one in flat.items(instance, "ipAddresses")}


def find_database(cloud: Cloud, instance: Mapping[str, Any], told: Clues, how: dict[str, str]) -> str:
    """The database in it that the service's settings name; else the only one that somebody made."""
    request = cloud.api("sqladmin", "v1").databases().list(project=cloud.project, instance=instance["name"])
    there = _names(cloud, "listing databases", request.execute)
    if told.database in there:
        how["database"] = told.by("database")
        return told.database
    own = [name for name in there if name not in _GOOGLES_DATABASES]
    return _likely("database", own, how)


def find_user(cloud: Cloud, instance: Mapping[str, Any], told: Clues, how: dict[str, str]) -> str:
    """Whom the service logs in as, by its settings; else the only user that somebody made."""
    request = cloud.api("sqladmin", "v1").users().list(project=cloud.project, instance=instance["name"])
    there = _names(cloud, "listing database users", request.execute)
    if told.user in there:
        how["user"] = told.by("user")
        return told.user
    own = [name for name in there if not name.startswith(_GOOGLES_USERS) and "@" not in name]
    return _likely("user", own, how)


def _likely(what: str, there: list[str], how: dict[str, str]) -> str:
    """The only one; of several the one called mlflow, else the first, and that is told to be a guess."""
    if len(there) < 2:
        how[what] = "the only one that somebody made" if there else "Google's own, as nobody made another"
        return there[0] if there else "postgres"
    chosen = "mlflow" if "mlflow" in there else there[0]
    how[what] = f"a guess, for there are {', '.join(one for one in there if one != chosen)}, too"
    return chosen


def _names(cloud: Cloud, about: str, request: Callable[[], Any]) -> list[str]:
    try:
        answer: Any = cloud.found(about, request) or {}
    except errors.Refused as refused:
        raise errors.Refused(
            refused.message,
            way_out="A stopped instance tells nothing: gcloud sql instances patch NAME --activation-policy=ALWAYS.",
        ) from refused
    return [str(one["name"]) for one in flat.items(answer, "items")]


def find_ranges(cloud: Cloud, instance: Mapping[str, Any]) -> tuple[str, ...]:
    """The ranges of the peering of its network; none of a database without a private address."""
    network = str(flat.at(instance, "settings.ipConfiguration.privateNetwork") or "")
    if not network:
        return ()
    try:
        return tuple(servicenetworking_connection.reserved(cloud, vpc_access.relative(network)))
    except (errors.NotThere, errors.PermissionMissing, errors.Refused):
        return ()  # of a host project, which may tell us nothing
