"""The real gcloud makes, shows, changes and takes away what leads into a network, led there by `sandbox env` alone."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.sandbox import contact
from tests.scenarios.command import Bench, sandbox
from tests.scenarios.test_drift import needs_gcloud

pytestmark = needs_gcloud

PROJECT, REGION = "networks-by-hand", "europe-west1"
CONNECTOR = ("compute", "networks", "vpc-access", "connectors")
PEERING = ("services", "vpc-peerings")
ON_NET1 = ("--network=net1", "--service=servicenetworking.googleapis.com")
APIS = ("cloudresourcemanager", "compute", "run", "servicenetworking", "sqladmin", "vpcaccess")


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox with a project that has the network net1 and the range psa1 reserved in it."""
    with sandbox() as bench:
        port = urlsplit(bench.endpoint).port or 0
        contact.ask(port, "POST", "/sandbox/v1/projects", {"projectId": PROJECT})
        _ok(bench, "services", "enable", *(f"{api}.googleapis.com" for api in APIS))
        _ok(bench, "compute", "networks", "create", "net1", "--subnet-mode=custom")
        purpose = ("--global", "--purpose=VPC_PEERING", "--network=net1")
        for name, address in (("psa1", "10.20.0.0"), ("psa2", "10.40.0.0")):
            place = f"--addresses={address}"
            _ok(bench, "compute", "addresses", "create", name, *purpose, place, "--prefix-length=16")
        yield bench


def _ok(bench: Bench, *command: str) -> str:
    ended = bench.gcloud(*command, project=PROJECT)
    assert ended.code == 0, ended.said
    return ended.out


def _json(bench: Bench, *command: str) -> Any:
    return json.loads(_ok(bench, *command, "--format=json"))


def test_a_connector_from_its_making_to_its_end(bench: Bench) -> None:
    """Create, describe, list, update, delete, as Google's page on connectors does it."""
    place = f"--region={REGION}"
    sizes = ("--range=10.8.0.0/28", "--min-instances=2", "--max-instances=3", "--machine-type=e2-micro")
    _ok(bench, *CONNECTOR, "create", "con1", place, "--network=net1", *sizes)
    shown = _json(bench, *CONNECTOR, "describe", "con1", place)
    assert (shown["state"], shown["network"], shown["maxThroughput"]) == ("READY", "net1", 300)
    assert [one["name"] for one in _json(bench, *CONNECTOR, "list", place)] == [shown["name"]]
    _ok(bench, *CONNECTOR, "update", "con1", place, "--min-instances=3", "--max-instances=5")
    assert _json(bench, *CONNECTOR, "describe", "con1", place)["maxInstances"] == 5
    assert REGION in _ok(bench, "compute", "networks", "vpc-access", "locations", "list")
    _ok(bench, *CONNECTOR, "delete", "con1", place)
    gone = bench.gcloud(*CONNECTOR, "describe", "con1", place, project=PROJECT)
    assert gone.code == 1
    assert "The connector is not found." in gone.err


def test_a_connector_that_fails_says_why(bench: Bench) -> None:
    """What Google's operation says reaches the person, and the connector is there in ERROR until it is deleted."""
    place = f"--region={REGION}"
    sizes = ("--network=net1", "--range=10.20.3.0/28", "--min-instances=2", "--max-instances=3")
    failed = bench.gcloud(*CONNECTOR, "create", "con2", place, *sizes, project=PROJECT)
    assert failed.code == 1
    assert "conflicts with an existing subnetwork" in failed.err
    assert _json(bench, *CONNECTOR, "describe", "con2", place)["state"] == "ERROR"
    _ok(bench, *CONNECTOR, "delete", "con2", place)


def test_a_peering_from_its_making_to_its_end(bench: Bench) -> None:
    """Connect, list, update by force, delete."""
    assert _json(bench, *PEERING, "list", "--network=net1") == []
    _ok(bench, *PEERING, "connect", *ON_NET1, "--ranges=psa1")
    (found,) = _json(bench, *PEERING, "list", "--network=net1")
    assert (found["peering"], found["reservedPeeringRanges"]) == (
        "servicenetworking-googleapis-com",
        ["psa1"],
    )
    again = bench.gcloud(*PEERING, "connect", *ON_NET1, "--ranges=psa2", project=PROJECT)
    assert again.code == 1
    assert "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection." in again.err
    _ok(bench, *PEERING, "update", *ON_NET1, "--ranges=psa1,psa2", "--force")
    assert set(_json(bench, *PEERING, "list", "--network=net1")[0]["reservedPeeringRanges"]) == {
        "psa1",
        "psa2",
    }
    _ok(bench, *PEERING, "delete", *ON_NET1)
    assert _json(bench, *PEERING, "list", "--network=net1") == []


def test_a_database_in_a_network_keeps_its_peering(bench: Bench) -> None:
    """A private instance has an address of the reserved range alone, and its peering cannot be deleted."""
    _ok(bench, *PEERING, "connect", *ON_NET1, "--ranges=psa1")
    sizes = (
        "--database-version=POSTGRES_16",
        "--edition=enterprise",
        "--tier=db-f1-micro",
        f"--region={REGION}",
    )
    _ok(bench, "sql", "instances", "create", "db1", *sizes, "--no-assign-ip", "--network=net1")
    (address,) = _json(bench, "sql", "instances", "describe", "db1")["ipAddresses"]
    assert (address["type"], address["ipAddress"].startswith("10.20.")) == ("PRIVATE", True)
    refused = bench.gcloud(*PEERING, "delete", *ON_NET1, project=PROJECT)
    assert refused.code == 1
    assert (
        "Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are still using this connection."
        in refused.err
    )
    _ok(bench, "sql", "instances", "delete", "db1")
    _ok(bench, *PEERING, "delete", *ON_NET1)


def test_a_service_goes_through_a_connector_or_a_subnetwork(bench: Bench) -> None:
    """What a service uses stays; what it is told to leave can go; what is not there fails the deployment."""
    place = f"--region={REGION}"
    sizes = ("--network=net1", "--range=10.8.0.0/28", "--min-instances=2", "--max-instances=3")
    _ok(bench, *CONNECTOR, "create", "con1", place, *sizes)
    deploy = ("run", "deploy", "web", "--image=us-docker.pkg.dev/cloudrun/container/hello", place)
    _ok(
        bench,
        *deploy,
        "--vpc-connector=con1",
        "--vpc-egress=private-ranges-only",
        "--no-allow-unauthenticated",
    )
    notes = _json(bench, "run", "services", "describe", "web", place)["spec"]["template"]["metadata"][
        "annotations"
    ]
    assert notes["run.googleapis.com/vpc-access-connector"] == "con1"
    refused = bench.gcloud(*CONNECTOR, "delete", "con1", place, project=PROJECT)
    assert refused.code == 1
    assert "is in use by" in refused.err
    _ok(
        bench,
        "compute",
        "networks",
        "subnets",
        "create",
        "sub1",
        place,
        "--network=net1",
        "--range=10.9.0.0/24",
    )
    leave = ("--clear-vpc-connector", "--network=net1", "--subnet=sub1")
    _ok(bench, "run", "services", "update", "web", place, *leave)
    _ok(bench, *CONNECTOR, "delete", "con1", place)
    gone = bench.gcloud(
        "run", "services", "update", "web", place, "--clear-network", "--vpc-connector=con1", project=PROJECT
    )
    assert gone.code == 1
    assert "does not exist, or Cloud Run does not have permission to use it." in gone.err
