"""Edits of what runs: the database, Cloud Run's services and jobs, and the schedule."""

from __future__ import annotations

from typing import Any, Final

from tests.laws.hands.edit import OPEN, WALLED, Edit, Of, Sort, beside
from tests.laws.hands.hand import Hand, Impossible, Place, add, drop, dug, put

_SQL = "/v1/projects/{P}/instances"
_INSTANCE = Place("sqladmin", f"{_SQL}/{{N}}", "settings")
_instance = Of("sqladmin.instance", _INSTANCE, "sqladmin.instance/{N}")
_RUN = "/v2/projects/{P}/locations/{R}"
_SERVICE = Place("run", f"{_RUN}/services/{{N}}", "whole")
_READY = ("run.service/{N} ready",)
"""A revision of somebody's may not start while something else is amiss."""
_service = Of("run.service", _SERVICE, "run.service/{N}", may=_READY)
_JOB = Place("run", f"{_RUN}/jobs/{{N}}-migrate", "whole")
_job = Of("run.job", _JOB, "run.job/{N}-migrate")
_NIGHTLY = Place("run", f"{_RUN}/jobs/{{N}}-retention", "whole")
_nightly = Of("run.job", _NIGHTLY, "run.job/{N}-retention", (WALLED,))
_SCHEDULE = Place("cloudscheduler", "/v1/projects/{P}/locations/{R}/jobs/{N}-retention")
_schedule = Of("cloudscheduler.job", _SCHEDULE, "cloudscheduler.job/{N}-retention", (WALLED,))
LABEL, MARK = "labels.theirs", "labels.mlflow-deployment"
_S = "settings.userLabels"
_ENV = "template.containers.0.env"
_TASK = "template.template.containers.0.env"
LOST: Final = (
    "sqladmin.database/*",
    "sqladmin.user/*",
    "sqladmin.public_address/*",
    "run.migration/*",
    "run.job/*",
    "run.service/*",
)
"""What must be done anew where the instance is gone."""


def _env(place: Place, path: str) -> Any:
    """The variable `THEIRS` of a container."""

    def read(hand: Hand) -> list[str]:
        variables: list[dict[str, str]] = dug(place.read(hand), path) or []
        return [one.get("value", "") for one in variables if one["name"] == "THEIRS"]

    return read


def _with_variable(of: Of, path: str, told: str) -> Edit:
    place = of.place
    return Edit(
        of.kind,
        "one more variable",
        Sort.OURS,
        lambda hand: place.change(hand, add(path, {"name": "THEIRS", "value": "{T}"})),
        _env(place, path),
        told=(f"{of.address} {told}.containers.env.THEIRS",),
        may=of.may,
        met=(place.path,),
        scenes=of.scenes,
    )


def _traffic(hand: Hand, whole: dict[str, Any]) -> None:
    del hand
    revision = str(whole.get("latestReadyRevision", "")).rpartition("/")[2]
    if not revision:
        raise Impossible("it has no revision yet")
    whole["traffic"] = [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": revision, "percent": 100}
    ]


def _annotation(hand: Hand) -> Any:
    secret = hand.got("secretmanager", "/v1/projects/{P}/secrets/{N}-db-password")
    return dug(secret, "annotations.mlflow-reconcile-password-set")


def _executions(hand: Hand) -> list[str]:
    found = hand.listed("run", f"{_JOB.path}/executions", "executions")
    return sorted(one["name"].rpartition("/")[2] for one in found)


def _forgotten(hand: Hand) -> None:
    if not _executions(hand):
        raise Impossible("it never ran")
    for name in _executions(hand):
        hand.done("DELETE", "run", f"{_JOB.path}/executions/{name}")


_addressed = Of("sqladmin.public_address", _INSTANCE, "sqladmin.public_address/{N}", (WALLED,))
EDITS: Final[tuple[Edit, ...]] = (
    _instance.ours("another tier", put("settings.tier", "db-custom-4-15360"), "settings.tier"),
    _instance.ours(
        "a network let in",
        put("settings.ipConfiguration.authorizedNetworks", [{"value": "0.0.0.0/0"}]),
        "settings.ipConfiguration.authorizedNetworks",
        scenes=(OPEN,),
    ),
    _instance.ours(
        "a flag",
        add("settings.databaseFlags", {"name": "log_lock_waits", "value": "on"}),
        "settings.databaseFlags",
        "settings.databaseFlags.log_lock_waits",
    ),
    _instance.ours(
        "fewer backups",
        put("settings.backupConfiguration.backupRetentionSettings.retainedBackups", 2),
        "settings.backupConfiguration.backupRetentionSettings.retainedBackups",
    ),
    _instance.ours("a label of ours", put(f"{_S}.team", "{T}"), f"{_S}.team"),
    _instance.ours(
        "protected", put("settings.deletionProtectionEnabled", True), "settings.deletionProtectionEnabled"
    ),
    _instance.theirs("a label", put(f"{_S}.theirs", "{T}"), f"{_S}.theirs"),
    _instance.theirs(
        "connectors alone", put("settings.connectorEnforcement", "REQUIRED"), "settings.connectorEnforcement"
    ),
    _instance.theirs(
        "what insights record",
        put("settings.insightsConfig.recordApplicationTags", True),
        "settings.insightsConfig.recordApplicationTags",
    ),
    _instance.theirs(
        "a policy of passwords",
        put("settings.passwordValidationPolicy", {"enablePasswordPolicy": True, "minLength": 9}),
        "settings.passwordValidationPolicy.minLength",
    ),
    _instance.marked(
        put(f"{_S}.mlflow-deployment", None), f"{_S}.mlflow-deployment", f"{_S}.mlflow-deployment"
    ),
    _instance.gone(may=LOST),
    _addressed.ours(
        "made public",
        put("settings.ipConfiguration.ipv4Enabled", True),
        "settings.ipConfiguration.ipv4Enabled",
    ),
    beside(
        "sqladmin.database",
        "another database",
        "sqladmin",
        (f"{_SQL}/{{N}}/databases", {"name": "theirs_{T}"}),
        f"{_SQL}/{{N}}/databases/theirs_{{T}}",
        met=(f"{_SQL}/{{N}}/databases",),
        outlives=False,
    ),
    Edit(
        "sqladmin.user",
        "the note of its password removed",
        Sort.OURS,
        lambda hand: Place("secretmanager", "/v1/projects/{P}/secrets/{N}-db-password").change(
            hand, drop("annotations.mlflow-reconcile-password-set")
        ),
        _annotation,
        told=("sqladmin.user/* password",),
        met=("/secrets/{N}-db-password", f"{_SQL}/{{N}}/users"),
    ),
    Edit(
        "sqladmin.user",
        "another user",
        Sort.THEIRS,
        lambda hand: hand.done(
            "POST", "sqladmin", f"{_SQL}/{{N}}/users", {"name": "theirs_{T}", "password": "not-ours-0"}
        ),
        lambda hand: hand.asked("GET", "sqladmin", f"{_SQL}/{{N}}/users/theirs_{{T}}").status == 200,
        met=(f"{_SQL}/{{N}}/users",),
    ),
    _with_variable(_service, _ENV, "template"),
    _service.ours(
        "more memory",
        put("template.containers.0.resources.limits.memory", "3Gi"),
        "template.containers.0.resources.limits.memory",
        "template.containers.resources.limits.memory",
        may=("run.service/{N} template.containers.resources.*",),
    ),
    _service.ours(
        "more instances", put("template.scaling.maxInstanceCount", 9), "template.scaling.maxInstanceCount"
    ),
    _service.ours(
        "a probe",
        put("template.containers.0.livenessProbe", {"tcpSocket": {"port": 8080}, "periodSeconds": 77}),
        "template.containers.0.livenessProbe",
        "template.containers.livenessProbe",
    ),
    _service.ours("open past all of IAM", put("invokerIamDisabled", True), "invokerIamDisabled"),
    _service.ours("closed", put("ingress", "INGRESS_TRAFFIC_INTERNAL_ONLY"), "ingress"),
    _service.ours("traffic pinned", _traffic, "traffic"),
    _service.ours("a label of ours", put("labels.team", "{T}"), "labels.team"),
    _service.theirs("a label", put(LABEL, "{T}"), LABEL),
    _service.theirs("an annotation", put("annotations.theirs", "{T}"), "annotations.theirs"),
    _service.theirs(
        "an annotation of the revision",
        put("template.annotations.theirs", "{T}"),
        "template.annotations.theirs",
    ),
    _service.theirs(
        "a label of the revision", put("template.labels.theirs", "{T}"), "template.labels.theirs"
    ),
    _service.theirs("a description", put("description", "{T}"), "description"),
    _service.marked(drop(MARK), MARK, MARK),
    _service.gone("run.service_iam/{N} *", may=("iap.*",), scenes=(OPEN,)),
    _service.gone(
        "iap.service_agent/{N} *",
        "iap.web_iam/{N} *",
        may=("run.service_iam/*",),
        scenes=(WALLED,),
        name="deleted behind the login",
    ),
    _with_variable(_job, _TASK, "template.template"),
    _job.ours("tried again", put("template.template.maxRetries", 3), "template.template.maxRetries"),
    _job.theirs("a label", put(LABEL, "{T}"), LABEL),
    _job.theirs("an annotation", put("annotations.theirs", "{T}"), "annotations.theirs"),
    _job.marked(drop(MARK), MARK, MARK),
    _job.gone("run.migration/{N} create"),
    _with_variable(_nightly, _TASK, "template.template"),
    _nightly.theirs("an annotation", put("annotations.theirs", "{T}"), "annotations.theirs"),
    _nightly.gone("run.job_iam/{N}-retention *"),
    Edit(
        "run.migration",
        "forgotten",
        Sort.GONE,
        _forgotten,
        lambda hand: bool(_executions(hand)),
        told=("run.migration/{N} create",),
        met=(f"{_JOB.path}",),
    ),
    Edit(
        "run.migration",
        "run by somebody",
        Sort.THEIRS,
        lambda hand: hand.done("POST", "run", f"{_JOB.path}:run", {}),
        _executions,
        met=(_JOB.path,),
    ),
    _schedule.ours("another time", put("schedule", "7 7 * * *"), "schedule"),
    _schedule.ours("fewer tries", put("retryConfig.retryCount", 1), "retryConfig.retryCount"),
    Edit(
        "cloudscheduler.job",
        "paused",
        Sort.OURS,
        lambda hand: hand.done("POST", "cloudscheduler", f"{_SCHEDULE.path}:pause", {}),
        lambda hand: dug(_SCHEDULE.read(hand), "state"),
        told=("cloudscheduler.job/{N}-retention state",),
        met=(_SCHEDULE.path,),
        scenes=(WALLED,),
    ),
    _schedule.theirs("a header", put("httpTarget.headers.X-Theirs", "{T}"), "httpTarget.headers.X-Theirs"),
    _schedule.theirs(
        "longer pauses", put("retryConfig.maxBackoffDuration", "77s"), "retryConfig.maxBackoffDuration"
    ),
    _schedule.marked(put("description", "{T}"), "description", "description"),
    _schedule.gone(),
)
