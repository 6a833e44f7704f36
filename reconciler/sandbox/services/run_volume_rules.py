"""What Cloud Run refuses in the volumes and the network of a template."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.networking import egress
from reconciler.sandbox.services.run_container_rules import Report

SOURCES: Final = ("cloudSqlInstance", "secret", "emptyDir", "gcs", "nfs", "filestore")
_CONNECTION: Final = re.compile(r"[a-z][a-z0-9.:-]*:[a-z]+-[a-z]+\d+:[a-z][a-z0-9-]*")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check(template: Mapping[str, Any], place: str, report: Report) -> None:
    """Report what is wrong with the volumes, their mounts, and the way into a network."""
    volumes: Sequence[Mapping[str, Any]] = template.get("volumes", ())
    names = [str(volume.get("name", "")) for volume in volumes]
    for number, volume in enumerate(volumes):
        field = f"{place}.volumes[{number}]"
        _check_volume(volume, field, report)
        if names.count(names[number]) > 1:
            report(f"{field}.name", f"Duplicate volume name: {names[number]}.")
    for number, container in enumerate(template.get("containers", ())):
        _check_mounts(
            container, dict(zip(names, volumes, strict=True)), f"{place}.containers[{number}]", report
        )
    for where, text in egress.findings(template.get("vpcAccess")):
        report(f"{place}.vpc_access.{where}", text)


def _check_volume(volume: Mapping[str, Any], field: str, report: Report) -> None:
    name = str(volume.get("name", ""))
    if not _NAME.fullmatch(name):
        report(f"{field}.name", f"Invalid volume name: {name!r}.")
    kinds = [kind for kind in SOURCES if kind in volume]
    if len(kinds) != 1:
        report(field, f"one and only one of {', '.join(SOURCES)} must be set on the volume {name}.")
    for connection in volume.get("cloudSqlInstance", {}).get("instances", ()):
        if not _CONNECTION.fullmatch(connection):
            text = f"Invalid Cloud SQL instance: {connection}; PROJECT:REGION:INSTANCE is expected."
            report(f"{field}.cloud_sql_instance.instances", text)
    required = {"gcs": ("bucket",), "nfs": ("server", "path"), "secret": ("secret",)}
    for kind, fields in required.items():
        for one in fields:
            if kind in volume and not volume[kind].get(one):
                report(f"{field}.{kind}.{one}", "This field is required.")
    for item in volume.get("secret", {}).get("items", ()):
        if not item.get("path") or ".." in str(item.get("path")).split("/"):
            report(f"{field}.secret.items.path", "A relative path within the volume is required.")


def _check_mounts(
    container: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], field: str, report: Report
) -> None:
    seen: set[str] = set()
    for mount in container.get("volumeMounts", ()):
        volume, path = volumes.get(mount.get("name", "")), str(mount.get("mountPath", ""))
        if volume is None:
            report(f"{field}.volume_mounts", f"No volume with the name {mount.get('name')} is declared.")
            continue
        if "cloudSqlInstance" in volume:
            if path.rstrip("/") not in ("", "/cloudsql"):
                report(f"{field}.volume_mounts", "A Cloud SQL volume must be mounted at /cloudsql.")
            continue
        if not path.startswith("/") or path == "/" or ":" in path:
            report(f"{field}.volume_mounts", f"Invalid mount path: {path}.")
        if path in seen:
            report(f"{field}.volume_mounts", f"Two volumes are mounted at {path}.")
        if mount.get("subPath") and "secret" in volume:
            report(f"{field}.volume_mounts", "sub_path is not supported for secret volumes.")
        seen.add(path)
