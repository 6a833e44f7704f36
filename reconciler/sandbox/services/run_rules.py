"""What Cloud Run refuses in a service or a job, in its own words where they are known."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox import egress, labels
from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.runtime.revision import cpus, quantity, seconds
from reconciler.sandbox.seeding import account_exists
from reconciler.sandbox.world import Request, World

NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?")
REGION: Final = re.compile(r"[a-z]+-[a-z]+\d+")
_RESERVED: Final = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
_RESERVED_FOR_JOBS: Final = (
    "CLOUD_RUN_JOB",
    "CLOUD_RUN_EXECUTION",
    "CLOUD_RUN_TASK_INDEX",
    "CLOUD_RUN_TASK_COUNT",
)
_ENV_NAME: Final = re.compile(r"[^=\0]+")
_SYSTEM_PREFIXES: Final = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
_CONNECTION: Final = re.compile(r"[a-z][a-z0-9.:-]*:[a-z]+-[a-z]+\d+:[a-z][a-z0-9-]*")
_MI: Final = 1024**2
_GI: Final = 1024**3
# "Configure memory limits" and "Configure CPU limits": vCPU -> least and most memory.
_MEMORY: Final = {1: (128 * _MI, 4 * _GI), 2: (128 * _MI, 8 * _GI), 4: (2 * _GI, 16 * _GI), 6: (4 * _GI, 24 * _GI),
                  8: (4 * _GI, 32 * _GI)}  # fmt: skip
Report = Callable[[str, str], None]


def check_service(world: World, request: Request, body: Mapping[str, Any]) -> None:
    """Raise ApiError where Cloud Run refuses the service, whose defaults are filled in. All findings at once."""
    findings: list[tuple[str, str]] = []
    report: Report = lambda field, text: findings.append((f"service.{field}", text))  # noqa: E731 -- a name for a closure
    _check_metadata(body, "", report)
    template: Mapping[str, Any] = body["template"]
    _check_metadata(template, "template.", report)
    _check_containers(template, "template", _RESERVED, report)
    _check_scaling(body, report)
    _check_serving(template, report)
    _check_traffic(body, report)
    if body.get("iapEnabled") or body.get("multiRegionSettings") or body.get("buildConfig"):
        raise _not_emulated("iapEnabled, multiRegionSettings and buildConfig")
    _finish(world, request, findings, template)


def check_job(world: World, request: Request, body: Mapping[str, Any]) -> None:
    """Raise ApiError where Cloud Run refuses the job, whose defaults are filled in."""
    findings: list[tuple[str, str]] = []
    report: Report = lambda field, text: findings.append((f"job.{field}", text))  # noqa: E731 -- a name for a closure
    _check_metadata(body, "", report)
    template: Mapping[str, Any] = body["template"]["template"]
    _check_containers(template, "template.template", _RESERVED_FOR_JOBS, report)
    if not 0 <= template["maxRetries"] <= 10:
        report("template.template.max_retries", "Must be between 0 and 10.")
    if not 1 <= seconds(template["timeout"]) <= 168 * 3600:
        report("template.template.timeout", "Must be between 1s and 604800s.")
    if not 1 <= body["template"]["taskCount"] <= 10_000:
        report("template.task_count", "Must be between 1 and 10000.")
    _finish(world, request, findings, template)


def _finish(
    world: World, request: Request, findings: list[tuple[str, str]], template: Mapping[str, Any]
) -> None:
    if findings:
        raise bad_request(
            [(field, f"Violation in {_message(request)}.{field}: {text}") for field, text in findings]
        )
    _check_account(world, request, template["serviceAccount"])


def _message(request: Request) -> str:
    verb = "Create" if request.http_method == "POST" else "Update"
    return f"{verb}{'Job' if '/jobs' in request.path else 'Service'}Request"


def _check_metadata(body: Mapping[str, Any], place: str, report: Report) -> None:
    labels.check({key: value for key, value in body.get("labels", {}).items() if "/" not in key})
    for kind in ("labels", "annotations"):
        for key in body.get(kind, {}):
            if key.partition("/")[0] in _SYSTEM_PREFIXES and "/" in key:
                report(f"{place}{kind}", f"System {kind} are not allowed: {key}.")


def _check_containers(
    template: Mapping[str, Any], place: str, reserved: Sequence[str], report: Report
) -> None:
    containers: Sequence[Mapping[str, Any]] = template.get("containers", ())
    if not containers:
        report(f"{place}.containers", "template must have at least one container.")
        raise bad_request([(f"{place}.containers", "template must have at least one container.")])
    if len(containers) > 1:
        raise _not_emulated("more than one container in a template")
    container, field = containers[0], f"{place}.containers[0]"
    if not container.get("image"):
        report(f"{field}.image", "An image is required.")
    _check_env(container.get("env", ()), f"{field}.env", reserved, report)
    _check_resources(container, template, field, report)
    for probe in ("startupProbe", "livenessProbe"):
        if probe in container:
            _check_probe(container[probe], f"{field}.{probe}", probe == "startupProbe", report)
    _check_volumes(container, template, place, report)
    for where, text in egress.findings(template.get("vpcAccess")):
        report(f"{place}.vpc_access.{where}", text)


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
        _check_small(cpu, memory, template, field, report)
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
    elif template.get("executionEnvironment") == "EXECUTION_ENVIRONMENT_GEN2" and memory < 512 * _MI:
        report(
            f"{field}.resources.limits.memory",
            "The second generation execution environment needs at least 512Mi.",
        )


def _check_small(cpu: float, memory: int, template: Mapping[str, Any], field: str, report: Report) -> None:
    place = f"{field}.resources.limits.cpu"
    if template.get("executionEnvironment") == "EXECUTION_ENVIRONMENT_GEN2":
        report(
            place,
            "Total cpu < 1 is not supported with the second generation execution environment; use GEN1.",
        )
    if cpu < 0.08:
        report(place, "Invalid value specified for cpu: at least 80m is required.")
    if template.get("maxInstanceRequestConcurrency", 1) > 1:
        report(place, "Total cpu < 1 is not supported with concurrency > 1.")
    if memory > 512 * _MI and cpu < 0.5:
        report(place, "Memory above 512Mi needs at least 0.5 CPU.")
    if memory > _GI:
        report(place, "Memory above 1Gi needs at least 1 CPU.")
    if not template["containers"][0]["resources"].get("cpuIdle"):
        report(place, "Total cpu < 1 is not supported with CPU always allocated.")


def _check_probe(probe: Mapping[str, Any], field: str, startup: bool, report: Report) -> None:
    if "grpc" in probe:
        raise _not_emulated("grpc probes")
    if ("httpGet" in probe) == ("tcpSocket" in probe):
        report(field, "one and only one of http_get, tcp_socket and grpc must be set.")
    delay, period, timeout = (
        probe.get(key, 0) for key in ("initialDelaySeconds", "periodSeconds", "timeoutSeconds")
    )
    if not 0 <= delay <= 240:
        report(f"{field}.initial_delay_seconds", "Must be between 0 and 240.")
    most = 240 if startup else 3600
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


def _check_volumes(
    container: Mapping[str, Any], template: Mapping[str, Any], place: str, report: Report
) -> None:
    volumes = {volume.get("name", ""): volume for volume in template.get("volumes", ())}
    for name, volume in volumes.items():
        if {"gcs", "nfs", "filestore"} & set(volume):
            raise _not_emulated("volumes of Cloud Storage, NFS and Filestore")
        if not {"cloudSqlInstance", "secret", "emptyDir"} & set(volume):
            report(f"{place}.volumes", f"The volume {name} has no source.")
        for connection in volume.get("cloudSqlInstance", {}).get("instances", ()):
            if not _CONNECTION.fullmatch(connection):
                report(
                    f"{place}.volumes",
                    f"Invalid Cloud SQL instance: {connection}; PROJECT:REGION:INSTANCE is expected.",
                )
    for mount in container.get("volumeMounts", ()):
        volume = volumes.get(mount.get("name", ""))
        path = str(mount.get("mountPath", ""))
        if volume is None:
            report(
                f"{place}.containers[0].volume_mounts",
                f"No volume with the name {mount.get('name')} is declared.",
            )
        elif "cloudSqlInstance" in volume and path.rstrip("/") != "/cloudsql":
            report(f"{place}.containers[0].volume_mounts", "A Cloud SQL volume must be mounted at /cloudsql.")
        if not path.startswith("/") or path == "/":
            report(f"{place}.containers[0].volume_mounts", f"Invalid mount path: {path}.")


def _check_scaling(body: Mapping[str, Any], report: Report) -> None:
    scaling: Mapping[str, Any] = body["template"].get("scaling", {})
    least, most = scaling.get("minInstanceCount", 0), scaling.get("maxInstanceCount", 100)
    if not 0 <= least <= 1000 or not 1 <= most <= 1000:
        report("template.scaling", "Instance counts must be between 0 (maximum: 1) and 1000.")
    if least > most:
        report("template.scaling.min_instance_count", "Must not be greater than max_instance_count.")


def _check_serving(template: Mapping[str, Any], report: Report) -> None:
    if not 1 <= seconds(template["timeout"]) <= 3600:
        report("template.timeout", "Must be between 1s and 3600s.")
    if not 1 <= template["maxInstanceRequestConcurrency"] <= 1000:
        report("template.max_instance_request_concurrency", "Must be between 1 and 1000.")
    ports: Sequence[Mapping[str, Any]] = template["containers"][0]["ports"]
    if len(ports) > 1 or not 1 <= ports[0]["containerPort"] <= 65535:
        report("template.containers[0].ports", "One port between 1 and 65535 is expected.")
    if ports[0]["name"] not in ("http1", "h2c"):
        report("template.containers[0].ports.name", "Must be either http1 or h2c.")


def _check_traffic(body: Mapping[str, Any], report: Report) -> None:
    total = sum(target.get("percent", 0) for target in body["traffic"])
    if total != 100:
        report("traffic", f"The traffic percentages must add up to 100, and they add up to {total}.")


def _check_account(world: World, request: Request, email: str) -> None:
    project = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    places = [
        f"projects/{project}/serviceAccounts/{email}",
        f"projects/{project}",
        f"projects/{request.project}",
    ]
    known = account_exists(world.store, email)
    if not known or not world.policies.allowed(request.caller, "iam.serviceAccounts.actAs", places):
        text = (
            f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist)."
        )
        raise ApiError(403, text)


def _not_emulated(what: str) -> ApiError:
    return ApiError(400, f"The sandbox does not emulate {what}.", reason="sandboxNotEmulated")
