"""What Knative says in annotations and Cloud Run's v2 says in fields, of templates and of resources. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

RUN: Final = "run.googleapis.com"
SCALE: Final = "autoscaling.knative.dev"
SYSTEM: Final = (RUN, SCALE, "serving.knative.dev", "cloud.googleapis.com")
EGRESS: Final = {
    "all": "ALL_TRAFFIC",
    "all-traffic": "ALL_TRAFFIC",
    "private-ranges-only": "PRIVATE_RANGES_ONLY",
}
_REVOCATION: Final = {"prevent-new": "PREVENT_NEW", "shut-down": "SHUTDOWN"}
_UNKNOWN_TO_US: Final = (
    "mesh", "base-images", "build-source-location", "build-function-target", "gpu-zonal-redundancy-disabled",
    "threat-detection", "regions", "max-surge", "max-unavailable", "identity",
)  # fmt: skip
Json = dict[str, Any]
Notes = Mapping[str, str]


def own(found: Notes) -> dict[str, str]:
    """Labels or annotations without the system's own."""
    return {
        key: value for key, value in found.items() if key.partition("/")[0] not in SYSTEM or "/" not in key
    }


def true(text: str | None) -> bool:
    """Whether an annotation says "true", in any case: gcloud writes "True"."""
    return str(text).lower() == "true"


def refuse_unknown(notes: Notes) -> None:
    """Raise ApiError 400 for an annotation that asks for what the sandbox does not do."""
    named = [name for name in _UNKNOWN_TO_US if notes.get(f"{RUN}/{name}")]
    if named:
        text = f"The sandbox does not emulate {', '.join(f'{RUN}/{name}' for name in named)}."
        raise ApiError(400, text, reason="sandboxNotEmulated")


def counts(notes: Notes, least: str, most: str) -> Json:
    """minInstanceCount and maxInstanceCount."""
    found: Json = {}
    for name, field in ((least, "minInstanceCount"), (most, "maxInstanceCount")):
        if text := notes.get(name):
            found[field] = _whole(name, text)
    return found


def count_notes(scaling: Mapping[str, Any], least: str, most: str) -> dict[str, str]:
    """The reverse of `counts`."""
    pairs = ((least, "minInstanceCount"), (most, "maxInstanceCount"))
    return {name: str(scaling[field]) for name, field in pairs if scaling.get(field)}


def client_fields(notes: Notes) -> Json:
    """Client and clientVersion."""
    return {
        "client": notes.get(f"{RUN}/client-name", ""),
        "clientVersion": notes.get(f"{RUN}/client-version", ""),
    }


def client_notes(resource: Mapping[str, Any]) -> dict[str, str]:
    """The reverse of `client_fields`."""
    names = (("client", "client-name"), ("clientVersion", "client-version"))
    return {f"{RUN}/{note}": resource[field] for field, note in names if resource.get(field)}


def authorization_fields(notes: Notes) -> Json:
    """binaryAuthorization: "default", or a policy's name, and a justification to go past it."""
    policy, breakglass = (notes.get(f"{RUN}/binary-authorization{end}") for end in ("", "-breakglass"))
    if not policy and not breakglass:
        return {}
    found: Json = {"useDefault": True} if policy == "default" else {"policy": policy} if policy else {}
    return {
        "binaryAuthorization": {**found, **({"breakglassJustification": breakglass} if breakglass else {})}
    }


def authorization_notes(resource: Mapping[str, Any]) -> dict[str, str]:
    """The reverse of `authorization_fields`."""
    rule: Mapping[str, Any] = resource.get("binaryAuthorization", {})
    policy = "default" if rule.get("useDefault") else rule.get("policy", "")
    found = {
        "binary-authorization": policy,
        "binary-authorization-breakglass": rule.get("breakglassJustification", ""),
    }
    return {f"{RUN}/{name}": value for name, value in found.items() if value}


def template_fields(notes: Notes, place: str) -> Json:
    """What the annotations of a template say in fields, but for its containers and volumes.

    `place` is "projects/P/locations/R", in which a connector's short name is looked for; "" leaves it short.
    """
    refuse_unknown(notes)
    found: Json = {}
    if generation := notes.get(f"{RUN}/execution-environment"):
        found["executionEnvironment"] = f"EXECUTION_ENVIRONMENT_{generation.upper()}"
    if key := notes.get(f"{RUN}/encryption-key"):
        found["encryptionKey"] = key
    if action := notes.get(f"{RUN}/post-key-revocation-action-type"):
        found["encryptionKeyRevocationAction"] = _REVOCATION.get(action, action)
    if hours := notes.get(f"{RUN}/encryption-key-shutdown-hours"):
        found["encryptionKeyShutdownDuration"] = f"{_whole('encryption-key-shutdown-hours', hours) * 3600}s"
    if access := _access(notes, place):
        found["vpcAccess"] = access
    return found


def template_notes(template: Mapping[str, Any], place: str) -> dict[str, str]:
    """The reverse of `template_fields`."""
    notes: dict[str, str] = {}
    if template.get("executionEnvironment"):
        notes[f"{RUN}/execution-environment"] = template["executionEnvironment"].rsplit("_", 1)[-1].lower()
    if template.get("encryptionKey"):
        notes[f"{RUN}/encryption-key"] = template["encryptionKey"]
    if action := template.get("encryptionKeyRevocationAction"):
        notes[f"{RUN}/post-key-revocation-action-type"] = _named(_REVOCATION, action)
    if duration := template.get("encryptionKeyShutdownDuration"):
        notes[f"{RUN}/encryption-key-shutdown-hours"] = str(int(float(duration.removesuffix("s"))) // 3600)
    access: Mapping[str, Any] = template.get("vpcAccess", {})
    if access.get("connector"):
        notes[f"{RUN}/vpc-access-connector"] = access["connector"].removeprefix(f"{place}/connectors/")
    if access.get("networkInterfaces"):
        notes[f"{RUN}/network-interfaces"] = json.dumps(access["networkInterfaces"], separators=(",", ":"))
    if access.get("egress"):
        notes[f"{RUN}/vpc-access-egress"] = _named(EGRESS, access["egress"], last=True)
    databases = [
        name
        for volume in template.get("volumes", ())
        for name in volume.get("cloudSqlInstance", {}).get("instances", ())
    ]
    if databases:
        notes[f"{RUN}/cloudsql-instances"] = ",".join(databases)
    return {**notes, **client_notes(template)}


def _access(notes: Notes, place: str) -> Json:
    found: Json = {}
    if connector := notes.get(f"{RUN}/vpc-access-connector"):
        short = "/" not in connector and place
        found["connector"] = f"{place}/connectors/{connector}" if short else connector
    if interfaces := notes.get(f"{RUN}/network-interfaces"):
        found["networkInterfaces"] = _json(f"{RUN}/network-interfaces", interfaces)
    egress = notes.get(f"{RUN}/vpc-access-egress", "")
    if found and egress:
        found["egress"] = EGRESS.get(egress, egress)
    return found


def secret_aliases(notes: Notes) -> dict[str, str]:
    """Short names -> secrets of other projects: "alias:projects/P/secrets/S,…"."""
    pairs = (part.partition(":") for part in notes.get(f"{RUN}/secrets", "").split(",") if part)
    return {alias.strip(): name.strip() for alias, _, name in pairs}


def dependencies(notes: Notes) -> dict[str, Sequence[str]]:
    """Container -> the containers that start before it."""
    return _json(f"{RUN}/container-dependencies", notes.get(f"{RUN}/container-dependencies", "{}"))


def audiences(notes: Notes) -> list[str]:
    """customAudiences."""
    return _json(f"{RUN}/custom-audiences", notes.get(f"{RUN}/custom-audiences", "[]"))


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError(400, f"metadata.annotations[{name}]: Invalid value: {text} is no JSON.") from error


def _whole(name: str, text: str) -> int:
    if not text.isdigit():
        raise ApiError(400, f"metadata.annotations[{name}]: Invalid value: {text} is no number.")
    return int(text)


def _named(names: Mapping[str, str], wanted: str, *, last: bool = False) -> str:
    found = [name for name, value in names.items() if value == wanted] or [wanted]
    return found[-1] if last else found[0]
