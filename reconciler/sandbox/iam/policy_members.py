"""Members of IAM policies: how they are written, which exist, and which an organisation lets in.

Texts are Google's own, as its APIs and gcloud print them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote

from reconciler.sandbox.errors import ApiError

PUBLIC: Final = ("allUsers", "allAuthenticatedUsers")
_TYPES: Final = (
    "user",
    "serviceAccount",
    "group",
    "domain",
    "projectOwner",
    "projectEditor",
    "projectViewer",
)
_ADDRESSED: Final = ("user", "serviceAccount", "group")
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_KUBERNETES: Final = re.compile(r"[a-z0-9-]+\.svc\.id\.goog\[[^/\]\s]+/[^/\]\s]+\]")
"""A service account of a GKE cluster: "PROJECT.svc.id.goog[NAMESPACE/NAME]"; written as a serviceAccount."""
_POOLED: Final = re.compile(r"principal(Set)?://[a-z]+\.googleapis\.com/\S+")
GOOGLES: Final = re.compile(
    # Google's own accounts: in projects of Google's that no customer can name, or with a number before the @.
    r"[^@]+@(gcp-sa-[a-z0-9-]+|system|[a-z0-9-]+-robot(-[a-z]+)?|compute-system|containerregistry|container-analysis"
    r"|gs-project-accounts|gcp-gae-service|bigquery-[a-z-]+|storage-transfer-service)(\.iam)?\.gserviceaccount\.com"
    r"|(service-|service-org-|service-folder-|bq-|project-)\d+@[a-z0-9.-]+\.iam\.gserviceaccount\.com"
    r"|\d+@(cloudservices|cloudbuild|project)\.gserviceaccount\.com"
    r"|\d+-compute@developer\.gserviceaccount\.com|[a-z0-9.-]+@appspot\.gserviceaccount\.com"
)
SETS: Final = "iam.principalSets"
"""The store's kind of what a federated principal belongs to: by principal, {"sets": [its principal sets]}."""
HOME: Final = "sandbox.example"
"""The domain of the organisation that the sandbox's projects belong to."""
NOWHERE: Final = ".invalid"
"""Addresses that nobody has (RFC 2606): the one way to name a user or group that surely does not exist."""


def canonical(member: str) -> str:
    """*member* as policies keep it: addresses in lower case."""
    prefix, colon, value = member.partition(":")
    if not colon or prefix not in (*_ADDRESSED, "domain") or _KUBERNETES.fullmatch(value):
        return member
    return f"{prefix}:{value.lower()}"


def check(member: str, account_exists: Callable[[str], bool]) -> None:
    """Raise ApiError 400 where *member* is malformed, or names somebody who is not there."""
    if member in PUBLIC or member.startswith("deleted:") or _POOLED.fullmatch(member):
        return
    prefix, _, value = member.partition(":")
    if prefix not in _TYPES:
        text = f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
        raise ApiError(400, text)
    if not value:
        raise ApiError(400, 'Policy members must be of the form "<type>:<value>".')
    if prefix == "serviceAccount" and _KUBERNETES.fullmatch(value):
        return
    if prefix in _ADDRESSED and _ADDRESS.fullmatch(value) is None:
        raise ApiError(400, f"Invalid argument: '{member}' is not a valid member.")
    if prefix == "serviceAccount" and not account_exists(value):
        raise ApiError(400, f"Service account {value} does not exist.")
    if prefix in ("user", "group") and value.endswith(NOWHERE):
        raise ApiError(400, f"{prefix.capitalize()} {value} does not exist.")


def belongs(member: str, owns: Callable[[str], bool]) -> bool:
    """Whether *member* is of the organisation; *owns* says of a project's id or number whether it is its own."""
    prefix, _, value = member.partition(":")
    if member in PUBLIC:
        return False
    if prefix in ("projectOwner", "projectEditor", "projectViewer"):
        return owns(value)
    if prefix == "deleted":
        return True
    if found := re.match(r"principal(?:Set)?://iam\.googleapis\.com/projects/(\d+)/", member):
        return owns(found[1])
    host = value.rpartition("@")[2]
    if prefix != "serviceAccount":
        return host == HOME
    numbered = re.match(r"(?:[a-z-]+-)?(\d{6,})(?:-compute)?@", value)
    named = host.partition(".")[0] if not numbered else numbered[1]
    if host.startswith(("appspot.", "system.")):
        named = value.partition("@")[0]
    return owns(named)


def strangers(resource: str, api: str, members: Sequence[str]) -> ApiError:
    """Google's refusal of *members* under the constraint iam.allowedPolicyMemberDomains."""
    text = "One or more users named in the policy do not belong to a permitted customer"
    if api == "storage":
        return ApiError(412, f"{text}.", reason="conditionNotMet")
    violations = [
        {
            "type": "constraints/iam.allowedPolicyMemberDomains",
            "subject": f"orgpolicy:{resource}?configvalue={quote(_shown(member), safe='')}",
            "description": f"User {_shown(member)} is not in permitted organization.",
        }
        for member in members
    ]
    # Cloud Run says more than the others, with two blanks, and says it less precisely.
    ending = ",  perhaps due to an organization policy." if api == "run" else "."
    return precondition(text + ending, violations)


def precondition(text: str, violations: Sequence[dict[str, str]]) -> ApiError:
    """A 400 FAILED_PRECONDITION with what an organisation policy found, as Google details it."""
    detail = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": list(violations)}
    return ApiError(400, text, rpc_status="FAILED_PRECONDITION", details=[detail])


def _shown(member: str) -> str:
    return member.partition(":")[2] or member
