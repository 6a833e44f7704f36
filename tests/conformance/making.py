"""How the things that a take takes for granted are made: the request for each, by the path of the thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Making:
    """A request that makes a thing."""

    host: str
    path: str
    body: Mapping[str, Any]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    method: str = "POST"


Shown = Mapping[str, Any]
"""What is known of the thing: the fields of a recorded answer that shows it, or nothing."""
Recipe = Callable[[str, re.Match[str], Shown], Making]
"""(host, match of the thing's path, what is known of it) -> the request."""


def _network(host: str, match: re.Match[str], shown: Shown) -> Making:
    made_by_others = ("peerings", "subnetworks")
    kept = {key: value for key, value in shown.items() if key not in made_by_others}
    return Making(host, match["collection"], {"autoCreateSubnetworks": False, **kept, "name": match["name"]})


def _subnetwork(host: str, match: re.Match[str], shown: Shown) -> Making:
    project = match["collection"].split("/")[4]
    given = {"ipCidrRange": "10.250.0.0/24", "network": f"projects/{project}/global/networks/default"}
    # Half of flow logs' fields only echo the other half.
    kept = {key: value for key, value in shown.items() if key != "enableFlowLogs"}
    return Making(host, match["collection"], {**given, **kept, "name": match["name"]})


def _address(host: str, match: re.Match[str], shown: Shown) -> Making:
    project = match["collection"].split("/")[4]
    given = {
        "addressType": "INTERNAL",
        "purpose": "VPC_PEERING",
        "prefixLength": 16,
        "network": f"projects/{project}/global/networks/default",
    }
    # The authors made most addresses 8.8.8.8, which begins no range.
    kept = {key: value for key, value in shown.items() if (key, value) != ("address", "8.8.8.8")}
    return Making(host, match["collection"], {**(kept or given), "name": match["name"]})


def _regional_address(host: str, match: re.Match[str], shown: Shown) -> Making:
    return Making(host, match["collection"], {**shown, "name": match["name"]})


def _account(host: str, match: re.Match[str], shown: Shown) -> Making:
    kept = {key: shown[key] for key in ("displayName", "description") if key in shown}
    body = {"accountId": match["name"].partition("@")[0], "serviceAccount": kept}
    return Making(host, match["collection"], body)


def _job(host: str, match: re.Match[str], shown: Shown) -> Making:
    given = {
        "template": {"template": {"containers": [{"image": "us-docker.pkg.dev/cloudrun/container/job"}]}}
    }
    kept = {key: value for key, value in shown.items() if key not in ("name", "etag")}
    return Making(host, match["collection"], kept or given, {"jobId": match["name"]})


def _secret(host: str, match: re.Match[str], shown: Shown) -> Making:
    kept = {key: value for key, value in shown.items() if key not in ("name", "etag")}
    body = kept or {"replication": {"automatic": {}}}
    return Making(host, match["collection"], body, {"secretId": match["name"]})


def _version(host: str, match: re.Match[str], shown: Shown) -> Making:
    del shown
    return Making(host, f"{match['secret']}:addVersion", {"payload": {"data": "bWFkZS11cA=="}})


def _instance(host: str, match: re.Match[str], shown: Shown) -> Making:
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    given = {"databaseVersion": "POSTGRES_16", "region": "us-central1", "settings": settings}
    return Making(host, match["collection"], {**(shown or given), "name": match["name"]})


def _bucket(host: str, match: re.Match[str], shown: Shown) -> Making:
    return Making(host, match["collection"], {**shown, "name": match["name"]}, {"project": "${projectId}"})


def _channel(host: str, match: re.Match[str], shown: Shown) -> Making:
    given = {"type": "email", "labels": {"email_address": "test@example.com"}, "displayName": "given"}
    return Making(host, match["collection"], shown or given)


def _ring(host: str, match: re.Match[str], shown: Shown) -> Making:
    del shown
    return Making(host, match["collection"], {}, {"keyRingId": match["name"]})


def _key(host: str, match: re.Match[str], shown: Shown) -> Making:
    del shown
    return Making(host, match["collection"], {"purpose": "ENCRYPT_DECRYPT"}, {"cryptoKeyId": match["name"]})


_RING: Final = r"(?P<collection>/v1/projects/[^/]+/locations/[^/]+/keyRings)/(?P<name>[^/:?]+)"
_KEY: Final = (
    r"(?P<collection>/v1/projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys)/(?P<name>[^/:?]+)"
)
_COMPUTE: Final = r"(?P<collection>/compute/v1/projects/[^/]+"
RECIPES: Final[Sequence[tuple[str, str, Recipe]]] = (
    ("compute", _COMPUTE + r"/global/networks)/(?P<name>[^/?]+)", _network),
    ("compute", _COMPUTE + r"/regions/[^/]+/subnetworks)/(?P<name>[^/?]+)", _subnetwork),
    ("compute", _COMPUTE + r"/global/addresses)/(?P<name>[^/?]+)", _address),
    ("compute", _COMPUTE + r"/regions/[^/]+/addresses)/(?P<name>[^/?]+)", _regional_address),
    ("sqladmin", r"(?P<collection>/sql/\w+/projects/[^/]+/instances)/(?P<name>[^/?]+)", _instance),
    ("iam", r"(?P<collection>/v1/projects/[^/]+/serviceAccounts)/(?P<name>[^/:?]+)", _account),
    ("run", r"(?P<collection>/v2/projects/[^/]+/locations/[^/]+/jobs)/(?P<name>[^/:?]+)", _job),
    ("cloudkms", _RING, _ring),
    ("cloudkms", _KEY, _key),
    ("secretmanager", r"(?P<collection>/v1/projects/[^/]+/secrets)/(?P<name>[^/:?]+)", _secret),
    ("secretmanager", r"(?P<secret>/v1/projects/[^/]+/secrets/[^/]+)/versions/(?P<name>[^/:?]+)", _version),
    ("storage", r"(?P<collection>/storage/v1/b)/(?P<name>[^/?]+)", _bucket),
    ("monitoring", r"(?P<collection>/v3/projects/[^/]+/notificationChannels)/(?P<name>[^/?]+)", _channel),
)
"""API, the pattern of the thing's path, and how it is made."""


def addressed(host: str, path: str) -> list[tuple[re.Match[str], Recipe]]:
    """The things that a path names, the outermost first."""
    api = host.partition(".")[0]
    found = [(re.match(pattern, path), recipe) for one, pattern, recipe in RECIPES if one == api]
    return [(match, recipe) for match, recipe in found if match is not None]


MENTIONED: Final = (
    ("compute.googleapis.com", r"(projects/[^/\"\s]+/global/networks/[^/\"\s]+)", "/compute/v1/{}"),
    (
        "compute.googleapis.com",
        r"(projects/[^/\"\s]+/regions/[^/\"\s]+/subnetworks/[^/\"\s]+)",
        "/compute/v1/{}",
    ),
    (
        "compute.googleapis.com",
        r"(projects/[^/\"\s]+/regions/[^/\"\s]+/addresses/[^/\"\s]+)",
        "/compute/v1/{}",
    ),
    ("secretmanager.googleapis.com", r"\"(projects/[^/\"\s]+/secrets/[^/\"\s]+)", "/v1/{}"),
    ("secretmanager.googleapis.com", r"\"(projects/[^/\"\s]+/secrets/[^/\"\s]+/versions/\d+)", "/v1/{}"),
    ("monitoring.googleapis.com", r"(projects/[^/\"\s]+/notificationChannels/[^/\"\s]+)", "/v3/{}"),
)
"""Host, how a body names a thing there, and the thing's path."""


def mentioned(text: str) -> list[tuple[str, str]]:
    """(host, path) of the things that a request's text names."""
    return [
        (host, path.format(name)) for host, pattern, path in MENTIONED for name in re.findall(pattern, text)
    ]
