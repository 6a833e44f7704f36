"""What Cloud Run refuses in a service or a job, in its own words where they are known."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.runtime.revision import ingress_container, seconds
from reconciler.sandbox.seeding import account_exists
from reconciler.sandbox.services import run_container_rules as containers
from reconciler.sandbox.services import run_policies as policies
from reconciler.sandbox.services import run_volume_rules as volumes
from reconciler.sandbox.services.run_container_rules import Report, not_emulated
from reconciler.sandbox.world import Request, World

NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?")
TAG: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,44}[a-z0-9])?")
_SYSTEM_PREFIXES: Final = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
_NO_SERVICE: Final = ("multiRegionSettings", "buildConfig", "sshEnabled", "functionalType")
_NO_REVISION: Final = (
    "nodeSelector", "serviceMesh", "sandboxes", "ambientNetworking", "workloadIdentityConfig",
)  # fmt: skip
_NO_JOB: Final = ("startExecutionToken", "runExecutionToken", "functionalType")
_DESCRIPTION: Final = 512


def check_service(world: World, request: Request, body: Mapping[str, Any]) -> None:
    """Raise ApiError where Cloud Run refuses the service, whose defaults are filled in. All findings at once."""
    findings: list[tuple[str, str]] = []
    report: Report = lambda field, text: findings.append((f"service.{field}", text))  # noqa: E731 -- a name for a closure
    _refuse_unknown(body, _NO_SERVICE)
    _check_metadata(body, "", report)
    template: Mapping[str, Any] = body["template"]
    _refuse_unknown(template, _NO_REVISION)
    _check_metadata(template, "template.", report)
    containers.check(template, "template", serving=True, report=report)
    volumes.check(template, "template", report)
    _check_scaling(body, report)
    _check_serving(template, report)
    _check_traffic(body, report)
    _finish(world, request, findings, template)
    policies.check_ingress(world, _attempt(request), body)


def check_job(world: World, request: Request, body: Mapping[str, Any]) -> None:
    """Raise ApiError where Cloud Run refuses the job, whose defaults are filled in."""
    findings: list[tuple[str, str]] = []
    report: Report = lambda field, text: findings.append((f"job.{field}", text))  # noqa: E731 -- a name for a closure
    _refuse_unknown(body, _NO_JOB)
    _check_metadata(body, "", report)
    outer: Mapping[str, Any] = body["template"]
    _check_metadata(outer, "template.", report)
    template: Mapping[str, Any] = outer["template"]
    containers.check(template, "template.template", serving=False, report=report)
    volumes.check(template, "template.template", report)
    if not 0 <= template["maxRetries"] <= 10:
        report("template.template.max_retries", "Must be between 0 and 10.")
    if not 1 <= seconds(template["timeout"]) <= 168 * 3600:
        report("template.template.timeout", "Must be between 1s and 604800s.")
    if not 1 <= outer["taskCount"] <= 10_000:
        report("template.task_count", "Must be between 1 and 10000.")
    if not 0 <= outer.get("parallelism", 0) <= 10_000:
        report("template.parallelism", "Must be between 0 and 10000.")
    _finish(world, request, findings, template)


def _refuse_unknown(body: Mapping[str, Any], fields: Sequence[str]) -> None:
    named = [field for field in fields if body.get(field)]
    if named:
        raise not_emulated(", ".join(named))


def _finish(
    world: World, request: Request, findings: list[tuple[str, str]], template: Mapping[str, Any]
) -> None:
    if findings:
        raise bad_request(
            [(field, f"Violation in {_attempt(request)}Request.{field}: {text}") for field, text in findings]
        )
    _check_account(world, request, template["serviceAccount"])
    policies.check_egress(world, _attempt(request), template)


def _attempt(request: Request) -> str:
    verb = "Create" if request.http_method == "POST" else "Update"
    return f"{verb}{'Job' if '/jobs' in request.path else 'Service'}"


def _check_metadata(body: Mapping[str, Any], place: str, report: Report) -> None:
    labels.check({key: value for key, value in body.get("labels", {}).items() if "/" not in key})
    for kind in ("labels", "annotations"):
        for key in body.get(kind, {}):
            if key.partition("/")[0] in _SYSTEM_PREFIXES and "/" in key:
                report(f"{place}{kind}", f"System {kind} are not allowed: {key}.")
    if len(body.get("description", "")) > _DESCRIPTION:
        report("description", f"Must not be longer than {_DESCRIPTION} characters.")
    if not place and body["launchStage"] != "GA":
        report("launch_stage", f"{body['launchStage']} is not supported; use ALPHA, BETA or GA.")


def _check_scaling(body: Mapping[str, Any], report: Report) -> None:
    for place, scaling in (
        ("scaling", body.get("scaling", {})),
        ("template.scaling", body["template"]["scaling"]),
    ):
        least, most = scaling.get("minInstanceCount", 0), scaling.get("maxInstanceCount", 1000)
        if not 0 <= least <= 1000 or not 1 <= most <= 1000:
            report(place, "Instance counts must be between 0 (maximum: 1) and 1000.")
        if least > most:
            report(f"{place}.min_instance_count", "Must not be greater than max_instance_count.")
    own: Mapping[str, Any] = body.get("scaling", {})
    manual = own.get("scalingMode") == "MANUAL"
    if "manualInstanceCount" in own and not manual:
        report("scaling.manual_instance_count", "Can only be set in manual scaling mode.")
    if manual and not 0 <= own.get("manualInstanceCount", -1) <= 1000:
        report("scaling.manual_instance_count", "Must be between 0 and 1000 in manual scaling mode.")


def _check_serving(template: Mapping[str, Any], report: Report) -> None:
    if not 1 <= seconds(template["timeout"]) <= 3600:
        report("template.timeout", "Must be between 1s and 3600s.")
    if not 1 <= template["maxInstanceRequestConcurrency"] <= 1000:
        report("template.max_instance_request_concurrency", "Must be between 1 and 1000.")
    if any(
        container.get("sourceCode") or container.get("baseImageUri") for container in template["containers"]
    ):
        raise not_emulated("source_code and base_image_uri")
    serving = [container for container in template["containers"] if container.get("ports")]
    if len(serving) > 1:
        report(
            "template.containers",
            "Revision template should contain exactly one container with an exposed port.",
        )
    ports: Sequence[Mapping[str, Any]] = ingress_container(template["containers"])["ports"]
    if len(ports) > 1 or not 1 <= ports[0]["containerPort"] <= 65535:
        report("template.containers[0].ports", "One port between 1 and 65535 is expected.")
    if ports[0]["name"] not in ("http1", "h2c"):
        report("template.containers[0].ports.name", "Must be either http1 or h2c.")


def _check_traffic(body: Mapping[str, Any], report: Report) -> None:
    total = sum(target.get("percent", 0) for target in body["traffic"])
    if total != 100:
        report("traffic", f"The traffic percentages must add up to 100, and they add up to {total}.")
    tags = [target["tag"] for target in body["traffic"] if target.get("tag")]
    for tag in sorted({tag for tag in tags if tags.count(tag) > 1}):
        report("traffic.tag", f"The tag {tag} is given twice.")
    for tag in tags:
        if not TAG.fullmatch(tag):
            text = (
                "must be lowercase letters, digits and hyphens, begin with a letter, and be at most 46 long."
            )
            report("traffic.tag", f"The tag {tag!r} {text}")


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
