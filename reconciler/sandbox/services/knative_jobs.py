"""Between Cloud Run's two shapes of jobs, executions and tasks: v2's own, and those of v1 that gcloud uses. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.services import knative_containers as containers
from reconciler.sandbox.services import knative_notes as written
from reconciler.sandbox.services.knative import conditions, head
from reconciler.sandbox.services.knative_notes import RUN, Json

LOCATION: Final = "cloud.googleapis.com/location"
_COUNTS: Final = ("succeededCount", "failedCount", "cancelledCount", "runningCount", "retriedCount")


def job_fields(sent: Mapping[str, Any], place: str) -> Json:
    """The v2 fields that a v1 Job stands for; `place` is "projects/P/locations/R"."""
    metadata: Mapping[str, Any] = sent.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    written.refuse_unknown(notes)
    spec: Mapping[str, Any] = sent.get("spec", {})
    return {
        "labels": written.own(metadata.get("labels", {})),
        "annotations": written.own(notes),
        "launchStage": notes.get(f"{RUN}/launch-stage", "GA"),
        **written.client_fields(notes),
        **written.authorization_fields(notes),
        **{field: spec[field] for field in ("startExecutionToken", "runExecutionToken") if spec.get(field)},
        "template": _template_fields(spec.get("template", {}), place),
    }


def _template_fields(template: Mapping[str, Any], place: str) -> Json:
    metadata: Mapping[str, Any] = template.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    execution: Mapping[str, Any] = template.get("spec", {})
    task: Mapping[str, Any] = execution.get("template", {}).get("spec", {})
    inner: Json = {
        **containers.all_to_v2(task, notes, serving=False),
        **written.template_fields(notes, place),
        **({"maxRetries": task["maxRetries"]} if "maxRetries" in task else {}),
        **({"timeout": f"{task['timeoutSeconds']}s"} if task.get("timeoutSeconds") else {}),
        **({"serviceAccount": task["serviceAccountName"]} if task.get("serviceAccountName") else {}),
    }
    if task.get("nodeSelector"):
        inner["nodeSelector"] = {"accelerator": next(iter(task["nodeSelector"].values()))}
    return {
        "labels": written.own(metadata.get("labels", {})),
        "annotations": written.own(notes),
        **written.client_fields(notes),
        **{field: execution[field] for field in ("parallelism", "taskCount") if execution.get(field)},
        "template": inner,
    }


def overrides(sent: Mapping[str, Any]) -> Json:
    """The v2 overrides of a run."""
    found: Json = {"taskCount": sent["taskCount"]} if sent.get("taskCount") else {}
    found["containerOverrides"] = [
        {**one, "env": [containers.env_to_v2(entry, {}) for entry in one.get("env", ())]}
        for one in sent.get("containerOverrides", ())
    ]
    if sent.get("timeoutSeconds"):
        found["timeout"] = f"{sent['timeoutSeconds']}s"
    return found


def job(resource: Mapping[str, Any], number: str) -> Json:
    """The v1 Job of a v2 job; `number` is the project's, which v1 calls the namespace."""
    metadata = head(resource, number, RUN, "jobs")
    stage = {} if resource["launchStage"] == "GA" else {f"{RUN}/launch-stage": resource["launchStage"]}
    metadata["annotations"] = {
        **resource.get("annotations", {}),
        f"{RUN}/creator": resource["creator"],
        f"{RUN}/lastModifier": resource["lastModifier"],
        **stage,
        **written.client_notes(resource),
        **written.authorization_notes(resource),
    }
    metadata["labels"] = {
        **resource.get("labels", {}),
        LOCATION: resource["name"].split("/")[3],
        f"{RUN}/lastUpdatedTime": resource["updateTime"],
    }
    ready = {"type": "Ready", "lastTransitionTime": resource["updateTime"], **resource["terminalCondition"]}
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions([ready, *resource.get("conditions", ())]),
        "executionCount": resource.get("executionCount", 0),
    }
    if resource.get("latestCreatedExecution", {}).get("name"):
        status["latestCreatedExecution"] = _reference(resource["latestCreatedExecution"])
    outer = resource["template"]
    notes, execution = _shape(resource, outer, outer["template"], number)
    template = {
        "metadata": {"annotations": notes, "labels": dict(outer.get("labels", {}))},
        "spec": execution,
    }
    whole = {"apiVersion": f"{RUN}/v1", "kind": "Job", "metadata": metadata}
    return {**whole, "spec": {"template": template}, "status": status}


def execution(resource: Mapping[str, Any], number: str) -> Json:
    """The v1 Execution of a v2 execution."""
    parts = resource["name"].split("/")
    notes, spec = _shape(resource, resource, resource["template"], number)
    metadata = head(resource, number, RUN, "executions")
    metadata["annotations"] = {**notes, f"{RUN}/creator": resource["creator"]}
    metadata["labels"] = {**resource.get("labels", {}), LOCATION: parts[3], f"{RUN}/job": parts[5]}
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions(resource["conditions"]),
        "logUri": resource["logUri"],
        **{key: resource[key] for key in ("startTime", "completionTime", *_COUNTS) if key in resource},
    }
    whole = {"apiVersion": f"{RUN}/v1", "kind": "Execution", "metadata": metadata}
    return {**whole, "spec": spec, "status": status}


def task(resource: Mapping[str, Any], number: str) -> Json:
    """The v1 Task of a v2 task."""
    parts = resource["name"].split("/")
    metadata = head(resource, number, RUN, "tasks")
    metadata["annotations"] = dict(resource.get("annotations", {}))
    metadata["labels"] = {
        **resource.get("labels", {}),
        LOCATION: parts[3],
        f"{RUN}/job": parts[5],
        f"{RUN}/execution": parts[7],
        f"{RUN}/runningState": _running_state(resource),
    }
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions(resource["conditions"]),
        "logUri": resource["logUri"],
        **{
            key: resource[key]
            for key in ("index", "startTime", "completionTime", "retried")
            if key in resource
        },
    }
    if "lastAttemptResult" in resource:
        status["lastAttemptResult"] = {"status": {}, **resource["lastAttemptResult"]}
    whole = {"apiVersion": f"{RUN}/v1", "kind": "Task", "metadata": metadata}
    return {**whole, "spec": _task_spec(resource, (parts[1], number)), "status": status}


def _shape(
    resource: Mapping[str, Any], outer: Mapping[str, Any], inner: Mapping[str, Any], number: str
) -> tuple[dict[str, str], Json]:
    """(the annotations, the spec) of what `outer` says of executions and `inner` of tasks."""
    parts = resource["name"].split("/")
    place, projects = "/".join(parts[:4]), (parts[1], number)
    notes = {
        **outer.get("annotations", {}),
        **written.client_notes(outer),
        **written.template_notes(inner, place),
        **containers.secret_notes(inner, projects),
    }
    spec: Json = {"taskCount": outer["taskCount"], "template": {"spec": _task_spec(inner, projects)}}
    if outer.get("parallelism"):
        spec["parallelism"] = outer["parallelism"]
    return notes, spec


def _task_spec(template: Mapping[str, Any], projects: Sequence[str]) -> Json:
    found: Json = {
        "maxRetries": template.get("maxRetries", 0),
        "serviceAccountName": template["serviceAccount"],
        "timeoutSeconds": str(int(float(template["timeout"].removesuffix("s")))),
        **containers.all_to_v1(template, projects),
    }
    if template.get("nodeSelector"):
        found["nodeSelector"] = {f"{RUN}/accelerator": template["nodeSelector"]["accelerator"]}
    return found


def _running_state(task: Mapping[str, Any]) -> str:
    state = task["conditions"][0]["state"]
    words = {"CONDITION_SUCCEEDED": "Succeeded", "CONDITION_FAILED": "Failed"}
    return words.get(state, "Running" if "startTime" in task else "Pending")


def _reference(reference: Mapping[str, Any]) -> Json:
    names = {"name": "name", "createTime": "creationTimestamp", "completionTime": "completionTimestamp"}
    found: Json = {new: reference[old] for old, new in names.items() if old in reference}
    return {**found, "completionStatus": reference["completionStatus"]}
