"""Templates of Cloud Run revisions and tasks: what the server fills in.

The defaults are those recorded for jobs and captured for services of the real API.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from reconciler.sandbox.runtime.revision import cpus

_KEPT_ZEROES: Final = frozenset({"maxRetries"})
_DROPPED_WHEN_EMPTY: Final = frozenset({"labels", "annotations"})


def completed_service(sent: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A service's fields with the server's defaults; `account` is the default service account's e-mail."""
    body = deepcopy(dict(sent))
    body.setdefault("ingress", "INGRESS_TRAFFIC_ALL")
    body.setdefault("launchStage", "GA")
    if not body.get("traffic"):
        body["traffic"] = [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]
    template: dict[str, Any] = body.setdefault("template", {})
    template.setdefault("scaling", {})
    if "maxInstanceCount" not in template["scaling"]:
        template["scaling"]["maxInstanceCount"] = 100
    template.setdefault("timeout", "300s")
    template.setdefault("serviceAccount", account)
    for container in template.get("containers", ()):
        _complete_serving(container)
    containers: Sequence[Mapping[str, Any]] = template.get("containers", ())
    limits: Mapping[str, Any] = containers[0]["resources"]["limits"] if containers else {}
    if not template.get("maxInstanceRequestConcurrency"):
        template["maxInstanceRequestConcurrency"] = 80 if _whole_cpu(limits) else 1
    return compact(body)


def completed_job(sent: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A job's fields with the server's defaults."""
    body = deepcopy(dict(sent))
    body.setdefault("launchStage", "GA")
    outer: dict[str, Any] = body.setdefault("template", {})
    outer["taskCount"] = outer.get("taskCount") or 1
    inner: dict[str, Any] = outer.setdefault("template", {})
    inner.setdefault("executionEnvironment", "EXECUTION_ENVIRONMENT_GEN2")
    inner.setdefault("maxRetries", 3)
    inner.setdefault("timeout", "600s")
    inner.setdefault("serviceAccount", account)
    for container in inner.get("containers", ()):
        _complete_resources(container)
        if probe := container.get("startupProbe"):
            _complete_times(probe)
    return compact(body)


def compact(value: Any) -> Any:
    """The value as proto3 writes it: without false, 0 and "", and without empty lists."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType] -- JSON
            small = compact(inner)
            name = str(key)  # pyright: ignore[reportUnknownArgumentType] -- JSON
            gone = small in (False, "", []) and name not in _KEPT_ZEROES
            if not gone and not (small == {} and name in _DROPPED_WHEN_EMPTY):
                found[name] = small
        return found
    if isinstance(value, list):
        return [compact(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType] -- JSON
    return value


def _complete_serving(container: dict[str, Any]) -> None:
    fresh = not container.get("resources")
    _complete_resources(container)
    if fresh:
        # Whoever sends any resources decides for himself; the fields that he leaves out are then false.
        container["resources"] |= {"cpuIdle": True, "startupCpuBoost": True}
    ports: list[dict[str, Any]] = container.get("ports") or [dict[str, Any]()]
    port = ports[0]
    port["name"] = port.get("name") or "http1"
    port["containerPort"] = port.get("containerPort") or 8080
    container["ports"] = ports
    probe = container.get("startupProbe")
    if not probe:
        container["startupProbe"] = {
            "tcpSocket": {"port": port["containerPort"]},
            "timeoutSeconds": 240,
            "periodSeconds": 240,
            "failureThreshold": 1,
        }
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe := container.get(name):
            _complete_probe(probe, port["containerPort"])


def _complete_times(probe: dict[str, Any]) -> None:
    # A zero is a field that was left out, as everywhere in proto3.
    for field, default in (("timeoutSeconds", 1), ("periodSeconds", 10), ("failureThreshold", 3)):
        probe[field] = probe.get(field) or default


def _complete_probe(probe: dict[str, Any], port: int) -> None:
    _complete_times(probe)
    for kind in ("httpGet", "tcpSocket"):
        if kind in probe:
            probe[kind]["port"] = probe[kind].get("port") or port
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")


def _complete_resources(container: dict[str, Any]) -> None:
    resources: dict[str, Any] = container.setdefault("resources", {})
    limits: dict[str, Any] = resources.setdefault("limits", {})
    limits.setdefault("cpu", "1000m")
    limits.setdefault("memory", "512Mi")


def _whole_cpu(limits: Mapping[str, Any]) -> bool:
    try:
        return cpus(limits.get("cpu", "1000m")) >= 1
    except ValueError:
        return True  # the check that follows names the field
