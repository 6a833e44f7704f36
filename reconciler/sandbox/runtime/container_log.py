"""What a container prints and what the platform says of it: into a file for a person, and into Cloud Logging."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.sandbox.logs import entries
from reconciler.sandbox.logs.entries import SEVERITIES, Entries
from reconciler.sandbox.runtime.processes import BoundedLog
from reconciler.sandbox.world import World

_SPECIAL: Final = {
    "httpRequest": "httpRequest",
    "logging.googleapis.com/insertId": "insertId",
    "logging.googleapis.com/labels": "labels",
    "logging.googleapis.com/operation": "operation",
    "logging.googleapis.com/sourceLocation": "sourceLocation",
    "logging.googleapis.com/spanId": "spanId",
    "logging.googleapis.com/trace": "trace",
    "logging.googleapis.com/trace_sampled": "traceSampled",
    "time": "timestamp",
    "timestamp": "timestamp",
}
"""Fields of a JSON line that Cloud Run's log agent takes out of it ("Special fields in structured payloads")."""


@dataclass(frozen=True)
class Identity:
    """Who a container is: for its metadata server, its log and its messages."""

    project: str
    number: str
    region: str
    name: str
    """The revision or the task: "mlflow-00001-abc"."""
    kind: str = "cloud_run_revision"
    """The monitored resource's type, as Cloud Logging has it."""
    resource: Mapping[str, str] = field(default_factory=dict[str, str])
    """The monitored resource's labels, beyond project and location."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """The labels of each log entry."""

    def monitored(self) -> dict[str, Any]:
        """The monitored resource of its entries."""
        place = {"project_id": self.project, "location": self.region}
        return {"type": self.kind, "labels": {**place, **self.resource}}


def identity(world: World, revision: str) -> Identity:
    """Who the containers of a revision (full name) are."""
    _, project, _, region, _, service, _, short = revision.split("/")
    known = world.projects.get(project)
    resource = {"service_name": service, "revision_name": short, "configuration_name": service}
    return Identity(project, known.number if known else "", region, short, resource=resource)


class ContainerLog:
    """The log of one container."""

    def __init__(self, world: World, who: Identity, container: str = "") -> None:
        """*container* is its name, where an instance has several."""
        self._who = who
        self._entries: Entries = entries.of(world)
        self._file = file_log(world, who.name)
        name = {"container_name": container} if container else {}
        self._labels = {"instanceId": secrets.token_hex(58), **who.labels, **name}

    def write(self, line: str, severity: str = "WARNING") -> None:
        """A line of the platform's own."""
        self._file.write(line)
        self._keep("run.googleapis.com/varlog/system", {"severity": severity, "textPayload": line})

    def printed(self, line: str) -> None:
        """A line that the container wrote to its standard output."""
        self._file.write(line)
        self._keep("run.googleapis.com/stdout", payload(line))

    def complained(self, line: str) -> None:
        """A line that it wrote to its standard error."""
        self._file.write(line)
        self._keep("run.googleapis.com/stderr", payload(line))

    def tail(self, lines: int) -> str:
        """The last lines."""
        return self._file.tail(lines)

    def _keep(self, log: str, entry: Mapping[str, Any]) -> None:
        if not entry:
            return
        labels = {**self._labels, **entry.get("labels", {})}
        whole = {**entry, "labels": labels, "resource": self._who.monitored()}
        self._entries.write(self._who.project, log, whole)


def file_log(world: World, name: str) -> BoundedLog:
    """The file of a revision's or a task's log."""
    return BoundedLog(world.home / "logs" / f"{name}.log")


def payload(line: str) -> dict[str, Any]:
    """The fields of the entry that Cloud Run makes of a printed line; nothing of an empty one.

    A line that is a JSON object becomes the payload, less its special fields; of one that holds nothing but a message
    the message becomes the text.
    """
    try:
        found: Any = json.loads(line) if line.startswith("{") else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return {"textPayload": line} if line.strip() else {}
    rest: dict[str, Any] = dict(found)  # pyright: ignore[reportUnknownArgumentType] -- JSON is untyped
    entry: dict[str, Any] = {}
    severity = str(rest.get("severity", "")).upper()
    if severity in SEVERITIES:
        del rest["severity"]
        entry["severity"] = severity
    for name, own in _SPECIAL.items():
        if name in rest and (own != "timestamp" or str(rest[name]).endswith("Z")):
            entry[own] = rest.pop(name)
    if set(rest) == {"message"} and isinstance(rest["message"], str):
        return {**entry, "textPayload": rest["message"]}
    return {**entry, "jsonPayload": rest}
