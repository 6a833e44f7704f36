"""The Cloud SQL instance: PostgreSQL, reached by Cloud Run through a socket, never by an open network.

An empty patch still starts an operation, a second write during an operation is refused, and some settings must be
patched alone and in order; all of that is this module's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries, sql_work
from reconciler.gcp import sql_settings as sql
from reconciler.gcp.cloud import Cloud
from reconciler.kind import refuse_foreign
from reconciler.model import Body, Desired, Observed, Origin, Pending, Ref
from reconciler.resources import cloudkms_key_iam, servicenetworking_connection
from reconciler.server import flags, networks
from reconciler.server.naming import Names, labels_of, mark_of
from reconciler.spec.deployment import DenyPeriod, Deployment

DAYS = ("any", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Cloud SQL counts Monday as 1; 0 is any day."""
LEAVING = "PENDING_DELETE"
CHANGING = frozenset({"PENDING_CREATE", "MAINTENANCE", "ONLINE_MAINTENANCE", "REPAIRING", LEAVING})


class Instance:
    """`sqladmin.instance`."""

    name: str = "sqladmin.instance"
    api: str = "sqladmin.googleapis.com"
    tells: bool = True

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The instance with every setting that the spec has an opinion on; always its edition, whose default varies."""
        keys = tuple(cloudkms_key_iam.ref(key) for key in (deployment.database.kms_key,) if key)
        yield Desired(
            ref(names),
            _wanted(deployment),
            needs=(servicenetworking_connection.ref(deployment), *keys),
            grave={sql.NETWORKS: networks.EVERYBODY},
            fixed=frozenset({"region", "state", sql.KEY}),
            complete=(f"{sql.FLAGS}.",),
            plain=(f"{sql.FLAGS}.",),
            only_up=frozenset({"databaseVersion", sql.DISK}),
            floors=frozenset({sql.DISK} if deployment.database.disk_autoresize else ()),
            stuck={sql.DISK: "let database.disk_gb say what there is"},
            holds_data=True,
            lane=lane(names),
            guard="settings.deletionProtectionEnabled",
            effects=_effects(deployment),
            mark=mark_of(deployment, "settings.userLabels"),
            origins=_origins(deployment),
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The instance; versioned by settingsVersion, busy while it is being created or changed."""
        found = read(cloud, ref)
        if found is None:
            return None
        state = str(found.get("state", ""))
        busy = state if state in CHANGING else ""
        note = "" if state in {sql.USABLE, *CHANGING} else f"its state is {state}"
        version = str(flat.at(found, "settings.settingsVersion") or "")
        return Observed(ref, sql.body(found), version=version, busy=busy, note=note, leaves=_leaves(found))

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait; one that is being created already is waited for."""
        body: dict[str, Any] = {
            **sql.message(desired.body or {}, desired.body or {}),
            "name": desired.ref.short,
        }
        configuration: dict[str, Any] = body["settings"]["ipConfiguration"]
        configuration["ipv4Enabled"] = "privateNetwork" not in configuration
        if body["settings"].get("maintenanceWindow") is None:
            del body["settings"]["maintenanceWindow"]
        about = f"creating instance {desired.ref.short}"
        request = cloud.api("sqladmin", "v1").instances().insert(project=cloud.project, body=body)
        try:
            operation = cloud.call(about, request.execute)
        except errors.AlreadyThere as error:
            sql_work.settle(cloud, desired.ref.short)
            cloud.forget()
            found = self.observe(cloud, desired.ref)
            refuse_foreign(desired, found)
            if found is None:
                raise errors.Refused(
                    error.message,
                    way_out="A deleted instance's name can stay taken for a week; choose another name.",
                ) from error
            return
        try:
            operations.sql_done(cloud, about, operation)
        except errors.OperationFailed as error:
            raise errors.OperationFailed(
                error.message, way_out=_left_behind(cloud, desired.ref), reason=error.reason
            ) from error

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH in the order that Cloud SQL demands, each on a fresh settingsVersion, each waited for.

        What was going on is waited for first, and planned anew then: it may be our own, of a run that was killed.
        """
        sql_work.replan_if_busy(cloud, desired.ref.short)
        planned_on = observed.version
        for group in sql.steps(desired.body or {}, fields):
            self._patch(cloud, desired, group, planned_on)
            planned_on = ""  # it is another one now, by our own hand

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it, with the last backup that its settings ask for; refused while its deletion protection is on."""
        about = f"deleting instance {ref.short}"

        def attempt() -> None:
            # Read before each attempt: one whose answer was lost may have begun it, or a run that was killed.
            found = cloud.found(f"reading instance {ref.short}", _get(cloud, ref).execute)
            if found is None:
                return
            if found.get("state") == LEAVING:
                sql_work.settle(cloud, ref.short)
                return
            days = _final_backup_days(found)
            last = {"enableFinalBackup": True, "finalBackupTtlDays": str(days)} if days else {}
            instances = cloud.api("sqladmin", "v1").instances()
            request = instances.delete(project=cloud.project, instance=ref.short, **last)
            try:
                operation = cloud.call(about, request.execute, retries.NEVER)
            except errors.NotThere:
                return
            operations.sql_done(cloud, about, operation)

        retries.persist(retries.SQL, attempt, cloud.pause)

    def _patch(self, cloud: Cloud, desired: Desired, fields: Collection[str], planned_on: str) -> None:
        about = f"updating instance {desired.ref.short}"
        live = cloud.call(about, _get(cloud, desired.ref).execute)
        body = sql.message(desired.body or {}, fields)
        settings = body.setdefault("settings", {})
        settings["settingsVersion"] = version = flat.at(live, "settings.settingsVersion")
        if planned_on not in {"", version}:
            raise errors.VersionMoved(f"{about}: it was changed since it was read")
        if "userLabels" in settings:
            settings["userLabels"] = flat.with_map(flat.at(live, sql.LABELS), settings["userLabels"])
        instances = cloud.api("sqladmin", "v1").instances()
        request = instances.patch(project=cloud.project, instance=desired.ref.short, body=body)
        operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.SQL))


def ref(names: Names) -> Ref:
    """The deployment's instance."""
    return Ref(Instance.name, names.instance)


def lane(names: Names) -> str:
    """Cloud SQL runs one operation at a time per instance, its databases and users included."""
    return f"sql:{names.instance}"


def read(cloud: Cloud, ref: Ref) -> Any:
    """The instance as Cloud SQL shows it, None where there is none; read once for all who ask about it."""
    return cloud.once(ref, lambda: cloud.found(f"reading instance {ref.short}", _get(cloud, ref).execute))


def _left_behind(cloud: Cloud, ref: Ref) -> str:
    """What to do about an instance whose creation failed."""
    command = f"gcloud sql instances delete {ref.short} --project {cloud.project}"
    return f"Where it stays behind as FAILED, delete it and run this again: {command}"


def _get(cloud: Cloud, ref: Ref) -> Any:
    return cloud.api("sqladmin", "v1").instances().get(project=cloud.project, instance=ref.short)


def _final_backup_days(instance: Mapping[str, Any]) -> int:
    """For how many days the instance's last backup would be kept; 0 where none is asked for, or can be made."""
    config: Mapping[str, Any] = flat.at(instance, sql.FINAL) or {}
    if not config.get("enabled") or instance.get("state") != sql.USABLE:
        return 0
    return int(config.get("retentionDays") or 0)


def _leaves(instance: Mapping[str, Any]) -> str:
    days = _final_backup_days(instance)
    return f"a last backup of it is kept for {days} days: gcloud sql backups list" if days else ""


def _wanted(deployment: Deployment) -> Body:
    database = deployment.database
    backups, maintenance = database.backups, database.maintenance
    days = database.final_backup_days
    return {
        "state": sql.USABLE,
        "region": deployment.region,
        "databaseVersion": f"POSTGRES_{database.version}",
        sql.KEY: database.kms_key or None,
        "settings.activationPolicy": "ALWAYS",
        "settings.availabilityType": database.availability.upper(),
        "settings.tier": database.tier,
        "settings.edition": database.edition.upper().replace("-", "_"),
        sql.DISK: database.disk_gb,
        "settings.storageAutoResize": database.disk_autoresize,
        "settings.storageAutoResizeLimit": database.disk_limit_gb,
        "settings.deletionProtectionEnabled": database.deletion_protection,
        # Of a public database nothing is said: one that was private keeps that address for good.
        **({sql.NETWORK: networks.network(deployment)} if deployment.networking.private else {}),
        "settings.ipConfiguration.sslMode": "ENCRYPTED_ONLY",
        sql.NETWORKS: [],
        f"{sql.BACKUP}.enabled": backups.enabled,
        f"{sql.BACKUP}.startTime": backups.start_time,
        sql.KEPT_BACKUPS: backups.keep,
        sql.RECOVERY: backups.point_in_time_recovery,
        # Without logs it means nothing, and its default differs from edition to edition.
        **({sql.LOG_DAYS: backups.log_days} if backups.point_in_time_recovery else {}),
        f"{sql.WINDOW}.day": DAYS.index(maintenance.day),
        # Any day is the absence of a window, which Google shows as hour 0.
        f"{sql.WINDOW}.hour": maintenance.hour if maintenance.day != "any" else 0,
        sql.DENIED: _denied(maintenance.deny_period),
        sql.INSIGHTS: database.query_insights,
        f"{sql.FINAL}.enabled": days > 0,
        f"{sql.FINAL}.retentionDays": days,
        **flat.prefixed(sql.FLAGS, database.flags),
        **flat.prefixed(sql.LABELS, labels_of(deployment)),
    }


def _denied(period: DenyPeriod) -> list[str]:
    return [sql.denied(period.start, period.end, f"{period.time}:00")] if period.start else []


def _effects(deployment: Deployment) -> dict[str, str]:
    return {
        "state": "Cloud SQL could not make it, or took it out of service: look at gcloud sql operations list, save "
        "what is in it and delete it by hand; its name then stays taken for up to a week",
        "settings.tier": flags.RESTARTS,
        "settings.edition": flags.RESTARTS,
        "settings.availabilityType": f"{flags.RESTARTS}; a second machine with its own disk doubles the price of both",
        "settings.activationPolicy": "starts the database; it was stopped",
        "databaseVersion": "a major upgrade: minutes without the database, and no way back",
        sql.NETWORKS: "closes the database to these networks",
        sql.NETWORK: "gives the database a private address in this network, for good: Cloud SQL cannot take it away "
        "again; minutes without the database",
        sql.RECOVERY: f"{flags.RESTARTS}; turned off, the logs kept so far are gone",
        sql.FLAGS: "may restart the database",
        **{f"{sql.FLAGS}.{flag}": flags.effect(flag) for flag in deployment.database.flags},
    }


_KEYS = {
    "": "database",
    "region": "region",
    "state": "database",
    "databaseVersion": "database.version",
    sql.KEY: "database.kms_key",
    "settings.availabilityType": "database.availability",
    "settings.tier": "database.tier",
    "settings.edition": "database.edition",
    sql.DISK: "database.disk_gb",
    "settings.storageAutoResize": "database.disk_autoresize",
    "settings.storageAutoResizeLimit": "database.disk_limit_gb",
    "settings.deletionProtectionEnabled": "database.deletion_protection",
    sql.NETWORK: "networking.network",
    f"{sql.BACKUP}.enabled": "database.backups.enabled",
    f"{sql.BACKUP}.startTime": "database.backups.start_time",
    sql.KEPT_BACKUPS: "database.backups.keep",
    sql.RECOVERY: "database.backups.point_in_time_recovery",
    sql.LOG_DAYS: "database.backups.log_days",
    f"{sql.WINDOW}.day": "database.maintenance.day",
    f"{sql.WINDOW}.hour": "database.maintenance.hour",
    sql.DENIED: "database.maintenance.deny_period",
    sql.INSIGHTS: "database.query_insights",
    f"{sql.FINAL}.enabled": "database.final_backup_days",
    f"{sql.FINAL}.retentionDays": "database.final_backup_days",
    sql.FLAGS: "database.flags",
}
"""Which key of a spec asks for which field."""


def _origins(deployment: Deployment) -> dict[str, Origin]:
    keys = {
        **_KEYS,
        **{f"{sql.FLAGS}.{flag}": f"database.flags.{flag}" for flag in deployment.database.flags},
        **{f"{sql.LABELS}.{label}": f"labels.{label}" for label in deployment.labels},
    }
    return {field: deployment.origin(key) for field, key in keys.items()}


def born(names: Names) -> Pending:
    """When the instance was made: what was done to another one of the same name does not count."""
    return Pending(ref(names), "createTime", reason="known after the instance is made")
