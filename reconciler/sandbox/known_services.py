"""The services that a project can enable: their names, their titles, and what each needs.

Google's public catalogue is longer; here it is every API with a discovery document, and services without one that are
known from listings of real projects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from reconciler.sandbox.web.discovery import documents_folder

SUFFIX: Final = ".googleapis.com"
_TITLE: Final = re.compile(rb'"title": "([^"]*)"')
_TAIL: Final = 400
"""Bytes at the end of a document that hold its title: their keys are sorted."""
EXTRA: Final = {
    "anthos": "Anthos API",
    "anthosconfigmanagement": "Anthos Config Management API",
    "autoscaling": "Cloud Autoscaling API",
    "bigquerymigration": "BigQuery Migration API",
    "bigquerystorage": "BigQuery Storage API",
    "cloudaicompanion": "Gemini for Google Cloud API",
    "cloudapis": "Google Cloud APIs",
    "containerfilesystem": "Container File System API",
    "containerregistry": "Container Registry API",
    "containersecurity": "Container Security API",
    "containerscanning": "Container Scanning API",
    "dns": "Cloud DNS API",
    "edgecache": "Media CDN API",
    "geminicloudassist": "Gemini Cloud Assist API",
    "gkeconnect": "GKE Connect API",
    "iap": "Cloud Identity-Aware Proxy API",
    "mesh": "Mesh API",
    "multiclusteringress": "Multi Cluster Ingress API",
    "multiclustermetering": "Multi cluster metering API",
    "multiclusterservicediscovery": "Multi-Cluster Service Discovery API",
    "networkmanagement": "Network Management API",
    "privilegedaccessmanager": "Privileged Access Manager API",
    "pubsublite": "Pub/Sub Lite API",
    "runapps": "Serverless Integrations API",
    "source": "Legacy Cloud Source Repositories API",
    "sql-component": "Cloud SQL",
    "stackdriver": "Stackdriver API",
    "storage-api": "Google Cloud Storage JSON API",
    "storage-component": "Cloud Storage",
    "telemetry": "Telemetry API",
    "translate": "Cloud Translation API",
}
"""Services without a document of their own name, or with a title that Service Usage writes differently."""
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "artifactregistry": ("containerregistry",),
    "bigquery": ("bigquerystorage",),
    "cloudbuild": ("artifactregistry", "containerregistry", "pubsub", "logging", "storage"),
    "cloudfunctions": ("cloudbuild", "logging", "storage", "source"),
    "compute": ("oslogin",),
    "container": ("compute", "iam", "monitoring", "logging"),
    "dataproc": ("compute", "storage"),
    "run": ("artifactregistry", "containerregistry", "pubsub", "iam", "iamcredentials"),
    "iam": ("iamcredentials",),
    "notebooks": ("compute",),
    "vpcaccess": ("compute",),
}
"""What enabling a service also enables, as Google's dependency graph has it, as far as it is known."""


def known(service: str) -> bool:
    """Whether *service* ("run.googleapis.com") can be enabled."""
    return service.endswith(SUFFIX) and service.removesuffix(SUFFIX) in titles()


@cache
def titles() -> dict[str, str]:
    """The title of every known service, by its name without the suffix."""
    found: dict[str, str] = {}
    for path in sorted(documents_folder().glob("*.*.json")):
        with path.open("rb") as document:
            document.seek(max(0, path.stat().st_size - _TAIL))
            title = _TITLE.search(document.read())
        name = path.name.partition(".")[0].lower()
        if title is not None:
            found.setdefault(name, title[1].decode())
    return {**found, **EXTRA}


def with_dependencies(services: Sequence[str]) -> list[str]:
    """*services* and what enabling them also enables."""
    todo, done = list(services), dict[str, None]()
    while todo:
        service = todo.pop()
        if service not in done:
            done[service] = None
            below = NEEDS.get(service.removesuffix(SUFFIX), ())
            todo.extend(f"{api}{SUFFIX}" for api in below)
    return list(done)


def dependants(service: str, enabled: Sequence[str]) -> list[str]:
    """Those of the *enabled* services that need *service*, by name."""
    return sorted(one for one in enabled if one != service and service in with_dependencies([one]))
