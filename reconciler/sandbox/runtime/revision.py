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
    """A startup or liveness probe; times in seconds."""

    kind: Literal["tcp", "http", "grpc"]
    path: str
    """Of an HTTP probe; the service of a gRPC probe."""
    initial_delay: float
    period: float
    timeout: float
    failures: int
    headers: tuple[tuple[str, str], ...] = ()
    port: int = 0
    """The port that it names; 0 for the container's own."""

    @property
    def budget(self) -> float:
        """The seconds after which a container that never answered has failed."""
        return self.initial_delay + max(self.period, self.timeout) * self.failures


@dataclass(frozen=True)
class Container:
    """A container of a revision or task."""

    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    secret_env: Mapping[str, SecretRef]
    variables: tuple[str, ...]
    """The names of all its variables, in the order of the template."""
    secret_files: tuple[SecretFile, ...]
    sql_mounts: Mapping[str, tuple[str, ...]]
    """Mount path -> connection names (PROJECT:REGION:INSTANCE)."""
    shared_mounts: Mapping[str, str]
    """Of empty volumes and of buckets: mount path -> the volume's name, and the path within it where there is one."""
    port: int
    h2c: bool
    memory: int
    """Bytes."""
    account: str
    """E-mail of the service account it runs as."""
    timeout: float
    """Seconds: of a request, or of a task."""
    probe: Probe | None
    """The startup probe; None for one that is ready when it is started."""
    liveness: Probe | None = None
    workdir: str = ""
    name: str = ""
    number: int = 0
    """Its place in the template."""
    entrance: bool = True
    """Whether requests go to it."""
    depends_on: tuple[str, ...] = ()
    vpc_access: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The template's `vpcAccess`: its way into a network, or nothing."""
    unsupported: str = ""
    """What of its template cannot be run here, in words; "" where everything can."""


def containers_of(template: Mapping[str, Any]) -> list[Container]:
    """Read a RevisionTemplate, Revision or TaskTemplate with its defaults filled in: its containers as they start.

    A container follows those that it depends on; the one that requests go to comes last where that is free.
    """
    entrance = ingress_container(template["containers"])
    found = [
        _container(template, one, number, entrance=one is entrance)
        for number, one in enumerate(template["containers"])
    ]
    waiting = sorted(found, key=lambda one: one.entrance)
    ordered: list[Container] = []
    while waiting:
        started = {one.name for one in ordered}
        ready = [one for one in waiting if started.issuperset(one.depends_on)]
        # In a circle nobody can wait; Cloud Run refuses such a template.
        ordered.append(ready[0] if ready else waiting[0])
        waiting.remove(ordered[-1])
    return ordered


def ingress_container(containers: Sequence[Any]) -> Any:
    """The container that requests go to: the only one, or the one of several that has a port."""
    return next((container for container in containers if container.get("ports")), containers[0])


def _container(
    template: Mapping[str, Any], container: Mapping[str, Any], number: int, *, entrance: bool
) -> Container:
    port: Mapping[str, Any] = next(iter(container.get("ports", ())), dict[str, Any]())
    own = int(port.get("containerPort", 8080))
    env, secret_env = _environment(container.get("env", ()))
    mounts = _mounts(template, container)
    startup, liveness = container.get("startupProbe"), container.get("livenessProbe")
    return Container(
        image=container["image"],
        command=tuple(container.get("command", ())),
        arguments=tuple(container.get("args", ())),
        env=env,
        secret_env=secret_env,
        variables=tuple(entry["name"] for entry in container.get("env", ())),
        secret_files=tuple(file for mount, volume, _ in mounts for file in _secret_files(mount, volume)),
        sql_mounts={mount: _databases(volume) for mount, volume, _ in mounts if "cloudSqlInstance" in volume},
        shared_mounts={
            mount: _below(volume, path)
            for mount, volume, path in mounts
            if "emptyDir" in volume or "gcs" in volume
        },
        port=own,
        h2c=port.get("name") == "h2c",
        memory=quantity(container.get("resources", {}).get("limits", {}).get("memory", "512Mi")),
        account=template.get("serviceAccount", ""),
        timeout=seconds(template.get("timeout", "300s")),
        probe=_probe(startup or {}, own) if startup or entrance else None,
        liveness=_probe(liveness, own) if liveness else None,
        workdir=container.get("workingDir", ""),
        name=container.get("name", ""),
        number=number,
        entrance=entrance,
        depends_on=tuple(container.get("dependsOn", ())),
        vpc_access=template.get("vpcAccess", {}),
        unsupported=_unsupported(template),
    )


def _mounts(
    template: Mapping[str, Any], container: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any], str]]:
    """(mount path, volume, path within the volume) of each mount; Cloud SQL's needs no path."""
    volumes = {volume["name"]: volume for volume in template.get("volumes", ())}
    return [
        (
            mount.get("mountPath", "").rstrip("/") or "/cloudsql",
            volumes[mount["name"]],
            mount.get("subPath", ""),
        )
        for mount in container.get("volumeMounts", ())
    ]


def _databases(volume: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(volume["cloudSqlInstance"].get("instances", ()))


def _below(volume: Mapping[str, Any], path: str) -> str:
    return f"{volume['name']}/{path}".rstrip("/")


def _unsupported(template: Mapping[str, Any]) -> str:
    kinds = {kind for volume in template.get("volumes", ()) for kind in volume}
    if {"nfs", "filestore"} & kinds:
        return "volumes of NFS and Filestore"
    return "GPUs" if template.get("nodeSelector") else ""


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


def _probe(probe: Mapping[str, Any], own: int) -> Probe:
    """`own` is the port of the container's own, which the sandbox makes another one."""
    kinds: Mapping[str, Literal["tcp", "http", "grpc"]] = {
        "httpGet": "http",
        "grpc": "grpc",
        "tcpSocket": "tcp",
    }
    named = next((name for name in kinds if name in probe), "tcpSocket")
    action: Mapping[str, Any] = probe.get(named, {})
    port = int(action.get("port", own))
    return Probe(
        kind=kinds[named],
        path=action.get("service", "") if named == "grpc" else action.get("path", "/"),
        initial_delay=probe.get("initialDelaySeconds", 0),
        period=probe.get("periodSeconds", 10 if probe else 240),
        timeout=probe.get("timeoutSeconds", 1 if probe else 240),
        failures=probe.get("failureThreshold", 3 if probe else 1),
        headers=tuple((header["name"], header.get("value", "")) for header in action.get("httpHeaders", ())),
        port=0 if port == own else port,
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
