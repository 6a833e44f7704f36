"""Edits of policies and of what is enabled: who may do what, and which APIs there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.laws.hands.edit import OPEN, WALLED, Edit, Of, Sort, beside, members
from tests.laws.hands.hand import Hand, Place, dug, put
from tests.laws.hands.scenes import GIVEN, KEY, TEAM

SERVER: Final = "serviceAccount:{N}-run@{P}.iam.gserviceaccount.com"
BUILDER: Final = "serviceAccount:{N}-build@{P}.iam.gserviceaccount.com"
CRON: Final = "serviceAccount:{N}-cron@{P}.iam.gserviceaccount.com"
IAP: Final = "serviceAccount:service-{#}@gcp-sa-iap.iam.gserviceaccount.com"
SQL: Final = "serviceAccount:service-{#}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
_ACCESS = "roles/secretmanager.secretAccessor"


def _policy(api: str, resource: str) -> tuple[str, str, str, str]:
    """A policy that is read by GET and written by POST."""
    return (
        api,
        f"GET {resource}:getIamPolicy?options.requestedPolicyVersion=3",
        f"POST {resource}:setIamPolicy",
        "policy",
    )


def _posted(api: str, resource: str) -> tuple[str, str, str, str]:
    """A policy that is read by POST, too."""
    return api, f"POST {resource}:getIamPolicy", f"POST {resource}:setIamPolicy", "policy"


_BUCKET = (
    "storage",
    "GET /storage/v1/b/{B}/iam?optionsRequestedPolicyVersion=3",
    "PUT /storage/v1/b/{B}/iam",
    "",
)
_BUILDS = (
    _BUCKET[0],
    _BUCKET[1].replace("{B}", "{P}-{N}-build"),
    _BUCKET[2].replace("{B}", "{P}-{N}-build"),
    "",
)
_SERVICE = _policy("run", "/v2/projects/{P}/locations/{R}/services/{N}")
_ACCOUNT = Place("iam", "/v1/projects/{P}/serviceAccounts/{N}-run@{P}.iam.gserviceaccount.com", "wrapped")
_account = Of("iam.service_account", _ACCOUNT, "iam.service_account/{N}-run@{P}.iam.gserviceaccount.com")
_BUILD = Place("iam", _ACCOUNT.path.replace("-run@", "-build@"), "wrapped")
_builder = Of("iam.service_account", _BUILD, "iam.service_account/{N}-build@{P}.iam.gserviceaccount.com")


def _api(name: str) -> str:
    return f"/v1/projects/{{P}}/services/{name}.googleapis.com"


def _state(name: str) -> Callable[[Hand], Any]:
    return lambda hand: dug(hand.got("serviceusage", _api(name)), "state")


def _enabled(name: str, verb: str) -> Callable[[Hand], object]:
    return lambda hand: hand.done("POST", "serviceusage", f"{_api(name)}:{verb}", {})


ENABLED: Final = "serviceusage.services"
EDITS: Final[tuple[Edit, ...]] = (
    Edit(
        ENABLED,
        "cloudbuild disabled",
        Sort.GONE,
        _enabled("cloudbuild", "disable"),
        _state("cloudbuild"),
        told=("serviceusage.services/services cloudbuild.googleapis.com",),
        met=("/services:batch",),
    ),
    Edit(
        ENABLED,
        "monitoring disabled",
        Sort.GONE,
        _enabled("monitoring", "disable"),
        _state("monitoring"),
        told=("serviceusage.services/services monitoring.googleapis.com",),
        may=("monitoring.*", "billingbudgets.*"),
        met=("/services:batch", "/alertPolicies"),
    ),
    Edit(
        ENABLED,
        "another API enabled",
        Sort.THEIRS,
        _enabled("translate", "enable"),
        _state("translate"),
        met=("/services:batch",),
        outlives=True,
    ),
    _account.ours("renamed", put("displayName", "{T}"), "displayName"),
    _account.theirs("described", put("description", "{T}"), "description"),
    Edit(
        "iam.service_account",
        "disabled",
        Sort.OURS,
        lambda hand: hand.done("POST", "iam", f"{_ACCOUNT.path}:disable", {}),
        lambda hand: bool(dug(_ACCOUNT.read(hand), "disabled")),
        told=(f"{_account.address} disabled",),
        met=(_ACCOUNT.path,),
    ),
    beside(
        "iam.service_account",
        "another account",
        "iam",
        ("/v1/projects/{P}/serviceAccounts", {"accountId": "theirs-{T}"}),
        "/v1/projects/{P}/serviceAccounts/theirs-{T}@{P}.iam.gserviceaccount.com",
        met=("/serviceAccounts",),
    ),
    _builder.gone(
        may=(
            "artifactregistry.repository_iam/*",
            "storage.bucket_iam/*",
            "cloudresourcemanager.project_iam/*",
        )
    ),
    *members(
        "cloudresourcemanager.project_iam",
        "cloudresourcemanager.project_iam/{P}",
        _posted("cloudresourcemanager", "/v1/projects/{P}"),
        "roles/cloudsql.client",
        SERVER,
        outlives=True,
    ),
    *members(
        "cloudkms.key_iam",
        "cloudkms.key_iam/ours",
        _policy("cloudkms", f"/v1/{KEY}"),
        "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        SQL,
        scenes=(WALLED,),
        outlives=True,
    ),
    *members(
        "storage.bucket_iam",
        "storage.bucket_iam/{B}",
        _BUCKET,
        "roles/storage.objectUser",
        SERVER,
        foreign="roles/storage.objectViewer",
    ),
    *members(
        "storage.bucket_iam",
        "storage.bucket_iam/{P}-{N}-build",
        _BUILDS,
        "roles/storage.objectViewer",
        BUILDER,
        foreign="roles/storage.objectUser",
    ),
    *members(
        "artifactregistry.repository_iam",
        "artifactregistry.repository_iam/{N}",
        _policy("artifactregistry", "/v1/projects/{P}/locations/{R}/repositories/{N}"),
        "roles/artifactregistry.writer",
        BUILDER,
        foreign="roles/artifactregistry.reader",
    ),
    *members(
        "secretmanager.secret_iam",
        "secretmanager.secret_iam/{N}-db-password",
        _policy("secretmanager", "/v1/projects/{P}/secrets/{N}-db-password"),
        _ACCESS,
        SERVER,
        foreign="roles/secretmanager.viewer",
    ),
    *members(
        "secretmanager.secret_iam",
        "secretmanager.secret_iam/openai-key",
        _policy("secretmanager", f"/v1/{GIVEN}"),
        _ACCESS,
        SERVER,
        foreign="roles/secretmanager.viewer",
        scenes=(OPEN,),
        outlives=True,
    ),
    *members(
        "run.service_iam",
        "run.service_iam/{N}",
        _SERVICE,
        "roles/run.invoker",
        TEAM,
        foreign="roles/run.viewer",
        scenes=(OPEN,),
    ),
    *(
        edit
        for edit in members(
            "run.service_iam",
            "run.service_iam/{N}",
            _SERVICE,
            "roles/run.invoker",
            "",
            foreign="roles/run.invoker",
            scenes=(OPEN,),
        )
        if edit.name == "roles/run.invoker to somebody"
    ),
    *members(
        "iap.service_agent",
        "iap.service_agent/{N}",
        _SERVICE,
        "roles/run.invoker",
        IAP,
        foreign="roles/run.developer",
        scenes=(WALLED,),
    ),
    *members(
        "run.job_iam",
        "run.job_iam/{N}-retention",
        _policy("run", "/v2/projects/{P}/locations/{R}/jobs/{N}-retention"),
        "roles/run.jobsExecutor",
        CRON,
        foreign="roles/run.viewer",
        scenes=(WALLED,),
    ),
    *members(
        "iap.web_iam",
        "iap.web_iam/{N}",
        _posted("iap", "/v1/projects/{#}/iap_web/cloud_run-{R}/services/{N}"),
        "roles/iap.httpsResourceAccessor",
        TEAM,
        foreign="roles/iap.admin",
        scenes=(WALLED,),
    ),
)
