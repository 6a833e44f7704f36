"""What the runtime needs to know of a Cloud Run revision or task, read from its v2 template. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_SUFFIX = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|K|M|G|Ki|Mi|Gi)?$")


@dataclass(frozen=True)
class SecretRef:
    """A version of a secret: `secret` as the template names it (short, or projects/…), and the version."""

    secret: str
    version: str


@dataclass(frozen=True)
class SecretFile:
    """A file of a secret volume, below its mount path."""

    mount: str
    path: str
    ref: SecretRef


@dataclass(frozen=True)
class Probe:
    """A startup probe; times in seconds."""

    kind: Literal["tcp", "http"]
    path: str
    initial_delay: float
    period: float
    timeout: float
    failures: int
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def budget(self) -> float:
        """The seconds after which a container that never answered has failed."""
        return self.initial_delay + max(self.period, self.timeout) * self.failures


@dataclass(frozen=True)
class Container:
    """The container of a revision or task."""

    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    secret_env: Mapping[str, SecretRef]
    secret_files: tuple[SecretFile, ...]
    sql_mounts: Mapping[str, tuple[str, ...]]
    """Mount path -> connection names (PROJECT:REGION:INSTANCE)."""
    empty_mounts: tuple[str, ...]
    port: int
    h2c: bool
    memory: int
    """Bytes."""
    account: str
    """E-mail of the service account it runs as."""
    timeout: float
    """Seconds: of a request, or of a task."""
    probe: Probe
    workdir: str = ""
    vpc_access: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The template's `vpcAccess`: its way into a network, or nothing."""
    unsupported: str = ""
    """What of its template cannot be run here, in words; "" where everything can."""


def container_of(template: Mapping[str, Any]) -> Container:
    """Read a RevisionTemplate, Revision or TaskTemplate with one container and its defaults filled in."""
    container: Mapping[str, Any] = ingress_container(template["containers"])
    ports: Sequence[Mapping[str, Any]] = container.get("ports", ())
    port: Mapping[str, Any] = ports[0] if ports else dict[str, Any]()
    number = int(port.get("containerPort", 8080))
    env, secret_env = _environment(container.get("env", ()))
    volumes = {volume["name"]: volume for volume in template.get("volumes", ())}
    mounts = [
        (mount["mountPath"].rstrip("/"), volumes[mount["name"]])
        for mount in container.get("volumeMounts", ())
    ]
    return Container(
        image=container["image"],
        command=tuple(container.get("command", ())),
        arguments=tuple(container.get("args", ())),
        env=env,
        secret_env=secret_env,
        secret_files=tuple(file for mount, volume in mounts for file in _secret_files(mount, volume)),
        sql_mounts={
            mount: tuple(volume["cloudSqlInstance"].get("instances", ()))
            for mount, volume in mounts
            if "cloudSqlInstance" in volume
        },
        empty_mounts=tuple(mount for mount, volume in mounts if "emptyDir" in volume),
        port=number,
        h2c=port.get("name") == "h2c",
        memory=quantity(container.get("resources", {}).get("limits", {}).get("memory", "512Mi")),
        account=template.get("serviceAccount", ""),
        timeout=seconds(template.get("timeout", "300s")),
        probe=_probe(container.get("startupProbe", {})),
        workdir=container.get("workingDir", ""),
        vpc_access=template.get("vpcAccess", {}),
        unsupported=_unsupported(template),
    )


def _unsupported(template: Mapping[str, Any]) -> str:
    kinds = {kind for volume in template.get("volumes", ()) for kind in volume}
    if {"gcs", "nfs", "filestore"} & kinds:
        return "volumes of Cloud Storage, NFS and Filestore"
    if template.get("nodeSelector"):
        return "GPUs"
    return "more than one container" if len(template["containers"]) > 1 else ""


def ingress_container(containers: Sequence[Any]) -> Any:
    """The container that requests go to: the only one, or the one of several that has a port."""
    return next((container for container in containers if container.get("ports")), containers[0])


def _environment(entries: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, SecretRef]]:
    env: dict[str, str] = {}
    secret_env: dict[str, SecretRef] = {}
    for entry in entries:
        if "valueSource" in entry:
            key = entry["valueSource"]["secretKeyRef"]
            secret_env[entry["name"]] = SecretRef(key["secret"], key.get("version", "latest"))
        else:
            env[entry["name"]] = entry.get("value", "")
    return env, secret_env


def _secret_files(mount: str, volume: Mapping[str, Any]) -> list[SecretFile]:
    if "secret" not in volume:
        return []
    name: str = volume["secret"]["secret"]
    items: Sequence[Mapping[str, Any]] = volume["secret"].get("items", ())
    if not items:
        return [SecretFile(mount, name.rsplit("/", 1)[-1], SecretRef(name, "latest"))]
    return [SecretFile(mount, item["path"], SecretRef(name, item.get("version", "latest"))) for item in items]


def _probe(probe: Mapping[str, Any]) -> Probe:
    http: Mapping[str, Any] = probe.get("httpGet", {})
    return Probe(
        kind="http" if "httpGet" in probe else "tcp",
        path=http.get("path", "/"),
        initial_delay=probe.get("initialDelaySeconds", 0),
        period=probe.get("periodSeconds", 10 if probe else 240),
        timeout=probe.get("timeoutSeconds", 1 if probe else 240),
        failures=probe.get("failureThreshold", 3 if probe else 1),
        headers=tuple((header["name"], header.get("value", "")) for header in http.get("httpHeaders", ())),
    )


def quantity(text: str) -> int:
    """A Kubernetes quantity of bytes: "512Mi" is 536870912. Raises ValueError."""
    match = _QUANTITY.match(text)
    if match is None or match.group(2) == "m":
        raise ValueError(f"{text!r} is not a quantity")
    return int(float(match.group(1)) * _SUFFIX[match.group(2) or ""])


def cpus(text: str) -> float:
    """A quantity of processors: "1000m", "1" and "1.0" are 1.0. Raises ValueError."""
    match = _QUANTITY.match(text)
    if match is None or match.group(2) not in (None, "m"):
        raise ValueError(f"{text!r} is not a quantity")
    return float(match.group(1)) / (1000 if match.group(2) else 1)


def seconds(text: str) -> float:
    """A duration of Google's JSON: "300s" is 300.0."""
    return float(text.removesuffix("s"))
