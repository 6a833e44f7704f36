"""The databases: one that MLflow's tables live in, and one for the users where MLflow keeps its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler import errors
from reconciler.gcp import operations, retries, sql_work
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import sqladmin_instance
from reconciler.server.naming import USER_DATABASES, Names
from reconciler.spec.deployment import Deployment


class Database:
    """`sqladmin.database`."""

    name: str = "sqladmin.database"
    api: str = "sqladmin.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """MLflow's own, and one for each mode that has users; all in UTF-8, and kept when the mode changes."""
        for database, mode in (
            (names.database, ""),
            *((held, mode) for mode, held in USER_DATABASES.items()),
        ):
            yield Desired(
                ref(names, database),
                {"charset": "UTF8"} if mode in {"", deployment.auth.mode} else None,
                needs=(sqladmin_instance.ref(names),),
                fixed=frozenset({"charset"}),
                holds_data=True,
                lane=sqladmin_instance.lane(names),
                part_of=sqladmin_instance.ref(names),
                origins={"": deployment.origin("auth.mode" if mode else "database")},
            )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Its character set; None also while its instance is not there or not ready to tell."""
        instance, database = _names(ref)
        listed = sql_work.answered(
            cloud, instance, lambda: cloud.once(("databases", instance), lambda: _listed(cloud, instance))
        )
        found = next((one for one in listed or () if one.get("name") == database), None)
        return None if found is None else Observed(ref, {"charset": found.get("charset")})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait; one that is there already is as good."""
        instance, database = _names(desired.ref)
        about = f"creating database {database}"
        body = {"name": database, "charset": "UTF8", "project": cloud.project, "instance": instance}
        request = (
            cloud.api("sqladmin", "v1")
            .databases()
            .insert(project=cloud.project, instance=instance, body=body)
        )
        try:
            operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.SQL))
        except errors.Interrupted:
            raise
        except errors.ReconcileError:
            cloud.forget()
            if self.observe(cloud, desired.ref) is None:
                raise

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Nothing of a database can be changed."""

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the database goes with its instance."""


def ref(names: Names, database: str = "") -> Ref:
    """MLflow's database, or another one beside it."""
    return Ref(Database.name, f"{names.instance}/databases/{database or names.database}")


def _listed(cloud: Cloud, instance: str) -> list[dict[str, Any]]:
    """Every database of the instance, in one request however many of them are asked about."""
    request = cloud.api("sqladmin", "v1").databases().list(project=cloud.project, instance=instance)
    found: dict[str, Any] = cloud.found(f"reading the databases of {instance}", request.execute) or {}
    return found.get("items", [])


def _names(ref: Ref) -> tuple[str, str]:
    _, _, _, instance, _, database = ref.name.split("/")
    return instance, database
