"""States that a take begins with and no row brings about: policies, enabled APIs, peerings, labels.

A state is set through the API that a client would use, when the first row shows it. It is never set after a row of the
take has written the same thing: from then on the sandbox alone is responsible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from reconciler.sandbox.iam.agents import owners_of
from reconciler.sandbox.iam.policy_members import GOOGLES
from reconciler.sandbox.known_services import with_dependencies
from tests.conformance.cloud import Got
from tests.conformance.recordings import Row, fields_of

ACCOUNT: Final = re.compile(r"serviceAccount:(([a-z0-9-]+)@([a-z0-9-]+)\.iam\.gserviceaccount\.com)")
PEERING: Final = "servicenetworking-googleapis-com"


class Maker(Protocol):
    """What a state is set through."""

    @property
    def project(self) -> str:
        """The take's project."""
        ...

    @property
    def number(self) -> str:
        """Its number."""
        ...

    @property
    def written(self) -> set[str]:
        """Paths that rows of the take wrote to, "FIELD of PATH", and "connection of NETWORK"."""
        ...

    def ask(
        self, method: str, host: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Got:
        """One request, and the end of the operation that it starts."""
        ...

    def need(self, host: str, path: str) -> None:
        """Make the thing at *path* where it is missing."""
        ...

    def first(self, name: str) -> bool:
        """Whether nothing asked for *name* before."""
        ...

    def create_project(self, project: str) -> None:
        """Make a project where it is missing."""
        ...


State = Callable[[Maker, str, Mapping[str, str], Mapping[str, Any]], list[str]]
"""(maker, path, query, the recorded answer with its names resolved) -> what was set, in words."""


def _policy(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    del query
    resource = path.removesuffix(":getIamPolicy")
    if f"{resource}:setIamPolicy" in maker.written or not maker.first(path):
        return []
    accounts(maker, str(shown))
    live = maker.ask("POST", "cloudresourcemanager.googleapis.com", path, {}).body
    policy = {**shown, "etag": fields_of(live).get("etag"), "version": 3}
    body = {"policy": policy, "updateMask": "bindings,etag,auditConfigs"}
    got = maker.ask("POST", "cloudresourcemanager.googleapis.com", f"{resource}:setIamPolicy", body)
    return [f"the policy of {resource}, as the first answer shows it{refused(got)}"]


def refused(got: Got) -> str:
    """What the sandbox said where it did not do what was asked; else nothing."""
    message = fields_of(fields_of(got.body).get("error")).get("message")
    return "" if got.status < 300 else f" (refused: {message})"


def accounts(maker: Maker, text: str) -> None:
    """Make the service accounts that *text* names, in whatever project they lie, and the agents of services."""
    for email, name, project in sorted(set(ACCOUNT.findall(text))):
        if GOOGLES.fullmatch(email):
            _agent(maker, email, re.sub(r"\D", "", name))
            continue
        maker.create_project(project)
        maker.need("iam.googleapis.com", f"/v1/projects/{project}/serviceAccounts/{email}")


def need_key(maker: Maker, encryption: Mapping[str, Any]) -> None:
    """Let Cloud SQL's agent use the key of an instance; whoever recorded one had done that."""
    key = str(encryption.get("kmsKeyName", ""))
    if not key or not maker.first(f"key {key}"):
        return
    host = "cloudkms.googleapis.com"
    maker.need(host, f"/v1/{key}")
    service = f"/v1beta1/projects/{maker.project}/services/sqladmin.googleapis.com"
    maker.ask("POST", "serviceusage.googleapis.com", f"{service}:generateServiceIdentity", {})
    member = f"serviceAccount:service-{maker.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    binding = {"role": "roles/cloudkms.cryptoKeyEncrypterDecrypter", "members": [member]}
    maker.ask("POST", host, f"/v1/{key}:setIamPolicy", {"policy": {"bindings": [binding]}})


def _agent(maker: Maker, email: str, number: str) -> None:
    """Ask for the agents of services, as a client would before it names them."""
    for service in owners_of(email):
        path = f"/v1beta1/projects/{number}/services/{service}"
        if maker.first(path):
            maker.ask("POST", "serviceusage.googleapis.com", f"{path}:enable", {})
            maker.ask("POST", "serviceusage.googleapis.com", f"{path}:generateServiceIdentity")


def gone(maker: Maker, path: str) -> list[str]:
    """An account that a 404 names was there once: make it, and take it away again."""
    maker.need("iam.googleapis.com", path)
    maker.ask("DELETE", "iam.googleapis.com", path)
    return [f"{path}, which was deleted"]


def _disabled(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    """A service that an operation enables was off before."""
    del query
    service, host = path.removesuffix(":enable"), "serviceusage.googleapis.com"
    if shown.get("done") or not maker.first(path):
        return []
    body = {"disableDependentServices": True, "checkIfServiceHasUsage": "SKIP"}
    maker.ask("POST", host, f"{service}:disable", body)
    return [f"{service}, disabled"]


def _all_disabled(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    """The services that an operation enables, which names them, were off before."""
    done: list[str] = []
    for name in fields_of(shown.get("metadata")).get("resourceNames", ()):
        service = f"{path.removesuffix(':batchEnable')}/{name.split('/')[1]}"
        done += _disabled(maker, f"{service}:enable", query, shown)
    return done


def _services(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    del query
    host, project = "serviceusage.googleapis.com", path.split("/")[3]
    if not maker.first(path):
        return []
    ours = [one for one in maker.written if one.startswith(f"{path}/") and one.endswith(":enable")]
    kept = with_dependencies([one.removeprefix(f"{path}/").removesuffix(":enable") for one in ours])
    wanted = {one["name"].rpartition("/")[2] for one in shown.get("services", ())}
    listed = maker.ask("GET", host, path, None, {"filter": "state:ENABLED", "pageSize": "200"}).body
    enabled = {one["name"].rpartition("/")[2] for one in fields_of(listed).get("services", ())}
    missing = sorted(wanted - enabled)
    for start in range(0, len(missing), 20):
        body = {"serviceIds": missing[start : start + 20]}
        maker.ask("POST", host, f"/v1/projects/{project}/services:batchEnable", body)
    for name in sorted(enabled - wanted - set(kept)):
        body = {"disableDependentServices": True, "checkIfServiceHasUsage": "SKIP"}
        maker.ask("POST", host, f"/v1/projects/{project}/services/{name}:disable", body)
    return [f"{len(wanted)} enabled APIs"]


def _connections(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    del path, query
    made: list[str] = []
    for connection in shown.get("connections", ()):
        if f"connection of {connection['network']}" not in maker.written:
            _connect(maker, connection["network"], connection.get("reservedPeeringRanges", ()))
            made.append(f"connection of {connection['network']}")
    return made


def _connect(maker: Maker, network: str, ranges: Sequence[str]) -> None:
    maker.need("compute.googleapis.com", f"/compute/v1/{network}")
    for name in ranges:
        need_range(maker, network, name)
    numbered = network.replace(f"projects/{maker.project}/", f"projects/{maker.number}/")
    body = {"network": numbered, "reservedPeeringRanges": list(ranges)}
    path = "/v1/services/servicenetworking.googleapis.com/connections/-"
    query = {"force": "true", "updateMask": "reservedPeeringRanges"}
    maker.ask("PATCH", "servicenetworking.googleapis.com", path, body, query)


def need_connection(maker: Maker, instance: Mapping[str, Any]) -> None:
    """Connect the network in which an instance of Cloud SQL wants a private address, where nobody did."""
    network = fields_of(fields_of(instance.get("settings")).get("ipConfiguration")).get("privateNetwork", "")
    name = _tail(str(network))
    if name and f"connection of {name}" not in maker.written:
        maker.written.add(f"connection of {name}")
        _connect(maker, name, ["given-range"])


def need_range(maker: Maker, network: str, name: str) -> None:
    """Make an address range for services in *network* where it is missing."""
    host, collection = "compute.googleapis.com", f"/compute/v1/projects/{maker.project}/global/addresses"
    if maker.ask("GET", host, f"{collection}/{name}").status == 404:
        body = {"name": name, "addressType": "INTERNAL", "purpose": "VPC_PEERING", "prefixLength": 16}
        maker.ask("POST", host, collection, {**body, "network": network})


def _network(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    del query
    host = "compute.googleapis.com"
    live = fields_of(maker.ask("GET", host, path).body)
    done: list[str] = []
    name = path.removeprefix("/compute/v1/")
    peered = any(one["name"] == PEERING for one in shown.get("peerings", ()))
    if peered and not live.get("peerings") and f"connection of {name}" not in maker.written:
        _connect(maker, name, ["given-range"])
        done.append("a connection to services")
    if not shown.get("autoCreateSubnetworks"):
        known = {_tail(link) for link in live.get("subnetworks", ())}
        for number, link in enumerate(shown.get("subnetworks", ())):
            if _tail(link) not in known:
                collection, _, subnetwork = _tail(link).rpartition("/")
                body = {"name": subnetwork, "network": name, "ipCidrRange": f"10.{200 + number}.0.0/24"}
                maker.ask("POST", host, f"/compute/v1/{collection}", body)
                done.append(f"subnetwork {subnetwork}")
    return done


def _address(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    del query
    live = fields_of(maker.ask("GET", "compute.googleapis.com", path).body)
    if (
        live.get("labels") == shown.get("labels")
        or "labels" not in shown
        or f"{path}/setLabels" in maker.written
    ):
        return []
    body = {"labels": shown["labels"], "labelFingerprint": live.get("labelFingerprint")}
    maker.ask("POST", "compute.googleapis.com", f"{path}/setLabels", body)
    return ["its labels"]


def _subnetwork(maker: Maker, path: str, query: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    """What Kubernetes Engine does to the subnetwork of a cluster: ranges for its pods, access to Google's APIs."""
    del query
    host = "compute.googleapis.com"
    live = fields_of(maker.ask("GET", host, path).body)
    foreign = [
        name
        for name in ("privateIpGoogleAccess", "secondaryIpRanges")
        if shown.get(name) != live.get(name) and f"{name} of {path}" not in maker.written
    ]
    done: list[str] = []
    if "privateIpGoogleAccess" in foreign:
        body = {"privateIpGoogleAccess": shown.get("privateIpGoogleAccess", False)}
        got = maker.ask("POST", host, f"{path}/setPrivateIpGoogleAccess", body)
        done.append(f"private access to Google{refused(got)}")
    if "secondaryIpRanges" in foreign:
        now = fields_of(maker.ask("GET", host, path).body)
        ranges = shown.get("secondaryIpRanges", [])
        got = maker.ask(
            "PATCH", host, path, {"fingerprint": now.get("fingerprint"), "secondaryIpRanges": ranges}
        )
        done.append(f"secondary ranges{refused(got)}")
    return done


def _tail(link: str) -> str:
    """The link without host and version: projects/p/regions/r/subnetworks/s."""
    return re.sub(r"^.*?/(?=projects/)", "", link)


STATES: Final[Sequence[tuple[str, str, str, State]]] = (
    ("POST", "resourcemanager", r"/v\d/projects/[^/]+:getIamPolicy", _policy),
    ("GET", "serviceusage", r"/v\d\w*/projects/[^/]+/services", _services),
    ("POST", "serviceusage", r"/v\d\w*/projects/[^/]+/services/[^/]+:enable", _disabled),
    ("POST", "serviceusage", r"/v\d\w*/projects/[^/]+/services:batchEnable", _all_disabled),
    ("GET", "servicenetworking", r"/v\d\w*/services/[^/]+/connections", _connections),
    ("GET", "compute", r"/compute/v1/projects/[^/]+/global/networks/[^/]+", _network),
    ("GET", "compute", r"/compute/v1/projects/[^/]+/global/addresses/[^/]+", _address),
    ("GET", "compute", r"/compute/v1/projects/[^/]+/regions/[^/]+/subnetworks/[^/]+", _subnetwork),
)
"""Method, service and path of the row that shows a state, and how the state is set."""


def shown_by(row: Row, path: str) -> State | None:
    """How the state that a row's recorded answer shows is set; None where it shows none."""
    for method, service, pattern, state in STATES:
        if (row.method, row.service) == (method, service) and re.fullmatch(pattern, path):
            return state
    return None
