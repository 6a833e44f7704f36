"""The Cloud SQL instance: PostgreSQL, reached by Cloud Run through a socket, never by an open network.

An empty patch still starts an operation, a second write during an operation is refused, and some settings must be
patched alone and in order; all of that is this module's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import operations, retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Json, Observed, Pending, Ref
from reconciler.server.naming import Names, labels_of, mark_of
from reconciler.spec.deployment import Deployment

DAYS = ("any", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Cloud SQL counts Monday as 1; 0 is any day."""
RESTARTS = "restarts the database: about a minute without it"
BACKUP = "settings.backupConfiguration"
WINDOW = "settings.maintenanceWindow"
LABELS = "settings.userLabels"
CHANGING = frozenset({"PENDING_CREATE", "MAINTENANCE", "ONLINE_MAINTENANCE", "REPAIRING", "PENDING_DELETE"})
USABLE = "RUNNABLE"
BROKEN = frozenset({"FAILED", "SUSPENDED"})
"""What no patch mends: an instance that could not be made, or that Google has taken out of service."""
ALONE = (("settings.activationPolicy",), ("databaseVersion",), ("settings.edition", "settings.tier"))
"""What must be patched alone, in this order, before the rest."""


class Instance:
    """`sqladmin.instance`."""

    name: str = "sqladmin.instance"
    api: str = "sqladmin.googleapis.com"
    tells: bool = True

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The instance with every setting that the spec has an opinion on; always its edition, whose default varies."""
        database = deployment.database
        body: Body = {
            "state": USABLE,
            "region": deployment.region,
            "databaseVersion": f"POSTGRES_{database.version}",
            "settings.activationPolicy": "ALWAYS",
            "settings.availabilityType": "ZONAL",
            "settings.tier": database.tier,
            "settings.edition": database.edition.upper().replace("-", "_"),
            "settings.dataDiskSizeGb": database.disk_gb,
            "settings.storageAutoResize": database.disk_autoresize,
            "settings.deletionProtectionEnabled": database.deletion_protection,
            "settings.ipConfiguration.ipv4Enabled": True,
            "settings.ipConfiguration.sslMode": "ENCRYPTED_ONLY",
            "settings.ipConfiguration.authorizedNetworks": [],
            f"{BACKUP}.enabled": database.backups.enabled,
            f"{BACKUP}.startTime": database.backups.start_time,
            f"{BACKUP}.backupRetentionSettings.retainedBackups": database.backups.keep,
            f"{WINDOW}.day": DAYS.index(database.maintenance.day),
            # Any day is the absence of a window, which Google shows as hour 0.
            f"{WINDOW}.hour": database.maintenance.hour if database.maintenance.day != "any" else 0,
            **flat.prefixed(LABELS, labels_of(deployment)),
        }
        yield Desired(
            ref(names),
            body,
            fixed=frozenset({"region", "state"}),
            only_up=frozenset({"databaseVersion"}),
            floors=frozenset({"settings.dataDiskSizeGb"}),
            holds_data=True,
            lane=lane(names),
            guard="settings.deletionProtectionEnabled",
            effects=_effects(),
            mark=mark_of(deployment, "settings.userLabels"),
            origins=_origins(deployment),
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The instance; versioned by settingsVersion, busy while it is being created or changed."""
        found = cloud.found(f"reading instance {ref.short}", _get(cloud, ref).execute)
        if found is None:
            return None
        state = str(found.get("state", ""))
        busy = state if state in CHANGING else ""
        note = "" if state in {USABLE, *CHANGING} else f"its state is {state}"
        version = str(flat.at(found, "settings.settingsVersion") or "")
        return Observed(ref, _body(found), version=version, busy=busy, note=note)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait; one that is being created already is waited for."""
        body: dict[str, Any] = {**_message(desired.body or {}, desired.body or {}), "name": desired.ref.short}
        if body["settings"].get("maintenanceWindow") is None:
            del body["settings"]["maintenanceWindow"]
        about = f"creating instance {desired.ref.short}"
        request = cloud.api("sqladmin", "v1").instances().insert(project=cloud.project, body=body)
        try:
            operation = cloud.call(about, request.execute)
        except errors.AlreadyThere as error:
            settle(cloud, desired.ref)
            if self.observe(cloud, desired.ref) is None:
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
        """PATCH in the order that Cloud SQL demands, each on a fresh settingsVersion, each waited for."""
        if not fields:
            settle(cloud, desired.ref)
        rest = set(fields)
        for group in ALONE:
            self._patch(cloud, desired, sorted(rest.intersection(group)))
            rest.difference_update(group)
        self._patch(cloud, desired, sorted(rest))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it; Cloud SQL refuses while its deletion protection is on."""
        about = f"deleting instance {ref.short}"
        request = cloud.api("sqladmin", "v1").instances().delete(project=cloud.project, instance=ref.short)
        try:
            operation = cloud.call(about, request.execute, retries.SQL)
        except errors.NotThere:
            return
        operations.sql_done(cloud, about, operation)

    def _patch(self, cloud: Cloud, desired: Desired, fields: Collection[str]) -> None:
        if not fields:
            return
        about = f"updating instance {desired.ref.short}"
        settle(cloud, desired.ref)
        live = cloud.call(about, _get(cloud, desired.ref).execute)
        body = _message(desired.body or {}, fields)
        settings = body.setdefault("settings", {})
        settings["settingsVersion"] = flat.at(live, "settings.settingsVersion")
        if "userLabels" in settings:
            settings["userLabels"] = flat.with_map(flat.at(live, LABELS), settings["userLabels"])
        request = (
            cloud.api("sqladmin", "v1")
            .instances()
            .patch(project=cloud.project, instance=desired.ref.short, body=body)
        )
        operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.SQL))


def ref(names: Names) -> Ref:
    """The deployment's instance."""
    return Ref(Instance.name, names.instance)


def lane(names: Names) -> str:
    """Cloud SQL runs one operation at a time per instance, its databases and users included."""
    return f"sql:{names.instance}"


def usable(cloud: Cloud, instance: str) -> bool:
    """Whether the instance can be asked about its databases and users. Asked only after such a question failed."""
    request = cloud.api("sqladmin", "v1").instances().get(project=cloud.project, instance=instance)
    found = cloud.found(f"reading instance {instance}", request.execute)
    return bool(
        found and found.get("state") == "RUNNABLE" and flat.at(found, "settings.activationPolicy") != "NEVER"
    )


def settle(cloud: Cloud, ref: Ref) -> None:
    """Wait for the operation that is running on the instance, whoever started it."""
    about = f"waiting for instance {ref.short}"
    listed = (
        cloud.api("sqladmin", "v1")
        .operations()
        .list(project=cloud.project, instance=ref.short, maxResults=10)
    )
    for operation in flat.items(cloud.call(about, listed.execute), "items"):
        if operation.get("status") != "DONE":
            operations.sql_done(cloud, about, operation)


def _left_behind(cloud: Cloud, ref: Ref) -> str:
    """What to do about an instance whose creation failed."""
    command = f"gcloud sql instances delete {ref.short} --project {cloud.project}"
    return f"Where it stays behind as FAILED, delete it and run this again: {command}"


def _get(cloud: Cloud, ref: Ref) -> Any:
    return cloud.api("sqladmin", "v1").instances().get(project=cloud.project, instance=ref.short)


def _body(instance: Mapping[str, Any]) -> dict[str, Json]:
    """Only what `desired` may ask for; absent booleans are false, int64 come as strings."""
    networks = flat.items(instance, "settings.ipConfiguration.authorizedNetworks")
    plain: dict[str, Json] = {path: flat.at(instance, path) for path in _PLAIN}
    state = str(instance.get("state", ""))
    return {
        "state": state if state in BROKEN else USABLE,
        **plain,
        **{path: bool(flat.at(instance, path)) for path in _BOOLEAN},
        **{path: flat.integer(flat.at(instance, path)) for path in _NUMBER},
        "settings.ipConfiguration.authorizedNetworks": sorted(
            str(network.get("value")) for network in networks
        ),
        f"{WINDOW}.day": flat.integer(flat.at(instance, f"{WINDOW}.day")) or 0,
        f"{WINDOW}.hour": flat.integer(flat.at(instance, f"{WINDOW}.hour")) or 0,
        **flat.prefixed(LABELS, flat.at(instance, LABELS)),
    }


_PLAIN = (
    "createTime",
    "region",
    "databaseVersion",
    "settings.activationPolicy",
    "settings.availabilityType",
    "settings.tier",
    "settings.edition",
    "settings.ipConfiguration.sslMode",
    f"{BACKUP}.startTime",
)
_BOOLEAN = (
    "settings.storageAutoResize",
    "settings.deletionProtectionEnabled",
    "settings.ipConfiguration.ipv4Enabled",
    f"{BACKUP}.enabled",
)
_NUMBER = ("settings.dataDiskSizeGb", f"{BACKUP}.backupRetentionSettings.retainedBackups")


def _message(body: Body, fields: Collection[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {field: body[field] for field in fields if field != "state"}
    if "settings.dataDiskSizeGb" in chosen:
        chosen["settings.dataDiskSizeGb"] = str(chosen["settings.dataDiskSizeGb"])
    if f"{BACKUP}.backupRetentionSettings.retainedBackups" in chosen:
        chosen[f"{BACKUP}.backupRetentionSettings.retentionUnit"] = "COUNT"
    if f"{WINDOW}.day" in chosen or f"{WINDOW}.hour" in chosen:
        chosen = {field: value for field, value in chosen.items() if not field.startswith(WINDOW)}
        window = {"day": body[f"{WINDOW}.day"], "hour": body[f"{WINDOW}.hour"]}
        chosen[WINDOW] = window if window["day"] else None
    labels = flat.under(LABELS, chosen)
    message = flat.nested({key: value for key, value in chosen.items() if not key.startswith(f"{LABELS}.")})
    if labels:
        message.setdefault("settings", {})["userLabels"] = labels
    return message


def _effects() -> dict[str, str]:
    return {
        "state": "Cloud SQL could not make it, or took it out of service: look at gcloud sql operations list, save "
        "what is in it and delete it by hand; its name then stays taken for up to a week",
        "settings.tier": RESTARTS,
        "settings.edition": RESTARTS,
        "settings.activationPolicy": "starts the database; it was stopped",
        "databaseVersion": "a major upgrade: minutes without the database, and no way back",
        "settings.ipConfiguration.authorizedNetworks": "closes the database to these networks",
    }


def _origins(deployment: Deployment) -> dict[str, Any]:
    at = deployment.origin
    return {
        "": at("database"),
        "region": at("region"),
        "state": at("database"),
        "databaseVersion": at("database.version"),
        "settings.tier": at("database.tier"),
        "settings.edition": at("database.edition"),
        "settings.dataDiskSizeGb": at("database.disk_gb"),
        "settings.storageAutoResize": at("database.disk_autoresize"),
        "settings.deletionProtectionEnabled": at("database.deletion_protection"),
        "settings.ipConfiguration.ipv4Enabled": at("networking.database_ip"),
        f"{BACKUP}.enabled": at("database.backups.enabled"),
        f"{BACKUP}.startTime": at("database.backups.start_time"),
        f"{BACKUP}.backupRetentionSettings.retainedBackups": at("database.backups.keep"),
        f"{WINDOW}.day": at("database.maintenance.day"),
        f"{WINDOW}.hour": at("database.maintenance.hour"),
        **{f"{LABELS}.{key}": at(f"labels.{key}") for key in deployment.labels},
    }


def born(names: Names) -> Pending:
    """When the instance was made: what was done to another one of the same name does not count."""
    return Pending(ref(names), "createTime", reason="known after the instance is made")
