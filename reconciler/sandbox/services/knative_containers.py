"""Containers and volumes between Cloud Run's v2 shape and Kubernetes' own. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

RUN: Final = "run.googleapis.com"
_SAME: Final = ("name", "image", "command", "args", "workingDir", "ports", "startupProbe", "livenessProbe")
Json = dict[str, Any]


def to_v2(container: Mapping[str, Any], notes: Mapping[str, str]) -> Json:
    """A container as v2 has it; processor settings are annotations of the revision in v1."""
    found: Json = {field: container[field] for field in _SAME if container.get(field)}
    found["resources"] = {
        "limits": dict(container.get("resources", {}).get("limits", {})),
        "cpuIdle": str(notes.get(f"{RUN}/cpu-throttling", "true")).lower() == "true",
        "startupCpuBoost": str(notes.get(f"{RUN}/startup-cpu-boost", "false")).lower() == "true",
    }
    found["env"] = [_env_to_v2(entry) for entry in container.get("env", ())]
    mounts = [
        {"name": one["name"], "mountPath": one["mountPath"]} for one in container.get("volumeMounts", ())
    ]
    return {**found, **({"volumeMounts": mounts} if mounts else {})}


def to_v1(container: Mapping[str, Any], hidden: set[str]) -> Json:
    """A container as v1 has it, without mounts of the `hidden` volumes."""
    found: Json = {field: container[field] for field in _SAME if container.get(field)}
    found["resources"] = {"limits": dict(container["resources"]["limits"])}
    entries = [_env_to_v1(entry) for entry in container.get("env", ())]
    mounts = [one for one in container.get("volumeMounts", ()) if one["name"] not in hidden]
    return {**found, **({"env": entries} if entries else {}), **({"volumeMounts": mounts} if mounts else {})}


def _env_to_v2(entry: Mapping[str, Any]) -> Json:
    key = entry.get("valueFrom", {}).get("secretKeyRef")
    if key:
        return {
            "name": entry["name"],
            "valueSource": {"secretKeyRef": {"secret": key["name"], "version": key["key"]}},
        }
    return {"name": entry.get("name", ""), "value": entry.get("value", "")}


def _env_to_v1(entry: Mapping[str, Any]) -> Json:
    if "valueSource" in entry:
        key = entry["valueSource"]["secretKeyRef"]
        reference = {"name": key["secret"].rsplit("/", 1)[-1], "key": key.get("version", "latest")}
        return {"name": entry["name"], "valueFrom": {"secretKeyRef": reference}}
    return {"name": entry["name"], **({"value": entry["value"]} if entry.get("value") else {})}


def volume_to_v2(volume: Mapping[str, Any]) -> Json:
    """A volume as v2 has it."""
    if "secret" in volume:
        secret = volume["secret"]
        items = [{"path": item["path"], "version": item["key"]} for item in secret.get("items", ())]
        return {"name": volume["name"], "secret": {"secret": secret["secretName"], "items": items}}
    if "emptyDir" in volume:
        return {"name": volume["name"], "emptyDir": {"medium": "MEMORY", **_size(volume["emptyDir"])}}
    raise ApiError(400, "The sandbox does not emulate this kind of volume.", reason="sandboxNotEmulated")


def volume_to_v1(volume: Mapping[str, Any]) -> Json:
    """A volume as v1 has it."""
    if "secret" in volume:
        secret = volume["secret"]
        items = [
            {"path": item["path"], "key": item.get("version", "latest")} for item in secret.get("items", ())
        ]
        return {
            "name": volume["name"],
            "secret": {"secretName": secret["secret"].rsplit("/", 1)[-1], "items": items},
        }
    return {"name": volume["name"], "emptyDir": {"medium": "Memory", **_size(volume["emptyDir"])}}


def _size(empty: Mapping[str, Any]) -> Json:
    return {"sizeLimit": empty["sizeLimit"]} if empty.get("sizeLimit") else {}
