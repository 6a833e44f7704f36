"""Templates of Cloud Run revisions and tasks: what the server fills in, and what it leaves out.

The defaults are those recorded for jobs and captured for services of the real API.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, cast

from reconciler.sandbox.runtime.revision import cpus, ingress_container

_KEPT_ZEROES: Final = frozenset({"maxRetries", "manualInstanceCount"})
"""Fields with presence in the API's messages: their zero was sent, and is shown."""
_MAPS: Final = frozenset({"labels", "annotations", "limits"})
"""Maps of the caller's own: dropped when empty, and otherwise kept to the letter."""
_ENUMS: Final = frozenset(
    {
        "egress",
        "encryptionKeyRevocationAction",
        "executionEnvironment",
        "functionalType",
        "medium",
        "scalingMode",
        "type",
    }
)
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def completed_service(sent: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A service's fields with the server's defaults; `account` is the default service account's e-mail."""
    body = deepcopy(dict(sent))
    body["ingress"] = _specified(body, "ingress") or "INGRESS_TRAFFIC_ALL"
    body["launchStage"] = _stage(body)
    if not body.get("traffic"):
        body["traffic"] = [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]
    template: dict[str, Any] = body.setdefault("template", {})
    scaling: dict[str, Any] = template.setdefault("scaling", {})
    scaling["maxInstanceCount"] = scaling.get("maxInstanceCount") or 100
    template["timeout"] = template.get("timeout") or "300s"
    template["serviceAccount"] = template.get("serviceAccount") or account
    _complete_network(template)
    containers: Sequence[dict[str, Any]] = template.get("containers", ())
    entrance = ingress_container(containers) if containers else None
    for container in containers:
        _complete_serving(container, entrance=container is entrance)
    limits: Mapping[str, Any] = entrance["resources"]["limits"] if entrance else {}
    if not template.get("maxInstanceRequestConcurrency"):
        template["maxInstanceRequestConcurrency"] = 80 if _whole_cpu(limits) else 1
    return compact(body)


def completed_job(sent: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A job's fields with the server's defaults."""
    body = deepcopy(dict(sent))
    body["launchStage"] = _stage(body)
    outer: dict[str, Any] = body.setdefault("template", {})
    outer["taskCount"] = outer.get("taskCount") or 1
    inner: dict[str, Any] = outer.setdefault("template", {})
    inner["executionEnvironment"] = _specified(inner, "executionEnvironment") or "EXECUTION_ENVIRONMENT_GEN2"
    inner.setdefault("maxRetries", 3)
    inner["timeout"] = inner.get("timeout") or "600s"
    inner["serviceAccount"] = inner.get("serviceAccount") or account
    _complete_network(inner)
    for container in inner.get("containers", ()):
        _complete_resources(container)
        for probe in (container[name] for name in _PROBES if container.get(name)):
            _complete_times(probe)
            if "httpGet" in probe:
                probe["httpGet"]["path"] = probe["httpGet"].get("path") or "/"
    return compact(body)


def compact(value: Any) -> Any:
    """The value as proto3 writes it: without false, 0 and "", without enums left unspecified, without empty lists."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        small = {key: inner if key in _MAPS else compact(inner) for key, inner in pairs}
        return {key: inner for key, inner in small.items() if _shown(key, inner)}
    if isinstance(value, list):
        return [compact(inner) for inner in cast("list[Any]", value)]
    return value


def _shown(name: str, value: Any) -> bool:
    if name in _MAPS:
        return bool(value)
    if name in _ENUMS and str(value).endswith("_UNSPECIFIED"):
        return False
    return value not in (False, "", []) or name in _KEPT_ZEROES


def _stage(body: Mapping[str, Any]) -> str:
    """The launch stage as the API shows it: the least stable one that the resource's features need.

    Preview features are not emulated, so what is sent as ALPHA or BETA uses GA features only and reads GA, as the
    API's reference says and Terraform's users see ("GA" -> "BETA" for ever). Other stages go to the check as they are.
    """
    sent = _specified(body, "launchStage") or "GA"
    return "GA" if sent in ("ALPHA", "BETA") else sent


def _specified(body: Mapping[str, Any], field: str) -> str:
    value = str(body.get(field, ""))
    return "" if value.endswith("_UNSPECIFIED") else value


def _complete_network(template: dict[str, Any]) -> None:
    access = template.get("vpcAccess")
    if access is None:
        return
    access["egress"] = _specified(access, "egress") or "PRIVATE_RANGES_ONLY"
    for interface in access.get("networkInterfaces", ()):
        # "If network is given and subnetwork is not, the subnetwork with the same name is used", and the reverse.
        network, subnetwork = interface.get("network"), interface.get("subnetwork")
        if network and not subnetwork:
            interface["subnetwork"] = str(network).rsplit("/", 1)[-1]


def _complete_serving(container: dict[str, Any], *, entrance: bool) -> None:
    fresh = not container.get("resources")
    _complete_resources(container)
    if fresh:
        # Whoever sends any resources decides for himself; the fields that he leaves out are then false.
        container["resources"] |= {"cpuIdle": True, "startupCpuBoost": True}
    port = 0
    if entrance:
        ports: list[dict[str, Any]] = container.get("ports") or [dict[str, Any]()]
        ports[0]["name"] = ports[0].get("name") or "http1"
        port = ports[0]["containerPort"] = ports[0].get("containerPort") or 8080
        container["ports"] = ports
        if not container.get("startupProbe"):
            container["startupProbe"] = {
                "tcpSocket": {"port": port},
                "timeoutSeconds": 240,
                "periodSeconds": 240,
                "failureThreshold": 1,
            }
    for probe in (container[name] for name in _PROBES if container.get(name)):
        _complete_probe(probe, port)


def _complete_times(probe: dict[str, Any]) -> None:
    # A zero is a field that was left out, as everywhere in proto3.
    for field, default in (("timeoutSeconds", 1), ("periodSeconds", 10), ("failureThreshold", 3)):
        probe[field] = probe.get(field) or default


def _complete_probe(probe: dict[str, Any], port: int) -> None:
    """`port` is the container's own; 0 for one that serves none, whose probes name their port."""
    _complete_times(probe)
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if kind in probe:
            probe[kind]["port"] = probe[kind].get("port") or port
    if "httpGet" in probe:
        probe["httpGet"]["path"] = probe["httpGet"].get("path") or "/"


def _complete_resources(container: dict[str, Any]) -> None:
    resources: dict[str, Any] = container.setdefault("resources", {})
    limits: dict[str, Any] = resources.setdefault("limits", {})
    limits["cpu"] = limits.get("cpu") or "1000m"
    limits["memory"] = limits.get("memory") or "512Mi"


def _whole_cpu(limits: Mapping[str, Any]) -> bool:
    try:
        return cpus(limits.get("cpu", "1000m")) >= 1
    except ValueError:
        return True  # the check that follows names the field
