"""The spec of what was found.

What somebody chose is described as it is. What nobody chose, because it is Google's default, and what leaves the
deployment open is left to the schema's defaults: that is what the first plan then proposes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler import errors
from reconciler.discovery import clues
from reconciler.discovery.describe_storage import describe_storage
from reconciler.discovery.parts import EVERYBODY, Parts
from reconciler.discovery.said import Said
from reconciler.gcp import fields as flat
from reconciler.gcp import vpc_access
from reconciler.masking import has_login
from reconciler.resources.sqladmin_instance import DAYS
from reconciler.server import capacity, reserved, settings
from reconciler.spec.schema import at, load_schema

GOOGLES_INSTANCES = 100
GOOGLES_TIMEOUT = "300s"
"""Cloud Run's own defaults."""
OLDEST = 14
"""The oldest major version of PostgreSQL that a spec can ask for."""
_INGRESS = {
    "INGRESS_TRAFFIC_INTERNAL_ONLY": "internal",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER": "internal-and-load-balancer",
}
_EGRESS = {"ALL_TRAFFIC": "all-traffic", "PRIVATE_RANGES_ONLY": "private-ranges-only"}
_APPS = {"basic-auth": "mlflow", "oidc-auth": "oidc"}
"""MLflow's `--app-name`, and the auth mode that it comes to."""


def describe(parts: Parts) -> Said:
    """The spec. Raises `Protected` where no spec can describe what was found."""
    said = Said()
    _refuse_what_cannot_be_said(parts)
    if owners := _other_owners(parts):
        said.note("version", f"Labels say that {owners} manages it: take it out of those hands first.")
    said.say("version", 1)
    said.say("name", parts.name, "the service's name, and with it its URL")
    said.say("project", parts.project)
    said.say("region", parts.region)
    _networking(said, parts)
    _auth(said, parts)
    _size(said, parts)
    _database(said, parts)
    describe_storage(said, parts)
    _server(said, parts)
    return said


def _other_owners(parts: Parts) -> str:
    """Which tools have put their label on service, instance or bucket."""
    places = ((parts.service, "labels"), (parts.settings, "userLabels"), (parts.bucket, "labels"))
    everywhere = [flat.section(body, name) for body, name in places]
    found = {str(labels["managed-by"]) for labels in everywhere if labels.get("managed-by")}
    if any(labels.get("goog-terraform-provisioned") for labels in everywhere):
        found.add("terraform")
    return " and ".join(sorted(found))


def _refuse_what_cannot_be_said(parts: Parts) -> None:
    def unfit(message: str, way_out: str) -> errors.Protected:
        return errors.Protected(f"{parts.name} cannot be adopted as it is: {message}", way_out=way_out)

    name = _schema("name")
    if not (re.fullmatch(name["pattern"], parts.name) and len(parts.name) <= name["maxLength"]):
        raise unfit(
            f"its name is longer than {name['maxLength']} characters",
            "Deploy it once more under a shorter name, beside this one, and adopt that.",
        )
    if parts.instance.get("region") != parts.region:
        raise unfit(
            f"its database is in {parts.instance.get('region')}, and it in {parts.region}: a spec has one region",
            "Deploy the service once more in the database's region, and adopt that: it holds no data.",
        )
    if (count := len(flat.items(parts.template, "containers"))) > 1:
        raise unfit(f"it has {count} containers: a spec has one", "Deploy it once more with MLflow's alone.")
    database = _schema("database")["properties"]
    for what, value in (("name", parts.database), ("user", parts.user)):
        if not re.fullmatch(database[what]["pattern"], value):
            raise unfit(
                f"its database{' user' if what == 'user' else ''} is called {value}",
                "A spec says letters, digits, _ and -, and a user with a password: make one that owns the tables.",
            )
    tier = str(parts.settings.get("tier"))
    if not re.fullmatch(database["tier"]["pattern"], tier):
        raise unfit(
            f"its database is of the old tier {tier}", "Change the instance's tier first (a restart)."
        )


def _networking(said: Said, parts: Parts) -> None:
    configuration: Mapping[str, Any] = parts.settings.get("ipConfiguration") or {}
    network = str(configuration.get("privateNetwork") or "")
    if network and not configuration.get("ipv4Enabled"):
        _, owner, _, _, short = vpc_access.relative(network).split("/")
        said.say(
            "networking.database_ip", "private", "as it is; for good, Cloud SQL takes no private address away"
        )
        said.say("networking.network", short)
        said.say("networking.host_project", "" if owner == parts.project else owner)
        said.say("networking.peering_range", parts.ranges[0] if parts.ranges else "")
        _way_in(said, parts, short)
    elif network:
        said.note(
            "networking",
            "The database has a private address, too; database_ip: private takes the public one away.",
        )
    said.say("networking.ingress", _INGRESS.get(str(parts.service.get("ingress")), "all"))
    hosts = list(_hosts(parts))
    said.say("networking.allowed_hosts", hosts, "the names that clients may know it by" if hosts else "")


def _way_in(said: Said, parts: Parts, network: str) -> None:
    access: Mapping[str, Any] = parts.template.get("vpcAccess") or {}
    subnet = next((str(one.get("subnetwork") or "") for one in flat.items(access, "networkInterfaces")), "")
    short = subnet.rpartition("/")[2]
    said.say("networking.subnetwork", "" if short == network else short)
    said.say("networking.vpc_egress", _EGRESS.get(str(access.get("egress")), "private-ranges-only"))
    if connector := str(access.get("connector") or "").rpartition("/")[2]:
        remark = f"needs no machines, as connector {connector} does; delete that when nobody else uses it"
        said.say("networking.egress", "direct", remark)


def _hosts(parts: Parts) -> Iterator[str]:
    """Every exact name but the one that is always allowed; patterns could match a stranger's service."""
    shape = _schema("networking.allowed_hosts")["items"]["pattern"]
    own = f"{parts.name}-{parts.number}.{parts.region}.run.app"
    urls = [str(url) for url in parts.service.get("urls") or [parts.service.get("uri", "")]]
    told = clues.environment(parts.container).get("MLFLOW_SERVER_ALLOWED_HOSTS", "").split(",")
    for host in dict.fromkeys([*(urlsplit(url).netloc for url in urls), *(one.strip() for one in told)]):
        if re.fullmatch(shape, host) and host not in (own, "127.0.0.1") and not host.startswith("127."):
            yield host


def _auth(said: Said, parts: Parts) -> None:
    mode = _APPS.get(parts.clues.app, "")
    invokers = [one for one in parts.invokers if one != EVERYBODY]
    if parts.service.get("iapEnabled"):
        said.say("auth.mode", "iap", "Identity-Aware Proxy, as it is")
        said.say("auth.accessors", list(parts.accessors))
    elif mode == "oidc":
        said.say("auth.mode", "oidc", "as it is; its users and permissions begin anew, in the database")
        _provider(said, parts)
    elif mode:
        said.say(
            "auth.mode", mode, "as it is; its users begin anew where they were in a file of the container"
        )
    elif parts.open:
        username = clues.environment(parts.container).get("MLFLOW_TRACKING_USERNAME", "")
        shape = _schema("auth.username")["pattern"]
        said.say(
            "auth.mode",
            "basic",
            "everybody on the internet can call it: nobody gets past this without a password",
        )
        said.say("auth.username", username if re.fullmatch(shape, username) else "mlflow")
    else:
        said.say("auth.mode", "iam", "Cloud Run asks for an identity, as it does now")
        said.say("auth.invokers", invokers)
    if mode and not parts.open:
        said.say("auth.behind_iam", True)
        said.say("auth.invokers", invokers)


def _provider(said: Said, parts: Parts) -> None:
    told, kept = clues.environment(parts.container), clues.from_secrets(parts.container, parts.ids)
    for variable, key in settings.PROVIDER.items():
        value = told.get(variable, "")
        many = isinstance(_schema(key).get("default"), list)
        if value and not has_login(value):
            said.say(key, [one.strip() for one in value.split(",")] if many else value)
    secret = kept.get("OIDC_CLIENT_SECRET", "latest")
    if not secret.endswith("latest"):  # a spec pins it
        said.say("auth.oidc.client_secret", secret)


def _schema(key: str) -> Mapping[str, Any]:
    return at(load_schema(), tuple(key.split(".")))


def _size(said: Said, parts: Parts) -> None:
    scaling: Mapping[str, Any] = parts.template.get("scaling") or {}
    resources: Mapping[str, Any] = parts.container.get("resources") or {}
    least, most = (
        int(scaling.get("minInstanceCount") or 0),
        int(scaling.get("maxInstanceCount") or GOOGLES_INSTANCES),
    )
    said.say("scaling.min_instances", least)
    if most != GOOGLES_INSTANCES:
        said.say("scaling.max_instances", most)
    if (timeout := str(parts.template.get("timeout") or GOOGLES_TIMEOUT)) != GOOGLES_TIMEOUT:
        said.say("scaling.timeout", int(timeout.rstrip("s")))
    if limit := flat.quantity(flat.at(resources, "limits.memory")):
        said.say("memory", _whole(limit))
    said.say("cpu", flat.quantity(flat.at(resources, "limits.cpu")) or "1")
    if resources and not resources.get("cpuIdle"):
        said.say("scaling.cpu_always_on", True)


def _database(said: Said, parts: Parts) -> None:
    live, configured = parts.instance, parts.settings
    said.say("database.instance", live["name"] if live["name"] != parts.name else "", parts.how["instance"])
    said.say("database.name", parts.database, parts.how["database"])
    said.say("database.user", parts.user, parts.how["user"])
    said.say("database.tier", configured["tier"], "as it is")
    said.say("database.edition", str(configured.get("edition", "ENTERPRISE")).lower().replace("_", "-"))
    version = int(re.findall(r"\d+", str(live["databaseVersion"]))[0])
    newer = f"the oldest that is left: it has {version}, which is no longer maintained"
    said.say("database.version", max(version, OLDEST), "as it is" if version >= OLDEST else newer)
    said.say("database.disk_gb", int(configured.get("dataDiskSizeGb") or 10))
    said.say("database.disk_autoresize", bool(configured.get("storageAutoResize", True)))
    said.say("database.disk_limit_gb", int(configured.get("storageAutoResizeLimit") or 0))
    said.say("database.availability", str(configured.get("availabilityType") or "ZONAL").lower())
    if flags := {str(one["name"]): str(one["value"]) for one in flat.items(configured, "databaseFlags")}:
        said.say("database.flags", flags)
    said.say("database.query_insights", bool(flat.at(configured, "insightsConfig.queryInsightsEnabled")))
    said.say("database.kms_key", str(flat.at(live, "diskEncryptionConfiguration.kmsKeyName") or ""))
    backups: Mapping[str, Any] = configured.get("backupConfiguration") or {}
    if backups.get("enabled"):
        said.say("database.backups.start_time", str(backups.get("startTime") or "03:00"))
        said.say(
            "database.backups.keep", int(flat.at(backups, "backupRetentionSettings.retainedBackups") or 7)
        )
        if backups.get("pointInTimeRecoveryEnabled"):
            said.say("database.backups.point_in_time_recovery", True)
            said.say("database.backups.log_days", int(backups.get("transactionLogRetentionDays") or 7))
    else:
        said.note("database", "It has no backups now: backups.enabled stays at its default, on.")
    window: Mapping[str, Any] = configured.get("maintenanceWindow") or {}
    said.say("database.maintenance.day", DAYS[int(window.get("day") or 0)])
    if window.get("day"):
        said.say("database.maintenance.hour", int(window.get("hour") or 0))
    for period in flat.items(configured, "denyMaintenancePeriods")[:1]:
        said.say("database.maintenance.deny_period.start", str(period["startDate"]))
        said.say("database.maintenance.deny_period.end", str(period["endDate"]))
        said.say("database.maintenance.deny_period.time", str(period.get("time") or "00:00")[:5])


def _server(said: Said, parts: Parts) -> None:
    """Of the environment, what MLflow itself reads and nobody keeps a secret in; the rest is another image's."""
    plain = clues.environment(parts.container)
    kept = clues.from_secrets(parts.container, parts.ids)
    taken = {name for name in (*parts.clues.said_by.values(), *settings.PROVIDER, *_KNOWN) if name in plain}
    for name, value in plain.items():
        if _HARMLESS.fullmatch(name) and _WORD.fullmatch(value) and not reserved.objection(name):
            said.say(f"server.env.{name}", value)
            taken.add(name)
    for name, version in kept.items():
        pinned = not version.endswith("latest")  # as a spec has it
        if name.startswith("MLFLOW_") and pinned and not reserved.objection(name):
            said.say(f"server.secrets.{name}", version)
            taken.add(name)
    if left := sorted({*plain, *kept} - taken):
        said.note(
            "server", f"Not taken over, as they may hold secrets or mean nothing here: {', '.join(left)}."
        )
    said.note(
        "server", "Its MLflow becomes server.version: the schema is upgraded, for which there is no way back."
    )


_KNOWN = ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_TRACKING_USERNAME")
_HARMLESS = re.compile(
    r"MLFLOW_(LOGGING_LEVEL|HTTP_REQUEST_\w+|ENABLE_\w+|DISABLE_\w+|SEARCH_\w+|SQLALCHEMYSTORE_\w+|GCS_\w+"
    r"|ARTIFACT_UPLOAD_\w+|ARTIFACT_DOWNLOAD_\w+|MULTIPART_\w+)"
)
_WORD = re.compile(r"[A-Za-z0-9._-]{1,40}")


def _whole(limit: str) -> str:
    """*limit* in whole Mi or Gi, which is how a spec says it; rounded up."""
    if re.fullmatch(r"\d+[MG]i", limit):
        return limit
    number = int(re.sub(r"\D", "", limit)) * (1024 if limit.endswith("Ki") else 1)
    return capacity.quantity(-(-number // 1024**2))
