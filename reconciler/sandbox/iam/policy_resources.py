"""What the resource of a policy is: whose API it belongs to, and what conditions may ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from reconciler.sandbox.iam.policy_conditions import Asked

_TYPES: Final = {
    # The last collection in a resource's name -> (API, type), as conditions call them.
    "buckets": ("storage", "Bucket"),
    "objects": ("storage", "Object"),
    "secrets": ("secretmanager", "Secret"),
    "versions": ("secretmanager", "SecretVersion"),
    "serviceAccounts": ("iam", "ServiceAccount"),
    "repositories": ("artifactregistry", "Repository"),
    "instances": ("sqladmin", "Instance"),
    "services": ("run", "Service"),
    "jobs": ("run", "Job"),
    "keyRings": ("cloudkms", "KeyRing"),
    "cryptoKeys": ("cloudkms", "CryptoKey"),
    "projects": ("cloudresourcemanager", "Project"),
}


def api_of(resource: str) -> str:
    """ "run" for "projects/p/locations/l/services/s"; "" for what is not known."""
    return _type(resource)[0]


def asked_about(
    resource: str, number: Callable[[str], str], now: datetime, attributes: Mapping[str, Any]
) -> Asked:
    """What the condition of a binding may ask about *resource*; *number* gives a project's number, or ""."""
    collections = _collections(resource)
    api, kind = _type(resource)
    name = resource
    if collections[0] == "buckets":
        name = f"projects/_/{resource}"
    elif "secrets" in collections:
        # Secret Manager is the one of ours that names projects by number in conditions.
        _, project, *rest = resource.split("/")
        name = "/".join(["projects", number(project) or project, *rest])
    return Asked(name, f"{api}.googleapis.com/{kind}", f"{api}.googleapis.com", now, attributes)


def _type(resource: str) -> tuple[str, str]:
    if "/iap_web" in resource:
        return "iap", "WebService"
    return _TYPES.get(_collections(resource)[-1], ("", ""))


def _collections(resource: str) -> list[str]:
    return resource.split("/")[0::2]
