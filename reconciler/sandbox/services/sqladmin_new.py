"""The record of a new Cloud SQL instance, and what an upgrade of its version changes."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.secrets import kms_keys
from reconciler.sandbox.services import sqladmin_replicas as replicas
from reconciler.sandbox.services import sqladmin_settings as rules
from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.services.sqladmin_defaults import BACKUP_TIER, About, completed, gemini
from reconciler.sandbox.services.sqladmin_regions import REGIONS
from reconciler.sandbox.services.sqladmin_settings import invalid
from reconciler.sandbox.services.sqladmin_versions import SQLSERVER
from reconciler.sandbox.services.sqladmin_work import etag
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_AGENT: Final = "sqladmin.googleapis.com"


def check_name(project: str, name: str) -> None:
    """Raise ApiError 400 where no instance of the project can have this name."""
    if not _NAME.fullmatch(name) or len(f"{project}:{name}") > 98:
        raise invalid(f"Invalid instance name ({name}).")


def resource(world: World, request: Request) -> Body:
    """The instance that an insert asks for, PENDING_CREATE. Raises ApiError 400."""
    body = request.body
    name = str(body.get("name", ""))
    check_name(request.project, name)
    source = replicas.check_new(world, request.project, body) if body.get("masterInstanceName") else None
    version = str(body.get("databaseVersion") or (source or {}).get("databaseVersion", ""))
    engine = versions.engine(version)
    region = str(body.get("region") or (source or {}).get("region", "us-central1"))
    if region not in REGIONS:
        raise invalid(f"Invalid region ({region}).")
    if wanted := body.get("maintenanceVersion"):
        raise invalid(f"Maintenance version ({wanted}) must not be set.")
    if engine == SQLSERVER and not body.get("rootPassword") and source is None:
        raise ApiError(400, "Missing parameter: rootPassword.", reason="required")
    rules.check_sent(body["settings"], engine)
    # Every region has a zone of this letter; some have no "a".
    about = About(name, version, f"{region}-c", world.now()[:10])
    sent = {"edition": source["settings"]["edition"]} if source else {}
    made = _record(world, request, about, region, completed({**sent, **body["settings"]}, about))
    _encrypted(world, made, body.get("diskEncryptionConfiguration"))
    return {**made, **(replicas.fields(request.project, body) if source else {})}


def _record(world: World, request: Request, about: About, region: str, settings: dict[str, Any]) -> Body:
    known = world.projects.get(request.project)
    digest = hashlib.sha256(f"{request.project}:{about.name}".encode()).hexdigest()
    agent = f"p{known.number if known else ''}-{digest[:6]}"
    made: Body = {
        "kind": "sql#instance",
        "backendType": "SECOND_GEN",
        "connectionName": f"{request.project}:{region}:{about.name}",
        "createTime": world.now(),
        "databaseInstalledVersion": versions.installed(about.version, about.day),
        "databaseVersion": about.version,
        "etag": etag(settings),
        "gceZone": settings["locationPreference"].get("zone", about.zone),
        "instanceType": "CLOUD_SQL_INSTANCE",
        "maintenanceVersion": versions.maintenance(about.version, about.day),
        "name": about.name,
        "project": request.project,
        "region": region,
        "satisfiesPzi": False,
        "serviceAccountEmailAddress": f"{agent}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "settings": settings,
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "state": "PENDING_CREATE",
    }
    if (config := gemini(about)) is not None:
        made["geminiConfig"] = config
    if about.day >= BACKUP_TIER:
        made["includeReplicasForMajorVersionUpgrade"] = False
    if settings["availabilityType"] == "REGIONAL":
        made["failoverReplica"] = {"available": False}
        made["secondaryGceZone"] = settings["locationPreference"].get("secondaryZone", f"{region}-b")
    return made


def _encrypted(world: World, made: Body, sent: Mapping[str, Any] | None) -> None:
    if not sent:
        return
    key, region, project = str(sent.get("kmsKeyName", "")), made["region"], made["project"]
    if kms_keys.location_of(key) != region:
        raise invalid(f"Invalid KMS key ({key}) for region ({region}).")
    if not agents.generated(world.store, project, _AGENT):
        # "Troubleshoot CMEK", as quoted in hashicorp/terraform-provider-google.
        raise invalid("Per-Product Per-Project Service Account is not found.")
    if not kms_keys.open_to(world, key, project, _AGENT):
        raise invalid(f"Insufficient permission to use the Cloud KMS key ({key}).")
    made["diskEncryptionConfiguration"] = {**sent, "kind": "sql#diskEncryptionConfiguration"}
    made["diskEncryptionStatus"] = {"kind": "sql#diskEncryptionStatus"}


def upgraded(world: World, body: Mapping[str, Any], current: Body) -> dict[str, Any]:
    """The fields that another databaseVersion or maintenanceVersion in *body* changes. Raises ApiError 400."""
    version, day = str(body.get("databaseVersion", current["databaseVersion"])), world.now()[:10]
    if version != current["databaseVersion"]:
        return {
            "databaseVersion": _checked_upgrade(current, version),
            "databaseInstalledVersion": versions.installed(version, day),
            "maintenanceVersion": versions.maintenance(version, day),
        }
    # Clients send back what they have read, perhaps long ago: only what is newer is asked for.
    wanted, now = str(body.get("maintenanceVersion", "")), str(current["maintenanceVersion"])
    if wanted.rpartition(".R")[2] <= now.rpartition(".R")[2]:
        return {}
    if wanted != versions.maintenance(version, day):
        raise invalid(f"Invalid maintenance version ({wanted}).")
    return {"databaseInstalledVersion": wanted.partition(".R")[0], "maintenanceVersion": wanted}


def _checked_upgrade(current: Body, version: str) -> str:
    engine, numbers, edition = versions.rank(version)
    old_engine, old_numbers, old_edition = versions.rank(current["databaseVersion"])
    if engine != old_engine or numbers < old_numbers or edition < old_edition:
        raise invalid(f"Cannot change the database version from {current['databaseVersion']} to {version}.")
    return version
