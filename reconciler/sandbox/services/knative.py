"""Between Cloud Run's two shapes of a service: v2's own, and the Knative objects of v1 that gcloud uses. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import knative_containers as containers
from reconciler.sandbox.services import knative_notes as written
from reconciler.sandbox.services.knative_notes import RUN, SCALE, Json

SERVING: Final = "serving.knative.dev"
INGRESS: Final = {
    "all": "INGRESS_TRAFFIC_ALL",
    "internal": "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "internal-and-cloud-load-balancing": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "none": "INGRESS_TRAFFIC_NONE",
}
_LATEST: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
_REVISION: Final = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


def service_fields(sent: Mapping[str, Any], place: str = "") -> Json:
    """The v2 fields that a Knative Service stands for; `place` is "projects/P/locations/R"."""
    metadata: Mapping[str, Any] = sent.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    written.refuse_unknown(notes)
    spec: Mapping[str, Any] = sent.get("spec", {})
    ingress = notes.get(f"{RUN}/ingress", "all")
    if ingress not in INGRESS:
        raise ApiError(400, f"metadata.annotations[{RUN}/ingress]: Invalid value: {ingress}.")
    fields: Json = {
        "labels": written.own(metadata.get("labels", {})),
        "annotations": written.own(notes),
        "ingress": INGRESS[ingress],
        "launchStage": notes.get(f"{RUN}/launch-stage", "GA"),
        **written.client_fields(notes),
        **written.authorization_fields(notes),
        "description": notes.get(f"{RUN}/description", ""),
        "invokerIamDisabled": written.true(notes.get(f"{RUN}/invoker-iam-disabled")),
        "defaultUriDisabled": written.true(notes.get(f"{RUN}/default-url-disabled")),
        "iapEnabled": written.true(notes.get(f"{RUN}/iap-enabled")),
        "customAudiences": written.audiences(notes),
        "template": _template_fields(spec.get("template", {}), place),
        "traffic": [_target_fields(target) for target in spec.get("traffic", ())],
    }
    scaling = _scaling_fields(notes)
    return {**fields, **({"scaling": scaling} if scaling else {})}


def _scaling_fields(notes: Mapping[str, str]) -> Json:
    found = written.counts(notes, f"{RUN}/minScale", f"{RUN}/maxScale")
    if mode := notes.get(f"{RUN}/scalingMode"):
        found["scalingMode"] = mode.upper()
    if count := notes.get(f"{RUN}/manualInstanceCount"):
        found["manualInstanceCount"] = int(count) if count.isdigit() else -1
    return found


def _template_fields(template: Mapping[str, Any], place: str) -> Json:
    metadata: Mapping[str, Any] = template.get("metadata", {})
    notes: Mapping[str, str] = metadata.get("annotations", {})
    spec: Mapping[str, Any] = template.get("spec", {})
    fields: Json = {
        "revision": metadata.get("name", ""),
        "labels": written.own(metadata.get("labels", {})),
        "annotations": written.own(notes),
        **written.client_fields(notes),
        "scaling": written.counts(notes, f"{SCALE}/minScale", f"{SCALE}/maxScale"),
        **containers.all_to_v2(spec, notes, serving=True),
        **written.template_fields(notes, place),
        "maxInstanceRequestConcurrency": spec.get("containerConcurrency", 0),
        "sessionAffinity": written.true(notes.get(f"{RUN}/sessionAffinity")),
        "healthCheckDisabled": written.true(notes.get(f"{RUN}/health-check-disabled")),
    }
    if spec.get("nodeSelector"):
        fields["nodeSelector"] = {"accelerator": next(iter(spec["nodeSelector"].values()))}
    if spec.get("timeoutSeconds"):
        fields["timeout"] = f"{spec['timeoutSeconds']}s"
    if spec.get("serviceAccountName"):
        fields["serviceAccount"] = spec["serviceAccountName"]
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
        f"{SERVING}/creator": resource["creator"],
        f"{SERVING}/lastModifier": resource["lastModifier"],
        f"{RUN}/ingress": _named(INGRESS, resource["ingress"]),
        f"{RUN}/ingress-status": _named(INGRESS, resource["ingress"]),
        f"{RUN}/urls": json.dumps(resource.get("urls", []), separators=(",", ":")),
        **written.client_notes(resource),
        **written.authorization_notes(resource),
        **_service_notes(resource),
    }
    metadata = head(resource, number, SERVING, "services")
    metadata["annotations"] = notes
    metadata["labels"] = {**resource.get("labels", {}), "cloud.googleapis.com/location": parts[3]}
    return {
        "apiVersion": f"{SERVING}/v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "template": _template(resource, number),
            "traffic": [_target(target) for target in resource["traffic"]],
        },
        "status": _status(resource),
    }


def _service_notes(resource: Mapping[str, Any]) -> dict[str, str]:
    scaling: Mapping[str, Any] = resource.get("scaling", {})
    notes = written.count_notes(scaling, f"{RUN}/minScale", f"{RUN}/maxScale")
    if "manualInstanceCount" in scaling:
        notes[f"{RUN}/manualInstanceCount"] = str(scaling["manualInstanceCount"])
    texts = {
        "scalingMode": str(scaling.get("scalingMode", "")).lower(),
        "launch-stage": "" if resource["launchStage"] == "GA" else resource["launchStage"],
        "invoker-iam-disabled": "true" if resource.get("invokerIamDisabled") else "",
        "iap-enabled": "true" if resource.get("iapEnabled") else "",
        "default-url-disabled": "true" if resource.get("defaultUriDisabled") else "",
        "description": resource.get("description", ""),
        "custom-audiences": json.dumps(resource["customAudiences"])
        if resource.get("customAudiences")
        else "",
    }
    return {**notes, **{f"{RUN}/{name}": text for name, text in texts.items() if text}}


def _template(resource: Mapping[str, Any], number: str) -> Json:
    template = resource["template"]
    place, projects = _place(resource, number)
    notes = {**template.get("annotations", {}), **_template_notes(template, place, projects)}
    metadata: Json = {"annotations": notes, "labels": dict(template.get("labels", {}))}
    if template.get("revision"):
        metadata["name"] = template["revision"]
    return {"metadata": metadata, "spec": _revision_spec(template, projects)}


def _place(resource: Mapping[str, Any], number: str) -> tuple[str, Sequence[str]]:
    """("projects/P/locations/R", the id and the number of the project) of a resource."""
    parts = resource["name"].split("/")
    return "/".join(parts[:4]), (parts[1], number)


def _template_notes(template: Mapping[str, Any], place: str, projects: Sequence[str]) -> dict[str, str]:
    notes = written.count_notes(template.get("scaling", {}), f"{SCALE}/minScale", f"{SCALE}/maxScale")
    resources: Mapping[str, Any] = template["containers"][0].get("resources", {})
    if not resources.get("cpuIdle"):
        notes[f"{RUN}/cpu-throttling"] = "false"
    notes[f"{RUN}/startup-cpu-boost"] = "true" if resources.get("startupCpuBoost") else "false"
    for field, name in (
        ("sessionAffinity", "sessionAffinity"),
        ("healthCheckDisabled", "health-check-disabled"),
    ):
        if template.get(field):
            notes[f"{RUN}/{name}"] = "true"
    before = {one["name"]: one["dependsOn"] for one in template["containers"] if one.get("dependsOn")}
    if before:
        notes[f"{RUN}/container-dependencies"] = json.dumps(before, separators=(",", ":"))
    return {**notes, **written.template_notes(template, place), **containers.secret_notes(template, projects)}


def _revision_spec(template: Mapping[str, Any], projects: Sequence[str]) -> Json:
    return {
        "containerConcurrency": template.get("maxInstanceRequestConcurrency", 80),
        "serviceAccountName": template["serviceAccount"],
        "timeoutSeconds": int(float(template["timeout"].removesuffix("s"))),
        **containers.all_to_v1(template, projects),
    }


def _target(target: Mapping[str, Any]) -> Json:
    found: Json = {key: target[key] for key in ("percent", "tag") if target.get(key)}
    if target.get("revision"):
        return {**found, "revisionName": target["revision"]}
    return {**found, "latestRevision": True}


def _status(resource: Mapping[str, Any]) -> Json:
    latest = str(resource.get("latestReadyRevision", "")).rsplit("/", 1)[-1]
    created = str(resource.get("latestCreatedRevision", "")).rsplit("/", 1)[-1]
    ready = {"type": "Ready", "lastTransitionTime": resource["updateTime"], **resource["terminalCondition"]}
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions([ready, *reversed(resource.get("conditions", ()))]),
        "traffic": [
            {
                **_target(one),
                "revisionName": one.get("revision") or latest,
                **({"url": one["uri"]} if "uri" in one else {}),
            }
            for one in resource.get("trafficStatuses", ())
        ],
    }
    if resource.get("urls"):
        status |= {"url": resource["urls"][0], "address": {"url": resource["urls"][0]}}
    names = {"latestReadyRevisionName": latest, "latestCreatedRevisionName": created}
    return {**status, **{key: value for key, value in names.items() if value}}


def revision(resource: Mapping[str, Any], number: str, generation: str = "1") -> Json:
    """The Knative Revision of a v2 revision; `generation` is that of its service when it was made."""
    parts = resource["name"].split("/")
    place, projects = _place(resource, number)
    metadata = head(resource, number, SERVING, "revisions")
    creator = {f"{SERVING}/creator": resource["creator"]}
    metadata["annotations"] = {
        **resource.get("annotations", {}),
        **creator,
        **_template_notes(resource, place, projects),
    }
    metadata["labels"] = {
        **resource.get("labels", {}),
        f"{SERVING}/service": parts[5],
        f"{SERVING}/configuration": parts[5],
        f"{SERVING}/configurationGeneration": generation,
        "cloud.googleapis.com/location": parts[3],
    }
    image = resource["containers"][0]["image"]
    status: Json = {
        "observedGeneration": int(resource.get("observedGeneration", 0)),
        "conditions": conditions(resource["conditions"]),
        "logUrl": resource["logUri"],
        "containerStatuses": [dict(one) for one in resource.get("containerStatuses", ())],
        **({"imageDigest": image} if "@" in image else {}),
    }
    whole = {"apiVersion": f"{SERVING}/v1", "kind": "Revision", "metadata": metadata}
    return {**whole, "spec": _revision_spec(resource, projects), "status": status}


def conditions(found: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Conditions with True, False and Unknown instead of states."""
    words = {"CONDITION_SUCCEEDED": "True", "CONDITION_FAILED": "False"}
    shown: list[Json] = []
    for one in found:
        entry: Json = {"type": one["type"], "status": words.get(one["state"], "Unknown")}
        entry |= {key: one[key] for key in ("lastTransitionTime", "message") if one.get(key)}
        reason = one.get("reason") or one.get("revisionReason") or one.get("executionReason")
        if reason:
            entry["reason"] = "".join(word.capitalize() for word in str(reason).split("_"))
        elif entry["status"] == "Unknown" and one["type"] != "Completed":
            entry["reason"] = "Deploying"
        if one.get("severity", "ERROR") != "ERROR":
            entry["severity"] = str(one["severity"]).capitalize()
        shown.append(entry)
    return shown


def head(resource: Mapping[str, Any], number: str, group: str, plural: str) -> Json:
    """The metadata of a Kubernetes object, but for labels and annotations."""
    name = resource["name"].rsplit("/", 1)[-1]
    return {
        "name": name,
        "namespace": number,
        "selfLink": f"/apis/{group}/v1/namespaces/{number}/{plural}/{name}",
        "uid": resource["uid"],
        "resourceVersion": resource["etag"].strip('"').partition("/")[0],
        "generation": int(resource["generation"]),
        "creationTimestamp": resource["createTime"],
    }


def _named(names: Mapping[str, str], wanted: str) -> str:
    return next(name for name, value in names.items() if value == wanted)
