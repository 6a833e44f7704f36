"""Who we are, what a refused call lacked, and the line that grants it.

Most APIs name the permission in their 403. Resource Manager, Cloud Build and Service Usage do not: for them the
address of the call tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

TOKENINFO: Final = "https://oauth2.googleapis.com/tokeninfo"
SECONDS: Final = 5
FEW: Final = 4
"""So many permissions are named in a sentence."""
READER: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "roles/serviceusage.serviceUsageConsumer",
        ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.services.use"),
    ),
    ("roles/iam.serviceAccountViewer", ("iam.serviceAccounts.get", "iam.serviceAccounts.list")),
    ("roles/run.viewer", ("run.*.get", "run.*.list", "run.*.getIamPolicy")),
    ("roles/cloudsql.viewer", ("cloudsql.*.get", "cloudsql.*.list")),
    ("roles/artifactregistry.reader", ("artifactregistry.*.get", "artifactregistry.*.list")),
    ("roles/storage.bucketViewer", ("storage.buckets.get", "storage.buckets.list")),
    (
        "roles/iam.securityReviewer",
        (
            "artifactregistry.repositories.getIamPolicy",
            "cloudkms.cryptoKeys.getIamPolicy",
            "iap.webServices.getIamPolicy",
            "resourcemanager.projects.getIamPolicy",
            "secretmanager.*.list",
            "secretmanager.secrets.getIamPolicy",
            "storage.buckets.getIamPolicy",
        ),
    ),
)
"""What it takes to plan and to look for drift: nothing that changes anything, no secret's payload, no object."""
DEPLOYER: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("roles/serviceusage.serviceUsageAdmin", ("serviceusage.*",)),
    ("roles/iam.serviceAccountUser", ("iam.serviceAccounts.actAs",)),
    ("roles/iam.serviceAccountAdmin", ("iam.serviceAccounts.*",)),
    ("roles/resourcemanager.projectIamAdmin", ("resourcemanager.projects.*",)),
    ("roles/storage.admin", ("storage.*",)),
    ("roles/artifactregistry.admin", ("artifactregistry.*",)),
    ("roles/cloudbuild.builds.editor", ("cloudbuild.builds.*",)),
    ("roles/secretmanager.admin", ("secretmanager.*",)),
    ("roles/cloudsql.admin", ("cloudsql.*",)),
    ("roles/run.admin", ("run.*",)),
)
"""What it takes to apply and to destroy. docs/permissions.md has both lists, and how they were found."""
WITH_OPTIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("roles/cloudkms.admin", ("cloudkms.*",)),
    ("roles/cloudscheduler.viewer", ("cloudscheduler.jobs.get",)),
    ("roles/cloudscheduler.admin", ("cloudscheduler.*",)),
    ("roles/compute.networkViewer", ("compute.*.get",)),
    ("roles/compute.networkAdmin", ("compute.*",)),
    ("roles/iap.admin", ("iap.webServices.*",)),
    ("roles/monitoring.viewer", ("monitoring.*.list",)),
    ("roles/monitoring.editor", ("monitoring.*",)),
    ("roles/servicenetworking.networksAdmin", ("servicenetworking.*",)),
    ("roles/vpcaccess.viewer", ("vpcaccess.*.get",)),
    ("roles/vpcaccess.admin", ("vpcaccess.*",)),
)
"""What applying takes beside that where a spec turns an option on; docs/permissions.md says which."""
_APIS: Final = (
    "artifactregistry|cloudbuild|cloudkms|cloudscheduler|cloudsql|compute|iam|iap|monitoring|resourcemanager|run"
    "|secretmanager|servicenetworking|serviceusage|storage|vpcaccess"
)
_PERMISSION: Final = re.compile(
    rf"(?<![\w.@-])((?:{_APIS})"
    r"\.(?!googleapis\.)[A-Za-z]+\.[A-Za-z]+)\b"
)
_SPELT: Final = {"iam.serviceaccounts.actAs": "iam.serviceAccounts.actAs"}
"""Cloud Run has its own way to write it."""
_BY_ADDRESS: Final = (
    (re.compile(r"/projects/[^/:]+:(getIamPolicy|setIamPolicy)\b"), "resourcemanager.projects.{}"),
    (re.compile(r"/services:batch(Get|Enable)\b"), "serviceusage.services.{}"),
    (re.compile(r"/builds(?:/([^/?]+))?(?:\?|$)"), "cloudbuild.builds.{}"),
)


def lacking(message: str, metadata: Mapping[str, str], address: str) -> tuple[str, ...]:
    """The permission that a refusal is about, as its ErrorInfo, its words or the call's address tell; () for none."""
    if metadata.get("permission"):
        return (metadata["permission"],)
    if found := _PERMISSION.search(message):
        return (_SPELT.get(found[1], found[1]),)
    for pattern, permission in _BY_ADDRESS:
        if found := pattern.search(address):
            if permission.startswith("cloudbuild"):
                return (permission.format("get" if found[1] else "create"),)
            return (permission.format(found[1][:1].lower() + found[1][1:]),)
    return ()


def role_for(permission: str, *, changing: bool) -> str:
    """The role to ask for, the reader's where that is enough and nothing is being changed; "" where none is known."""
    books = (DEPLOYER, WITH_OPTIONS) if changing else (READER, DEPLOYER, WITH_OPTIONS)
    for role, patterns in (entry for book in books for entry in book):
        if any(fnmatchcase(permission, pattern) for pattern in patterns):
            return role
    return ""


def lines(project: str, member: str, permissions: Iterable[str], *, changing: bool) -> str:
    """The sentence and the gcloud lines that let *member* ("" where unknown) go on."""
    missing = tuple(dict.fromkeys(permissions))
    roles = tuple(dict.fromkeys(filter(None, (role_for(one, changing=changing) for one in missing))))
    who = member or "Whoever calls"
    if not roles:
        return (
            f"{who} lacks a permission on project {project}; docs/permissions.md lists those that are needed."
        )
    # A message that lists them one a line stands before these lines.
    named = ", ".join(missing) if len(missing) <= FEW else f"{len(missing)} permissions"
    sentence = f"{who} lacks {named}. Whoever administers {project} grants that with:"
    bindings = [
        f"gcloud projects add-iam-policy-binding {project} --member={member or 'MEMBER'} --role={role}"
        for role in roles
    ]
    return "\n".join([sentence, *bindings])


def member_of(credentials: Any, endpoint: str) -> str:
    """The IAM member that *credentials* stand for, "" where that cannot be told."""
    said = (str(getattr(credentials, name, "") or "") for name in ("service_account_email", "account"))
    email = next((one for one in said if "@" in one), "")
    email = email or _email_of(str(getattr(credentials, "token", "") or ""), endpoint)
    if "@" not in email:
        return ""
    return f"serviceAccount:{email}" if email.endswith(".gserviceaccount.com") else f"user:{email}"


def _email_of(token: str, endpoint: str) -> str:
    if not token:
        return ""
    import httpx

    try:
        address = f"{endpoint}/tokeninfo" if endpoint else TOKENINFO
        answer = httpx.post(address, data={"access_token": token}, timeout=SECONDS, trust_env=not endpoint)
        return str(answer.json().get("email", ""))
    except (httpx.HTTPError, ValueError, AttributeError):
        return ""
