"""From Cloud Run into a network: connectors, direct VPC egress, and databases with a private address alone."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.services import networked
from tests.sandbox.services.networked import CONNECTIONS, CONNECTORS, REGION, make_connector
from tests.sandbox.services.pushed import (
    DOCKERFILE,
    archive,
    build,
    build_body,
    finished,
    local,
    prepare,
    reference,
    upload,
)
from tests.sandbox.test_conditions import under

PLACE = f"/v2/projects/{{P}}/locations/{REGION}"
INSTANCES = "/v1/projects/{P}/instances"
NOWHERE = f"nobody:{REGION}:none"
DIALLER = """
import http.server, json, os, socket

class Dial(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.environ["DB_HOST"] + "/.s.PGSQL.5432")
                client.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))  # PostgreSQL's SSLRequest; N or S comes back
                said = client.recv(1).decode()
        except OSError as error:
            said = type(error).__name__
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())

http.server.HTTPServer(("", int(os.environ["PORT"])), Dial).serve_forever()
"""
DIAL_ONCE = """
import os, socket
socket.socket(socket.AF_UNIX).connect(os.environ["DB_HOST"] + "/.s.PGSQL.5432")
"""


@pytest.fixture(name="net")
def _net(cloud: Cloud) -> Cloud:
    """A project with the network net1, connected to Google's services, and an image that dials a database."""
    cloud.enable("vpcaccess", "servicenetworking")
    networked.make_network(cloud)
    networked.reserve(cloud)
    networked.connect(cloud, "psa1")
    prepare(cloud)
    upload(cloud, "dial.tgz", archive({"main.py": DIALLER, "Dockerfile": DOCKERFILE}))
    assert "error" not in build(cloud, build_body(cloud, reference(cloud), "dial.tgz"))
    return cloud


@pytest.fixture(name="private")
def _private(net: Cloud) -> Generator[str]:
    """The connection name of a database without public address in net1."""
    _instance(net)
    yield f"{net.project}:{REGION}:db"
    _sql(net, "DELETE", f"{INSTANCES}/db")


def _sql(cloud: Cloud, method: str, path: str, body: Any = None) -> dict[str, Any]:
    operation = cloud.ok(method, path, body)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", f"/v1/projects/{{P}}/operations/{operation['name']}")
    return operation


def _instance(cloud: Cloud, name: str = "db", network: str = "net1") -> dict[str, Any]:
    """The operation that makes an instance with a private address alone, done."""
    return _sql(cloud, "POST", INSTANCES, _instance_body(cloud, name, network))


def _instance_body(cloud: Cloud, name: str, network: str) -> dict[str, Any]:
    where = f"projects/{cloud.project}/global/networks/{network}"
    addresses = {"ipv4Enabled": False, "privateNetwork": where}
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE", "ipConfiguration": addresses}
    return {"name": name, "region": REGION, "databaseVersion": "POSTGRES_16", "settings": settings}


def _deploy(
    cloud: Cloud, database: str, access: Mapping[str, Any] | None, name: str = "web"
) -> dict[str, Any]:
    """The operation of a service that everybody may ask what its database says, done."""
    mount = {"name": "sql", "mountPath": "/cloudsql"}
    env = [{"name": "DB_HOST", "value": f"/cloudsql/{database}"}]
    template = {
        "containers": [{"image": reference(cloud), "env": env, "volumeMounts": [mount]}],
        "volumes": [{"name": "sql", "cloudSqlInstance": {"instances": [database]}}],
        **({"vpcAccess": access} if access is not None else {}),
    }
    body = {"template": template, "invokerIamDisabled": True}
    return finished(cloud, cloud.ok("PATCH", f"{PLACE}/services/{name}?allowMissing=true", body))


def _define(cloud: Cloud, database: str, access: Mapping[str, Any]) -> dict[str, Any]:
    """The operation of a job that dials its database once, done."""
    container = {
        "image": reference(cloud),
        "command": ["python", "-c", DIAL_ONCE],
        "env": [{"name": "DB_HOST", "value": f"/cloudsql/{database}"}],
        "volumeMounts": [{"name": "sql", "mountPath": "/cloudsql"}],
    }
    volumes = [{"name": "sql", "cloudSqlInstance": {"instances": [database]}}]
    task = {"containers": [container], "volumes": volumes, "maxRetries": 0, **access}
    body = {"template": {"template": task}}
    return finished(cloud, cloud.ok("PATCH", f"{PLACE}/jobs/dial?allowMissing=true", body))


def _heard(cloud: Cloud) -> str:
    return local(cloud, "web").body.decode()


def test_a_private_database_is_reached_from_its_network_alone(
    net: Cloud, private: str, running: Running
) -> None:
    """Without a way into the network there is no connection; through a connector, or a subnetwork, there is."""
    assert "error" not in _deploy(net, private, None)
    assert _heard(net) == "FileNotFoundError"
    revision = net.ok("GET", f"{PLACE}/services/web")["latestReadyRevision"].rpartition("/")[2]
    log = (running.home / "logs" / f"{revision}.log").read_text()
    assert "Cloud SQL connection failed. Please see https://cloud.google.com/sql/docs/postgres/conn" in log
    assert f'couldn\'t connect to "{private}": dial tcp 10.20.0.3:3307: i/o timeout' in log
    make_connector(net)
    connector = f"projects/{net.project}/locations/{REGION}/connectors/con1"
    assert "error" not in _deploy(net, private, {"connector": connector})
    assert _heard(net) in "NS"
    networked.make_subnetwork(net, "sub1", "10.9.0.0/24")
    assert "error" not in _deploy(net, private, {"networkInterfaces": [{"subnetwork": "sub1"}]})
    assert _heard(net) in "NS"


def test_a_public_address_is_reached_from_everywhere(net: Cloud, private: str) -> None:
    """Cloud Run's own connection takes the public address where there is one; the private one stays what it was."""
    addresses = {"settings": {"ipConfiguration": {"ipv4Enabled": True}}}
    assert "error" not in _sql(net, "PATCH", f"{INSTANCES}/db", addresses)
    shown = {one["type"]: one["ipAddress"] for one in net.ok("GET", f"{INSTANCES}/db")["ipAddresses"]}
    assert shown["PRIVATE"] == "10.20.0.3"
    _deploy(net, private, None)
    assert _heard(net) in "NS"


def test_a_jobs_task_reaches_a_private_database_the_same_way(net: Cloud, private: str) -> None:
    """The task without a connector ends with an error, the one with it does not."""
    make_connector(net)
    for access, succeeded in (({}, 0), ({"vpcAccess": {"connector": "con1"}}, 1)):
        assert "error" not in _define(net, private, access)
        done = finished(net, net.ok("POST", f"{PLACE}/jobs/dial:run", {}))["metadata"]
        assert (done.get("succeededCount", 0), done.get("failedCount", 0)) == (succeeded, 1 - succeeded)


def test_a_job_that_asks_for_a_connector_that_is_not_there_is_not_ready(net: Cloud) -> None:
    """The operation ends with an error; the job is there, and says why."""
    error = _define(net, NOWHERE, {"vpcAccess": {"connector": "none"}})["error"]
    name = f"projects/{net.project}/locations/{REGION}/connectors/none"
    text = f"VPC connector {name} does not exist, or Cloud Run does not have permission to use it."
    assert (error["code"], error["message"]) == (9, text)
    condition = net.ok("GET", f"{PLACE}/jobs/dial")["terminalCondition"]
    assert (condition["state"], condition["message"]) == ("CONDITION_FAILED", text)


def test_another_network_is_no_way_to_a_database(net: Cloud, private: str) -> None:
    """The connector must lie in the network that the database has its address in."""
    networked.make_network(net, "net2")
    make_connector(net, network="net2")
    _deploy(net, private, {"connector": "con1"})
    assert _heard(net) == "FileNotFoundError"


def test_a_connector_that_is_not_there_fails_the_revision(net: Cloud) -> None:
    """In Cloud Run's words; neither one that was never made, nor one of another region, nor one in ERROR."""
    make_connector(net, "broken", minInstances=0, maxInstances=0)
    for connector, said in (
        ("none", "does not exist, or Cloud Run does not have permission to use it."),
        (f"projects/{net.project}/locations/us-central1/connectors/none", "does not exist"),
        ("broken", "is not ready"),
    ):
        error = _deploy(net, NOWHERE, {"connector": connector})["error"]
        assert "VPC connector projects/" in error["message"]
        assert said in error["message"]


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ({"subnetwork": "none"}, "does not exist, or Cloud Run does not have permission to use it."),
        (
            {"subnetwork": "projects/{P}/regions/us-central1/subnetworks/far"},
            "does not exist, or Cloud Run does not have permission to use it.",
        ),
        ({"network": "net2", "subnetwork": "near"}, "is not in the network net2."),
    ],
)
def test_direct_egress_needs_a_subnetwork_of_the_region_and_network(
    net: Cloud, interface: Mapping[str, str], said: str
) -> None:
    """One that is not there, or in another region, or in another network than the one asked for, fails the revision."""
    networked.make_network(net, "net2")
    networked.make_subnetwork(net, "near", "10.9.0.0/24")
    networked.make_subnetwork(net, "far", "10.10.0.0/24", region="us-central1")
    asked = {key: value.replace("{P}", net.project) for key, value in interface.items()}
    message = _deploy(net, NOWHERE, {"networkInterfaces": [asked]})["error"]["message"]
    assert "VPC subnetwork projects/" in message
    assert said in message


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (
            {"connector": "c", "networkInterfaces": [{"network": "n"}]},
            "one and only one of connector and network_int",
        ),
        ({"egress": "ALL_TRAFFIC"}, "one and only one of connector and network_interfaces must be set."),
        ({"networkInterfaces": [{"network": "a"}, {"network": "b"}]}, "only one network interface"),
        ({"networkInterfaces": [{"tags": ["t"]}]}, "at least one of network and subnetwork"),
    ],
)
def test_a_template_asks_for_one_way(cloud: Cloud, access: Mapping[str, Any], said: str) -> None:
    """What contradicts itself is refused before anything is looked for."""
    body = {"template": {"containers": [{"image": "i"}], "vpcAccess": access}}
    refused = cloud.post(f"{PLACE}/services?serviceId=web", body)
    assert refused.status == 400
    assert refused.error["message"].startswith(
        "Violation in CreateServiceRequest.service.template.vpc_access."
    )
    assert said in refused.error["message"]


def test_a_connector_in_use_is_kept(net: Cloud) -> None:
    """By a service, which it names, until the service goes without it."""
    make_connector(net)
    _deploy(net, NOWHERE, {"connector": "con1"})
    assert net.ok("GET", f"{CONNECTORS}/con1")["connectedProjects"] == [net.project]
    refused = net.call("DELETE", f"{CONNECTORS}/con1")
    assert (refused.status, refused.error["status"]) == (400, "FAILED_PRECONDITION")
    assert f"projects/{net.project}/locations/{REGION}/services/web" in refused.error["message"]
    _deploy(net, NOWHERE, None)
    assert "error" not in net.wait(net.ok("DELETE", f"{CONNECTORS}/con1"))


def test_a_private_address_needs_a_connection(cloud: Cloud) -> None:
    """Cloud SQL says what is missing: the API, the network, the connection, or the peering that was taken away."""
    cloud.enable("compute")
    body = _instance_body(cloud, "db", "net1")

    def said() -> str:
        refused = cloud.post(INSTANCES, body)
        assert (refused.status, refused.error["errors"][0]["reason"]) == (400, "invalid")
        return refused.error["message"].rpartition(":")[2]

    assert said() == "SERVICE_NETWORKING_NOT_ENABLED."
    cloud.enable("servicenetworking")
    assert said() == "NETWORK_NOT_FOUND."
    networked.make_network(cloud)
    networked.reserve(cloud)
    assert said() == "NETWORK_NOT_PEERED."
    networked.connect(cloud, "psa1")
    networked.compute(
        cloud, "POST", "global/networks/net1/removePeering", {"name": "servicenetworking-googleapis-com"}
    )
    assert said() == "NETWORK_PEERING_DELETED."


def test_addresses_come_from_the_reserved_range(cloud: Cloud) -> None:
    """A /24 for each region; an instance for which there is none ends as FAILED, and says why."""
    cloud.enable("compute", "servicenetworking")
    networked.make_network(cloud)
    networked.reserve(cloud, prefix=24)
    networked.connect(cloud, "psa1")
    assert "error" not in _instance(cloud)
    shown = cloud.ok("GET", f"{INSTANCES}/db")
    assert shown["ipAddresses"] == [{"ipAddress": "10.20.0.3", "type": "PRIVATE"}]
    other = {**_instance_body(cloud, "far", "net1"), "region": "us-central1"}
    error = _sql(cloud, "POST", INSTANCES, other)["error"]["errors"][0]
    assert error["message"] == (
        "Failed to create subnetwork. Couldn't find free blocks in allocated IP ranges. Please allocate new ranges for "
        "this service provider."
    )
    assert cloud.ok("GET", f"{INSTANCES}/far")["state"] == "FAILED"


def test_a_connection_in_use_is_kept(net: Cloud, private: str) -> None:
    """While an instance has its address there, and for the time that conditions say after it is gone."""
    assert private
    where = {"consumerNetwork": f"projects/{net.number}/global/networks/net1"}

    def deleted() -> dict[str, Any]:
        return net.wait(net.ok("POST", f"{CONNECTIONS}/servicenetworking-googleapis-com", where))

    error = deleted()["error"]
    assert error["code"] == 9
    assert error["message"].startswith(
        "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Mem"
    )
    with under(net, operations={"servicenetworking.services.connections.release": 3600}):
        _sql(net, "DELETE", f"{INSTANCES}/db")
    assert deleted()["error"] == error
    _instance(net)
