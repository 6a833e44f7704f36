"""What Cloud Run refuses in the containers of a template: names, environment, resources, probes."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.runtime.revision import cpus, quantity

_RESERVED: Final = ("K_SERVICE", "K_REVISION", "K_CONFIGURATION")
_RESERVED_FOR_JOBS: Final = (
    "CLOUD_RUN_JOB",
    "CLOUD_RUN_EXECUTION",
    "CLOUD_RUN_TASK_INDEX",
    "CLOUD_RUN_TASK_COUNT",
    "CLOUD_RUN_TASK_ATTEMPT",
)
_ENV_NAME: Final = re.compile(r"[^=\0]+")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MI: Final = 1024**2
_GI: Final = 1024**3
# "Configure memory limits" and "Configure CPU limits": vCPU -> least and most memory.
_MEMORY: Final = {1: (128 * _MI, 4 * _GI), 2: (128 * _MI, 8 * _GI), 4: (2 * _GI, 16 * _GI), 6: (4 * _GI, 24 * _GI),
                  8: (4 * _GI, 32 * _GI)}  # fmt: skip
_ACTIONS: Final = ("httpGet", "tcpSocket", "grpc")
Report = Callable[[str, str], None]
"""Takes a field's path and what is wrong with it."""


def check(template: Mapping[str, Any], place: str, *, serving: bool, report: Report) -> None:
    """Report what is wrong with the containers of a template, whose defaults are filled in.

    Raises ApiError where there is none.
    """
    containers: Sequence[Mapping[str, Any]] = template.get("containers", ())
    if not containers:
        raise bad_request([(f"{place}.containers", "template must have at least one container.")])
    names = [str(container.get("name", "")) for container in containers]
    for number, container in enumerate(containers):
        field = f"{place}.containers[{number}]"
        if not container.get("image"):
            report(f"{field}.image", "An image is required.")
        _check_name(container, names, field, report)
        _check_env(container.get("env", ()), f"{field}.env", _reserved(container, serving=serving), report)
        _check_resources(container, template, field, report)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                _check_probe(
                    container[probe], f"{field}.{probe}", startup=probe == "startupProbe", report=report
                )


def not_emulated(what: str) -> ApiError:
    """The 400 for what Cloud Run takes and the sandbox cannot do."""
    return ApiError(400, f"The sandbox does not emulate {what}.", reason="sandboxNotEmulated")


def _check_name(container: Mapping[str, Any], names: Sequence[str], field: str, report: Report) -> None:
    name = container.get("name", "")
    if name and not _LABEL.fullmatch(name):
        report(f"{field}.name", f"Invalid container name: {name!r}.")
    if name and names.count(name) > 1:
        report(f"{field}.name", f"Duplicate container name: {name}.")
    for other in container.get("dependsOn", ()):
        if other not in names or other == name:
            report(f"{field}.depends_on", f"There is no other container named {other}.")


def _reserved(container: Mapping[str, Any], *, serving: bool) -> Sequence[str]:
    # Only the entrance is told its port; a container beside it may be told where to listen.
    entrance = ("PORT",) if container.get("ports") else ()
    return (*entrance, *_RESERVED) if serving else _RESERVED_FOR_JOBS


def _check_env(
    entries: Sequence[Mapping[str, Any]], field: str, reserved: Sequence[str], report: Report
) -> None:
    names = [str(entry.get("name", "")) for entry in entries]
    taken = [name for name in names if name in reserved]
    if taken:
        report(field, f"The following reserved env names were provided: {', '.join(taken)}. "
               "These values are automatically set by the system.")  # fmt: skip
    for name in sorted({name for name in names if names.count(name) > 1}):
        report(field, f"Duplicate environment variable name: {name}.")
    for entry in entries:
        if not _ENV_NAME.fullmatch(str(entry.get("name", ""))):
            report(field, "An environment variable has no name.")
        if "value" in entry and "valueSource" in entry:
            report(field, f"{entry['name']}: one and only one of value and value_source must be set.")
        if "valueSource" in entry and not entry["valueSource"].get("secretKeyRef", {}).get("secret"):
            report(field, f"{entry['name']}: secret_key_ref.secret is required.")


def _check_resources(
    container: Mapping[str, Any], template: Mapping[str, Any], field: str, report: Report
) -> None:
    limits = container["resources"]["limits"]
    try:
        cpu, memory = cpus(str(limits["cpu"])), quantity(str(limits["memory"]))
    except ValueError as error:
        report(f"{field}.resources.limits", f"{error}.")
        return
    if cpu < 1:
        _check_small(cpu, memory, container, template, field, report)
        return
    bounds = _MEMORY.get(int(cpu)) if cpu == int(cpu) else None
    if bounds is None:
        report(
            f"{field}.resources.limits.cpu",
            f"Invalid value specified for cpu: {limits['cpu']}; use 1, 2, 4, 6 or 8.",
        )
    elif not bounds[0] <= memory <= bounds[1]:
        text = f"For {cpu:g} CPU, memory must be between {bounds[0] // _MI}Mi and {bounds[1] // _MI}Mi inclusive."
        report(f"{field}.resources.limits.memory", f"Invalid value specified for container memory. {text}")
    elif (
        template.get("executionEnvironment") == "EXECUTION_ENVIRONMENT_GEN2"
        and memory < 512 * _MI
        and len(template["containers"]) == 1
    ):
        report(
            f"{field}.resources.limits.memory",
            "The second generation execution environment needs at least 512Mi.",
        )


def _check_small(
    cpu: float,
    memory: int,
    container: Mapping[str, Any],
    template: Mapping[str, Any],
    field: str,
    report: Report,
) -> None:
    place = f"{field}.resources.limits.cpu"
    if template.get("executionEnvironment") == "EXECUTION_ENVIRONMENT_GEN2":
        report(
            place,
            "Total cpu < 1 is not supported with the second generation execution environment; use GEN1.",
        )
    if cpu < 0.08:
        report(place, "Invalid value specified for cpu: at least 80m is required.")
    if template.get("maxInstanceRequestConcurrency", 1) > 1 and len(template["containers"]) == 1:
        report(place, "Total cpu < 1 is not supported with concurrency > 1.")
    if memory > 512 * _MI and cpu < 0.5:
        report(place, "Memory above 512Mi needs at least 0.5 CPU.")
    if memory > _GI:
        report(place, "Memory above 1Gi needs at least 1 CPU.")
    if "maxRetries" not in template and not container["resources"].get(
        "cpuIdle"
    ):  # a job's tasks have no requests
        report(place, "Total cpu < 1 is not supported with CPU always allocated.")


def _check_probe(probe: Mapping[str, Any], field: str, *, startup: bool, report: Report) -> None:
    if sum(kind in probe for kind in _ACTIONS) != 1:
        report(field, "one and only one of http_get, tcp_socket and grpc must be set.")
    delay, period, timeout = (
        probe.get(key, 0) for key in ("initialDelaySeconds", "periodSeconds", "timeoutSeconds")
    )
    most = 240 if startup else 3600
    if not 0 <= delay <= most:
        report(f"{field}.initial_delay_seconds", f"Must be between 0 and {most}.")
    if not 1 <= period <= most:
        report(f"{field}.period_seconds", f"Must be between 1 and {most}.")
    if not 1 <= timeout <= most or timeout > period:
        report(f"{field}.timeout_seconds", f"Must be between 1 and {most}, and not more than period_seconds.")
    tries = probe.get("failureThreshold", 1)
    if tries < 1:
        report(f"{field}.failure_threshold", "Must be at least 1.")
    if startup and tries * period > 240:
        text = "The product of failure_threshold and period_seconds must not be greater than 240 for startup probes."
        report(f"{field}.failure_threshold", text)
    for kind in _ACTIONS:
        if not 0 <= probe.get(kind, {}).get("port", 1) <= 65535:
            report(f"{field}.{kind}.port", "Must be between 1 and 65535.")
