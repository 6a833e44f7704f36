"""Between Cloud Run's two shapes of a service: v2's own, and the Knative objects of v1 that gcloud uses. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import knative_containers as containers

RUN: Final = "run.googleapis.com"
SCALE: Final = "autoscaling.knative.dev"
_SYSTEM: Final = (RUN, SCALE, "serving.knative.dev", "cloud.googleapis.com")
INGRESS: Final = {
    "all": "INGRESS_TRAFFIC_ALL",
    "internal": "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "internal-and-cloud-load-balancing": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
}
_LATEST: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
_REVISION: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
Json = dict[str, Any]


def service_fields(sent: Mapping[str, Any]) -> Json:
    """The v2 fields that a Knative Service stands for."""
    metadata: Mapping[str, Any] = sent.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    spec: Mapping[str, Any] = sent.get("spec", {})
    ingress = notes.get(f"{RUN}/ingress", "all")
    if ingress not in INGRESS:
        raise ApiError(400, f"Invalid ingress: {ingress}.")
    fields: Json = {
        "labels": _own(metadata.get("labels", {})),
        "annotations": _own(notes),
        "ingress": INGRESS[ingress],
        "launchStage": notes.get(f"{RUN}/launch-stage", "GA"),
        "client": notes.get(f"{RUN}/client-name", ""),
        "clientVersion": notes.get(f"{RUN}/client-version", ""),
        "description": notes.get(f"{RUN}/description", ""),
        "invokerIamDisabled": _true(notes.get(f"{RUN}/invoker-iam-disabled")),
        "defaultUriDisabled": _true(notes.get(f"{RUN}/default-url-disabled")),
        "customAudiences": json.loads(notes.get(f"{RUN}/custom-audiences", "[]")),
        "template": _template_fields(spec.get("template", {})),
        "traffic": [_target_fields(target) for target in spec.get("traffic", ())],
    }
    scaling = _counts(notes, f"{RUN}/minScale", f"{RUN}/maxScale")
    return {**fields, **({"scaling": scaling} if scaling else {})}


def _template_fields(template: Mapping[str, Any]) -> Json:
    metadata: Mapping[str, Any] = template.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    spec: Mapping[str, Any] = template.get("spec", {})
    fields: Json = {
        "revision": metadata.get("name", ""),
        "labels": _own(metadata.get("labels", {})),
        "annotations": _own(notes),
        "scaling": _counts(notes, f"{SCALE}/minScale", f"{SCALE}/maxScale"),
        "containers": [containers.to_v2(one, notes) for one in spec.get("containers", ())],
        "volumes": [containers.volume_to_v2(one) for one in spec.get("volumes", ())],
        "maxInstanceRequestConcurrency": spec.get("containerConcurrency", 0),
        "sessionAffinity": _true(notes.get(f"{RUN}/sessionAffinity")),
    }
    if spec.get("timeoutSeconds"):
        fields["timeout"] = f"{spec['timeoutSeconds']}s"
    if spec.get("serviceAccountName"):
        fields["serviceAccount"] = spec["serviceAccountName"]
    if generation := notes.get(f"{RUN}/execution-environment"):
        fields["executionEnvironment"] = f"EXECUTION_ENVIRONMENT_{generation.upper()}"
    if connector := notes.get(f"{RUN}/vpc-access-connector"):
        fields["vpcAccess"] = {"connector": connector}
    if databases := notes.get(f"{RUN}/cloudsql-instances"):
        fields["volumes"].append(
            {"name": "cloudsql", "cloudSqlInstance": {"instances": databases.split(",")}}
        )
        for container in fields["containers"]:
            container.setdefault("volumeMounts", []).append({"name": "cloudsql", "mountPath": "/cloudsql"})
    return fields


def _target_fields(target: Mapping[str, Any]) -> Json:
    found: Json = {"percent": target.get("percent", 0), "tag": target.get("tag", "")}
    if target.get("revisionName"):
        return {**found, "type": _REVISION, "revision": target["revisionName"]}
    return {**found, "type": _LATEST}


def service(resource: Mapping[str, Any], number: str) -> Json:
    """The Knative Service of a v2 service; `number` is the project's, which v1 calls the namespace."""
    parts = resource["name"].split("/")
    notes = {
        **resource.get("annotations", {}),
        "serving.knative.dev/creator": resource["creator"],
        "serving.knative.dev/lastModifier": resource["lastModifier"],
        f"{RUN}/ingress": _named(INGRESS, resource["ingress"]),
        f"{RUN}/ingress-status": _named(INGRESS, resource["ingress"]),
        f"{RUN}/urls": json.dumps(resource["urls"]),
        **_named_client(resource),
    }
    if resource.get("launchStage", "GA") != "GA":
        notes[f"{RUN}/launch-stage"] = resource["launchStage"]
    for field, name in (
        ("invokerIamDisabled", "invoker-iam-disabled"),
        ("defaultUriDisabled", "default-url-disabled"),
    ):
        if resource.get(field):
            notes[f"{RUN}/{name}"] = "true"
    if resource.get("description"):
        notes[f"{RUN}/description"] = resource["description"]
    if resource.get("customAudiences"):
        notes[f"{RUN}/custom-audiences"] = json.dumps(resource["customAudiences"])
    notes |= _count_notes(resource.get("scaling", {}), f"{RUN}/minScale", f"{RUN}/maxScale")
    metadata = _metadata(resource, number, "serving.knative.dev", "services")
    metadata["annotations"] = notes
    metadata["labels"] = {**resource.get("labels", {}), "cloud.googleapis.com/location": parts[3]}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "template": _template(resource["template"]),
            "traffic": [_target(target) for target in resource["traffic"]],
        },
        "status": _status(resource),
    }


def _template(template: Mapping[str, Any]) -> Json:
    notes = {**template.get("annotations", {}), **_template_notes(template)}
    metadata: Json = {"annotations": notes, "labels": dict(template.get("labels", {}))}
    if template.get("revision"):
        metadata["name"] = template["revision"]
    return {"metadata": metadata, "spec": revision_spec(template)}


def _template_notes(template: Mapping[str, Any]) -> dict[str, str]:
    notes = _count_notes(template.get("scaling", {}), f"{SCALE}/minScale", f"{SCALE}/maxScale")
    resources: Mapping[str, Any] = template["containers"][0].get("resources", {})
    if not resources.get("cpuIdle"):
        notes[f"{RUN}/cpu-throttling"] = "false"
    notes[f"{RUN}/startup-cpu-boost"] = "true" if resources.get("startupCpuBoost") else "false"
    if template.get("executionEnvironment"):
        notes[f"{RUN}/execution-environment"] = template["executionEnvironment"].rsplit("_", 1)[-1].lower()
    if template.get("sessionAffinity"):
        notes[f"{RUN}/sessionAffinity"] = "true"
    databases = [
        name
        for volume in template.get("volumes", ())
        for name in volume.get("cloudSqlInstance", {}).get("instances", ())
    ]
    if databases:
        notes[f"{RUN}/cloudsql-instances"] = ",".join(databases)
    return {**notes, **_named_client(template)}


def revision_spec(template: Mapping[str, Any]) -> Json:
    """The spec of a Knative Revision. Cloud SQL volumes are an annotation there, and no volumes."""
    volumes: Sequence[Mapping[str, Any]] = template.get("volumes", ())
    hidden = {volume["name"] for volume in volumes if "cloudSqlInstance" in volume}
    spec: Json = {
        "containerConcurrency": template.get("maxInstanceRequestConcurrency", 80),
        "containers": [containers.to_v1(one, hidden) for one in template["containers"]],
        "serviceAccountName": template["serviceAccount"],
        "timeoutSeconds": int(float(template["timeout"].removesuffix("s"))),
    }
    shown = [containers.volume_to_v1(volume) for volume in volumes if volume["name"] not in hidden]
    return {**spec, **({"volumes": shown} if shown else {})}


def _target(target: Mapping[str, Any]) -> Json:
    found: Json = {key: target[key] for key in ("percent", "tag") if target.get(key)}
    if target.get("revision"):
        return {**found, "revisionName": target["revision"]}
    return {**found, "latestRevision": True}


def _status(resource: Mapping[str, Any]) -> Json:
    latest = str(resource.get("latestReadyRevision", "")).rsplit("/", 1)[-1]
    created = str(resource.get("latestCreatedRevision", "")).rsplit("/", 1)[-1]
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions([resource["terminalCondition"], *resource.get("conditions", ())]),
        "url": resource["urls"][0],
        "address": {"url": resource["urls"][0]},
        "traffic": [
            {**_target(one), "revisionName": one.get("revision") or latest}
            for one in resource.get("trafficStatuses", ())
        ],
    }
    names = {"latestReadyRevisionName": latest, "latestCreatedRevisionName": created}
    return {**status, **{key: value for key, value in names.items() if value}}


def revision(resource: Mapping[str, Any], number: str) -> Json:
    """The Knative Revision of a v2 revision."""
    parts = resource["name"].split("/")
    metadata = _metadata(resource, number, "serving.knative.dev", "revisions")
    creator = {"serving.knative.dev/creator": resource["creator"]}
    metadata["annotations"] = {**resource.get("annotations", {}), **creator, **_template_notes(resource)}
    metadata["labels"] = {
        **resource.get("labels", {}),
        "serving.knative.dev/service": parts[5],
        "serving.knative.dev/configuration": parts[5],
        "cloud.googleapis.com/location": parts[3],
    }
    image = resource["containers"][0]["image"]
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions(resource["conditions"]),
        "logUrl": resource["logUri"],
        "containerStatuses": [{"imageDigest": image}],
        **({"imageDigest": image} if "@" in image else {}),
    }
    head = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": metadata}
    return {**head, "spec": revision_spec(resource), "status": status}


def conditions(found: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Conditions with True, False and Unknown instead of states."""
    words = {"CONDITION_SUCCEEDED": "True", "CONDITION_FAILED": "False"}
    shown: list[Json] = []
    for one in found:
        entry: Json = {"type": one["type"], "status": words.get(one["state"], "Unknown")}
        entry["lastTransitionTime"] = one["lastTransitionTime"]
        if one.get("message"):
            entry["message"] = one["message"]
        if one["state"] == "CONDITION_FAILED":
            entry["reason"] = "HealthCheckContainerError"
        shown.append(entry)
    return shown


def _metadata(resource: Mapping[str, Any], number: str, group: str, plural: str) -> Json:
    name = resource["name"].rsplit("/", 1)[-1]
    return {
        "name": name,
        "namespace": number,
        "selfLink": f"/apis/{group}/v1/namespaces/{number}/{plural}/{name}",
        "uid": resource["uid"],
        "resourceVersion": resource["etag"].strip('"'),
        "generation": int(resource["generation"]),
        "creationTimestamp": resource["createTime"],
    }


def job(resource: Mapping[str, Any], number: str) -> Json:
    """The v1 Job of a v2 job."""
    parts = resource["name"].split("/")
    metadata = _metadata(resource, number, "run.googleapis.com", "jobs")
    notes = {"serving.knative.dev/creator": resource["creator"]}
    notes["serving.knative.dev/lastModifier"] = resource["lastModifier"]
    metadata["annotations"] = {**resource.get("annotations", {}), **notes}
    metadata["labels"] = {**resource.get("labels", {}), "cloud.googleapis.com/location": parts[3]}
    outer = resource["template"]
    inner = outer["template"]
    task = revision_spec(inner)
    del task["containerConcurrency"]
    task["maxRetries"] = inner.get("maxRetries", 0)
    task["timeoutSeconds"] = str(task["timeoutSeconds"])
    execution: Json = {"taskCount": outer["taskCount"], "template": {"spec": task}}
    if outer.get("parallelism"):
        execution["parallelism"] = outer["parallelism"]
    notes = {f"{RUN}/execution-environment": inner["executionEnvironment"].rsplit("_", 1)[-1].lower()}
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions(
            [{"type": "Ready", "lastTransitionTime": resource["updateTime"], **resource["terminalCondition"]}]
        ),
        "executionCount": resource.get("executionCount", 0),
    }
    if resource.get("latestCreatedExecution", {}).get("name"):
        status["latestCreatedExecution"] = _execution_reference(resource["latestCreatedExecution"])
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": {"metadata": {"annotations": notes}, "spec": execution}},
        "status": status,
    }


def _execution_reference(reference: Mapping[str, Any]) -> Json:
    names = {"name": "name", "createTime": "creationTimestamp", "completionTime": "completionTimestamp"}
    found: Json = {new: reference[old] for old, new in names.items() if old in reference}
    return {**found, "completionStatus": reference["completionStatus"]}


def _own(found: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations without the system's own."""
    return {
        key: value for key, value in found.items() if key.partition("/")[0] not in _SYSTEM or "/" not in key
    }


def _counts(notes: Mapping[str, str], least: str, most: str) -> Json:
    found: Json = {}
    if notes.get(least):
        found["minInstanceCount"] = int(notes[least])
    if notes.get(most):
        found["maxInstanceCount"] = int(notes[most])
    return found


def _count_notes(scaling: Mapping[str, Any], least: str, most: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if scaling.get("minInstanceCount"):
        found[least] = str(scaling["minInstanceCount"])
    if scaling.get("maxInstanceCount"):
        found[most] = str(scaling["maxInstanceCount"])
    return found


def _named_client(resource: Mapping[str, Any]) -> dict[str, str]:
    names = (("client", "client-name"), ("clientVersion", "client-version"))
    return {f"{RUN}/{note}": resource[field] for field, note in names if resource.get(field)}


def _named(names: Mapping[str, str], wanted: str) -> str:
    return next(name for name, value in names.items() if value == wanted)


def _true(text: str | None) -> bool:
    return str(text).lower() == "true"
