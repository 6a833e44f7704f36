"""What a take takes for granted: things that were there before its first row, or that rows made which are not recorded.

Everything is made through the sandbox's own API, and named in the report. A thing is given only where a recorded answer
shows that it was there, no earlier row of the take made it, and the sandbox does not have it. How it was made is taken
from another take of the same case where one shows it, else from the recorded answers that show the thing itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from tests.conformance.cloud import Sandbox
from tests.conformance.placeholders import Bindings
from tests.conformance.recordings import Row

APIS: Final = (
    "cloudresourcemanager", "compute", "iam", "monitoring", "run", "secretmanager", "servicenetworking", "sqladmin",
    "storage",
)  # fmt: skip


@dataclass(frozen=True)
class Making:
    """How a thing is made: a request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


Recipe = Callable[[re.Match[str], Mapping[str, Any]], Making]
"""(the match of the thing's path, the fields that are known of it) -> the request that makes it."""


def _in_collection(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
    return Making("POST", match["collection"], {}, {**shown, "name": match["name"]})


def _named_in_query(parameter: str) -> Recipe:
    def recipe(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
        body = {key: value for key, value in shown.items() if key != "name"}
        return Making("POST", match["collection"], {parameter: match["name"]}, body)

    return recipe


def _bucket(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
    return Making("POST", match["collection"], {"project": "${projectId}"}, {**shown, "name": match["name"]})


def _account(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
    kept = {key: shown[key] for key in ("displayName", "description") if key in shown}
    body = {"accountId": match["name"].partition("@")[0], "serviceAccount": kept}
    return Making("POST", match["collection"], {}, body)


def _subnetwork(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
    body = {"ipCidrRange": "10.0.0.0/24", **shown, "name": match["name"]}
    return Making("POST", match["collection"], {}, body)


def _network(match: re.Match[str], shown: Mapping[str, Any]) -> Making:
    kept = {key: value for key, value in shown.items() if key not in ("peerings", "subnetworks")}
    return Making(
        "POST", match["collection"], {}, {"autoCreateSubnetworks": False, **kept, "name": match["name"]}
    )


RECIPES: Final[Sequence[tuple[str, str, Recipe]]] = (
    ("compute", r"(?P<collection>/compute/v1/projects/[^/]+/global/networks)/(?P<name>[^/]+)", _network),
    (
        "compute",
        r"(?P<collection>/compute/v1/projects/[^/]+/regions/[^/]+/subnetworks)/(?P<name>[^/]+)",
        _subnetwork,
    ),
    (
        "compute",
        r"(?P<collection>/compute/v1/projects/[^/]+/global/addresses)/(?P<name>[^/]+)",
        _in_collection,
    ),
    ("cloudsql", r"(?P<collection>/sql/\w+/projects/[^/]+/instances)/(?P<name>[^/]+)", _in_collection),
    ("iam", r"(?P<collection>/v1/projects/[^/]+/serviceAccounts)/(?P<name>[^/:]+)", _account),
    (
        "run",
        r"(?P<collection>/v2/projects/[^/]+/locations/[^/]+/jobs)/(?P<name>[^/:]+)",
        _named_in_query("jobId"),
    ),
    (
        "secretmanager",
        r"(?P<collection>/v1/projects/[^/]+/secrets)/(?P<name>[^/:]+)",
        _named_in_query("secretId"),
    ),
    ("storage", r"(?P<collection>/storage/v1/b)/(?P<name>[^/]+)", _bucket),
)


@dataclass
class Givens:
    """The preconditions of one take."""

    sandbox: Sandbox
    bindings: Bindings
    other_takes: Sequence[Sequence[Row]]
    known: set[str] = field(default_factory=set[str])
    """Paths of what was made, by the take's rows or here."""

    def begin(self) -> None:
        """Enable the APIs: every recording project had them."""
        services = [f"{api}.googleapis.com" for api in APIS]
        path = f"/v1/projects/{self.bindings.project}/services:batchEnable"
        self.sandbox.call("POST", "serviceusage.googleapis.com", path, {}, {"serviceIds": services})

    def end(self) -> None:
        """Stop what the take left running: databases take memory."""
        host, path = "sqladmin.googleapis.com", f"/sql/v1beta4/projects/{self.bindings.project}/instances"
        found = self.sandbox.call("GET", host, path).body
        for item in cast("dict[str, Any]", found or {}).get("items", []):
            self.sandbox.call("DELETE", host, f"{path}/{item['name']}")

    def before(self, index: int, path: str, query: Mapping[str, str], body: Any) -> list[str]:
        """Make what row *index* takes for granted; what was made, in words."""
        del query
        row = self.bindings.rows[index]
        made: list[str] = []
        for service, match, recipe in _addressed(row, path):
            if row.status < 300:
                made += self._give(index, service, match, recipe)
        if row.method == "POST" and isinstance(body, dict) and "name" in body:
            self.known.add(f"{path}/{body['name']}")
        return made

    def _give(self, index: int, service: str, match: re.Match[str], recipe: Recipe) -> list[str]:
        address, row = match[0], self.bindings.rows[index]
        if address in self.known:
            return []
        self.known.add(address)
        if self.sandbox.call("GET", row.host, address).status != 404:
            return []
        making = recipe(match, self._shown(index, service, match))
        text = {key: self.bindings.fill(value) for key, value in making.query.items()}
        self.sandbox.call(making.method, row.host, making.path, text, making.body)
        return [f"{making.method} {making.path} {match['name']}"]

    def _shown(self, index: int, service: str, match: re.Match[str]) -> Mapping[str, Any]:
        """The fields of the thing as the nearest row shows them, from this one on."""
        for row in self.bindings.rows[index:]:
            if row.service == service and row.method == "GET" and row.answer and row.status == 200:
                at = self.bindings.rows.index(row)
                if self.bindings.resolve(row.path, at) == match[0]:
                    return cast("Mapping[str, Any]", _filled(row.answer, self.bindings, at))
        return {}


def _addressed(row: Row, path: str) -> list[tuple[str, re.Match[str], Recipe]]:
    found = [(service, re.match(pattern, path), recipe) for service, pattern, recipe in RECIPES]
    return [(s, match, recipe) for s, match, recipe in found if s == row.service and match is not None]


def _filled(value: Any, bindings: Bindings, index: int) -> Any:
    if isinstance(value, str):
        return bindings.resolve(value, index)
    if isinstance(value, list):
        return [_filled(item, bindings, index) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {k: _filled(item, bindings, index) for k, item in cast("dict[str, Any]", value).items()}
    return value
