"""The database that MLflow's tables live in."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler import errors
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import sqladmin_instance
from reconciler.server.naming import DATABASE, Names
from reconciler.spec.deployment import Deployment


class Database:
    """`sqladmin.database`."""

    name: str = "sqladmin.database"
    api: str = "sqladmin.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """One database, in UTF-8."""
        yield Desired(
            ref(names),
            {"charset": "UTF8"},
            needs=(sqladmin_instance.ref(names),),
            fixed=frozenset({"charset"}),
            holds_data=True,
            lane=sqladmin_instance.lane(names),
            part_of=sqladmin_instance.ref(names),
            origins={"": deployment.origin("database")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Its character set; None also while its instance is not there or not ready to tell."""
        instance, database = _names(ref)
        request = (
            cloud.api("sqladmin", "v1")
            .databases()
            .get(project=cloud.project, instance=instance, database=database)
        )
        try:
            found = cloud.found(f"reading database {database}", request.execute)
        except (errors.Refused, errors.AlreadyThere, errors.PermissionMissing):
            # What Google answers for an instance that is not there or not running; anything else is an error.
            if sqladmin_instance.usable(cloud, instance):
                raise
            return None
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
        except errors.ReconcileError:
            if self.observe(cloud, desired.ref) is None:
                raise

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Nothing of a database can be changed."""

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the database goes with its instance."""


def ref(names: Names) -> Ref:
    """MLflow's database."""
    return Ref(Database.name, f"{names.instance}/databases/{DATABASE}")


def _names(ref: Ref) -> tuple[str, str]:
    _, _, _, instance, _, database = ref.name.split("/")
    return instance, database
