"""Cloud Run's template with one container, flat and back: what services and jobs have in common.

Fields keep Google's names with two simplifications that make differences readable: `containers` is the one container,
and `containers.env.NAME` is a plain value or the full name of a secret's version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from reconciler.gcp import fields as flat
from reconciler.gcp import vpc_access
from reconciler.model import Json

ENV = "containers.env."
SOCKETS = "volumes.cloudsql"
MOUNT = "cloudsql"
FILES = "volumes.secret."
"""Followed by a file's path in the container; the value is the full name of a secret's version."""
ATTEMPT = "mlflow-reconcile/attempt"
SOCKET_FOLDER = "/cloudsql"
PORTS = "containers.ports"
LEFT_OUT = ("livenessProbe", "readinessProbe", "workingDir")
"""What the image does without: set for another one, it would keep this one from serving."""
SPOKEN = ("containers.args", "containers.command", *(f"containers.{name}" for name in LEFT_OUT))
"""Where people write a password: into a command line, a header of a probe."""
_SECRET_VERSION = re.compile(r"(projects/[^/]+/secrets/[^/]+)/versions/([^/]+)")


def flattened(template: Mapping[str, Any], project_ids: Collection[str]) -> dict[str, Json]:
    """Every field of *template* that a spec can have an opinion on.

    *project_ids* are the project's id first and its number: Google names secrets by either.
    """
    container = serving(template)
    probe: dict[str, Any] = container.get("startupProbe") or {}
    resources: dict[str, Any] = container.get("resources") or {}
    return {
        "serviceAccount": template.get("serviceAccount"),
        "executionEnvironment": template.get("executionEnvironment"),
        "timeout": template.get("timeout"),
        "containers.image": container.get("image"),
        "containers.args": list(container.get("args") or []),
        "containers.command": list(container.get("command") or []),
        "containers.resources.limits.cpu": flat.quantity(flat.at(resources, "limits.cpu")),
        "containers.resources.limits.memory": flat.quantity(flat.at(resources, "limits.memory")),
        "containers.resources.cpuIdle": bool(resources.get("cpuIdle")),
        "containers.resources.startupCpuBoost": bool(resources.get("startupCpuBoost")),
        PORTS: [
            f"{port.get('name') or 'http1'}:{port.get('containerPort')}"
            for port in flat.items(container, "ports")
        ],
        **{f"containers.{name}": container.get(name) for name in LEFT_OUT},
        "containers.startupProbe.tcpSocket.port": flat.at(probe, "tcpSocket.port"),
        "containers.startupProbe.periodSeconds": probe.get("periodSeconds"),
        "containers.startupProbe.timeoutSeconds": probe.get("timeoutSeconds"),
        "containers.startupProbe.failureThreshold": probe.get("failureThreshold"),
        SOCKETS: cast("Json", _sockets(template, container)),
        **{f"{ENV}{entry['name']}": _env_value(entry, project_ids) for entry in flat.items(container, "env")},
        **_files(template, container, project_ids),
    }


def serving(template: Mapping[str, Any]) -> dict[str, Any]:
    """The container that takes the requests: the one with a port, else the first; {} where there is none.

    Cloud Run allows one container with a port; those beside it are somebody else's, and stay.
    """
    there = flat.items(template, "containers")
    return next((one for one in there if one.get("ports")), there[0] if there else {})


def write(template: dict[str, Any], body: Mapping[str, Any], fields: Collection[str]) -> None:
    """Set *fields* of *body* in *template*, in place; everything else in it stays as it is."""
    template.setdefault("containers", [{}])
    container = serving(template)
    vpc_access.write(template, body, fields)
    for field in fields:
        value: Any = body.get(field)
        if field.startswith(vpc_access.PREFIX):
            continue
        if field.startswith(ENV):
            _write_env(container, field.removeprefix(ENV), value)
        elif field.startswith(FILES):
            _write_file(template, container, field.removeprefix(FILES), value)
        elif field == SOCKETS:
            _write_sockets(template, container, value or [])
        elif field == PORTS:
            container["ports"] = [_port(written) for written in cast("list[str]", value or [])]
        elif field.startswith("containers."):
            _set(container, field.removeprefix("containers."), value)
        else:
            _set(template, field, value)


def ready(resource: Mapping[str, Any]) -> bool:
    """Whether a service's or job's newest configuration works; during a roll-out nothing is wrong so far."""
    state = flat.at(resource, "terminalCondition.state")
    return state == "CONDITION_SUCCEEDED" or bool(resource.get("reconciling"))


def try_again(template: dict[str, Any]) -> None:
    """Change *template* in a way that means nothing, in place: Cloud Run tries no configuration twice by itself."""
    annotations: dict[str, str] = template.setdefault("annotations", {})
    annotations[ATTEMPT] = str(int(annotations.get(ATTEMPT, 0)) + 1)


def _port(written: str) -> dict[str, Any]:
    name, number = written.split(":")
    return {"name": name, "containerPort": int(number)}


def _set(target: dict[str, Any], path: str, value: Any) -> None:
    if value is None:
        target.pop(path, None)
        return
    *steps, last = path.split(".")
    inner = target
    for step in steps:
        inner = inner.setdefault(step, {})
    inner[last] = value
    if "tcpSocket" in steps:  # a probe asks in one way, and Cloud Run refuses to be told two
        for other in ("httpGet", "grpc"):
            target[steps[0]].pop(other, None)


def _env_value(entry: Mapping[str, Any], project_ids: Collection[str]) -> str:
    reference = flat.at(entry, "valueSource.secretKeyRef")
    if not reference:
        return str(entry.get("value", ""))
    return _version(str(reference.get("secret", "")), reference.get("version"), project_ids)


def _version(secret: str, number: str | None, project_ids: Collection[str]) -> str:
    """The full name of a secret's version; Google names the project by its id, its number, or not at all."""
    home = next(iter(project_ids))
    owner = secret.split("/")[1] if "/" in secret else home
    project = home if owner in project_ids else owner
    return f"projects/{project}/secrets/{secret.rsplit('/', 1)[-1]}/versions/{number or 'latest'}"


def _write_env(container: dict[str, Any], name: str, value: str | None) -> None:
    entries: list[dict[str, Any]] = [e for e in flat.items(container, "env") if e["name"] != name]
    if value is not None:
        secret = _SECRET_VERSION.fullmatch(value)
        entries.append(
            {"name": name, "valueSource": {"secretKeyRef": {"secret": secret[1], "version": secret[2]}}}
            if secret
            else {"name": name, "value": value}
        )
    container["env"] = sorted(entries, key=lambda entry: str(entry["name"]))


def _sockets(template: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
    mounted = {
        m["name"] for m in flat.items(container, "volumeMounts") if m.get("mountPath") == SOCKET_FOLDER
    }
    volumes = [v for v in flat.items(template, "volumes") if v.get("name") in mounted]
    instances: list[list[str]] = [flat.at(volume, "cloudSqlInstance.instances") or [] for volume in volumes]
    return sorted(name for names in instances for name in names)


def _write_sockets(template: dict[str, Any], container: dict[str, Any], instances: list[str]) -> None:
    """The one volume that is mounted where Cloud SQL's sockets are looked for; other volumes stay."""
    live = flat.items(container, "volumeMounts")
    ours = next((str(m["name"]) for m in live if m.get("mountPath") == SOCKET_FOLDER), MOUNT)
    volumes = [v for v in flat.items(template, "volumes") if v.get("name") != ours]
    mounts = [m for m in live if m["name"] != ours]
    if instances:
        volumes.append({"name": ours, "cloudSqlInstance": {"instances": instances}})
        mounts.append({"name": ours, "mountPath": SOCKET_FOLDER})
    template["volumes"], container["volumeMounts"] = volumes, mounts


def _files(
    template: Mapping[str, Any], container: Mapping[str, Any], project_ids: Collection[str]
) -> dict[str, Json]:
    """The files of secrets, by their paths; a volume without items shows its newest version under the secret's name."""
    volumes = {str(volume.get("name")): volume.get("secret") for volume in flat.items(template, "volumes")}
    found: dict[str, Json] = {}
    for mount in flat.items(container, "volumeMounts"):
        shown = volumes.get(str(mount["name"]))
        if not shown:
            continue
        secret = str(shown.get("secret", ""))
        for item in flat.items(shown, "items") or [{"path": secret.rsplit("/", 1)[-1]}]:
            path = f"{str(mount['mountPath']).rstrip('/')}/{item['path']}"
            found[f"{FILES}{path}"] = _version(secret, item.get("version"), project_ids)
    return found


def _write_file(template: dict[str, Any], container: dict[str, Any], path: str, value: str | None) -> None:
    """One volume for each file, in a folder of its own."""
    folder, _, file = path.rpartition("/")
    gone = {m["name"] for m in flat.items(container, "volumeMounts") if m.get("mountPath") == folder}
    volumes = [v for v in flat.items(template, "volumes") if v.get("name") not in gone]
    mounts = [m for m in flat.items(container, "volumeMounts") if m["name"] not in gone]
    version = _SECRET_VERSION.fullmatch(value or "")
    if version:
        name = "secret-" + re.sub(r"[^a-z0-9]+", "-", folder.removeprefix("/secrets/").lower()).strip("-")
        items = [{"path": file, "version": version[2]}]
        volumes.append({"name": name, "secret": {"secret": version[1], "items": items}})
        mounts.append({"name": name, "mountPath": folder})
    template["volumes"], container["volumeMounts"] = volumes, mounts
