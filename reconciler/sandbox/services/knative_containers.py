"""Containers and volumes between Cloud Run's v2 shape and Kubernetes' own. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services.knative_notes import RUN, Notes, dependencies, secret_aliases, true

_SAME: Final = (
    "name", "image", "command", "args", "workingDir", "ports", "startupProbe", "livenessProbe", "readinessProbe",
)  # fmt: skip
_BUCKETS: Final = "gcsfuse.run.googleapis.com"
Json = dict[str, Any]


def all_to_v2(spec: Mapping[str, Any], notes: Notes, *, serving: bool) -> Json:
    """`containers` and `volumes` of v2 for a Knative spec whose template has the annotations `notes`."""
    aliases, before = secret_aliases(notes), dependencies(notes)
    found: list[Json] = []
    for one in spec.get("containers", ()):
        container = _to_v2(one, aliases)
        if serving:
            container["resources"] |= {
                "cpuIdle": true(notes.get(f"{RUN}/cpu-throttling", "true")),
                "startupCpuBoost": true(notes.get(f"{RUN}/startup-cpu-boost")),
            }
        if one.get("name") in before:
            container["dependsOn"] = list(before[one["name"]])
        found.append(container)
    volumes = [_volume_to_v2(one, aliases) for one in spec.get("volumes", ())]
    if databases := notes.get(f"{RUN}/cloudsql-instances"):
        volumes.append({"name": "cloudsql", "cloudSqlInstance": {"instances": databases.split(",")}})
        for container in found:
            container.setdefault("volumeMounts", []).append({"name": "cloudsql", "mountPath": "/cloudsql"})
    return {"containers": found, **({"volumes": volumes} if volumes else {})}


def all_to_v1(template: Mapping[str, Any], projects: Sequence[str]) -> Json:
    """`containers` and `volumes` of v1. Cloud SQL volumes are an annotation there, and no volumes.

    `projects` are the id and the number of the template's own project, whose secrets go by their short names.
    """
    volumes: Sequence[Mapping[str, Any]] = template.get("volumes", ())
    hidden = {volume["name"] for volume in volumes if "cloudSqlInstance" in volume}
    shown = [_volume_to_v1(volume, projects) for volume in volumes if volume["name"] not in hidden]
    containers = [_to_v1(one, hidden, projects) for one in template["containers"]]
    return {"containers": containers, **({"volumes": shown} if shown else {})}


def secret_notes(template: Mapping[str, Any], projects: Sequence[str]) -> dict[str, str]:
    """The annotation that says where secrets of other projects are."""
    entries = [entry for container in template["containers"] for entry in container.get("env", ())]
    named = [entry["valueSource"]["secretKeyRef"]["secret"] for entry in entries if "valueSource" in entry]
    named += [volume["secret"]["secret"] for volume in template.get("volumes", ()) if "secret" in volume]
    foreign = dict.fromkeys(secret for secret in named if _foreign(secret, projects))
    pairs = [f"{_short(secret, projects)}:{secret}" for secret in foreign]
    return {f"{RUN}/secrets": ",".join(pairs)} if pairs else {}


def _foreign(secret: str, projects: Sequence[str]) -> bool:
    return secret.startswith("projects/") and secret.split("/")[1] not in projects


def _short(secret: str, projects: Sequence[str]) -> str:
    name = secret.rsplit("/", 1)[-1]
    # An alias is a name of its own, so that a secret of the same name next door is not meant.
    return f"{secret.split('/')[1]}-{name}" if _foreign(secret, projects) else name


def _to_v2(container: Mapping[str, Any], aliases: Mapping[str, str]) -> Json:
    found: Json = {field: container[field] for field in _SAME if container.get(field)}
    found["resources"] = {"limits": dict(container.get("resources", {}).get("limits", {}))}
    found["env"] = [env_to_v2(entry, aliases) for entry in container.get("env", ())]
    mounts = [
        {key: one[key] for key in ("name", "mountPath", "subPath") if one.get(key)}
        for one in container.get("volumeMounts", ())
    ]
    return {**found, **({"volumeMounts": mounts} if mounts else {})}


def _to_v1(container: Mapping[str, Any], hidden: set[str], projects: Sequence[str]) -> Json:
    found: Json = {field: container[field] for field in _SAME if container.get(field)}
    found["resources"] = {"limits": dict(container["resources"]["limits"])}
    entries = [_env_to_v1(entry, projects) for entry in container.get("env", ())]
    mounts = [one for one in container.get("volumeMounts", ()) if one["name"] not in hidden]
    return {**found, **({"env": entries} if entries else {}), **({"volumeMounts": mounts} if mounts else {})}


def env_to_v2(entry: Mapping[str, Any], aliases: Mapping[str, str]) -> Json:
    """A variable as v2 has it; `aliases` are the short names of other projects' secrets."""
    key = entry.get("valueFrom", {}).get("secretKeyRef")
    if key:
        secret = {"secret": aliases.get(key["name"], key["name"]), "version": key["key"]}
        return {"name": entry["name"], "valueSource": {"secretKeyRef": secret}}
    return {"name": entry.get("name", ""), "value": entry.get("value", "")}


def _env_to_v1(entry: Mapping[str, Any], projects: Sequence[str]) -> Json:
    if "valueSource" in entry:
        key = entry["valueSource"]["secretKeyRef"]
        reference = {"name": _short(key["secret"], projects), "key": key.get("version", "latest")}
        return {"name": entry["name"], "valueFrom": {"secretKeyRef": reference}}
    return {"name": entry["name"], **({"value": entry["value"]} if entry.get("value") else {})}


def _volume_to_v2(volume: Mapping[str, Any], aliases: Mapping[str, str]) -> Json:
    name = volume.get("name", "")
    if "secret" in volume:
        secret = volume["secret"]
        items = [
            {"path": item["path"], "version": item["key"], **_mode(item)} for item in secret.get("items", ())
        ]
        named = aliases.get(secret.get("secretName", ""), secret.get("secretName", ""))
        mode = {"defaultMode": secret["defaultMode"]} if secret.get("defaultMode") else {}
        return {"name": name, "secret": {"secret": named, "items": items, **mode}}
    if "emptyDir" in volume:
        medium = str(volume["emptyDir"].get("medium", "")).upper()
        return {
            "name": name,
            "emptyDir": {**({"medium": medium} if medium else {}), **_size(volume["emptyDir"])},
        }
    if volume.get("csi", {}).get("driver") == _BUCKETS:
        attributes = volume["csi"].get("volumeAttributes", {})
        options = [one for one in attributes.get("mountOptions", "").split(",") if one]
        found = {"bucket": attributes.get("bucketName", ""), "readOnly": volume["csi"].get("readOnly", False)}
        return {"name": name, "gcs": {**found, **({"mountOptions": options} if options else {})}}
    if "nfs" in volume:
        return {"name": name, "nfs": dict(volume["nfs"])}
    raise ApiError(400, "The sandbox does not emulate this kind of volume.", reason="sandboxNotEmulated")


def _volume_to_v1(volume: Mapping[str, Any], projects: Sequence[str]) -> Json:
    name = volume["name"]
    if "secret" in volume:
        secret = volume["secret"]
        items = [
            {"path": item["path"], "key": item.get("version", "latest"), **_mode(item)}
            for item in secret.get("items", ())
        ]
        mode = {"defaultMode": secret["defaultMode"]} if secret.get("defaultMode") else {}
        found = {"secretName": _short(secret["secret"], projects), "items": items, **mode}
        return {"name": name, "secret": found}
    if "emptyDir" in volume:
        medium = str(volume["emptyDir"].get("medium", "")).capitalize()
        return {
            "name": name,
            "emptyDir": {**({"medium": medium} if medium else {}), **_size(volume["emptyDir"])},
        }
    if "gcs" in volume:
        bucket = volume["gcs"]
        options = ",".join(bucket.get("mountOptions", ()))
        attributes = {"bucketName": bucket["bucket"], **({"mountOptions": options} if options else {})}
        read_only = {"readOnly": True} if bucket.get("readOnly") else {}
        return {"name": name, "csi": {"driver": _BUCKETS, "volumeAttributes": attributes, **read_only}}
    return {"name": name, "nfs": dict(volume["nfs"])}


def _mode(item: Mapping[str, Any]) -> Json:
    return {"mode": item["mode"]} if item.get("mode") else {}


def _size(empty: Mapping[str, Any]) -> Json:
    return {"sizeLimit": empty["sizeLimit"]} if empty.get("sizeLimit") else {}
