"""The real gcloud makes, shows, changes and takes away networks, subnetworks and addresses by `sandbox env` alone."""

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

PROJECT, PLACE = "compute-by-hand", "--region=europe-west1"
SUBNETS = ("compute", "networks", "subnets")


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """A sandbox with a project in which nothing was enabled yet."""
    with sandbox() as bench:
        port = urlsplit(bench.endpoint).port or 0
        contact.ask(port, "POST", "/sandbox/v1/projects", {"projectId": PROJECT})
        refused = bench.gcloud("compute", "networks", "list", project=PROJECT)
        assert "Compute Engine API has not been used in project" in refused.err
        _ok(bench, "services", "enable", "compute.googleapis.com")
        yield bench


def _ok(bench: Bench, *command: str) -> str:
    ended = bench.gcloud(*command, project=PROJECT)
    assert ended.code == 0, ended.said
    assert "Some requests did not succeed" not in ended.err
    return ended.out


def _json(bench: Bench, *command: str) -> Any:
    return json.loads(_ok(bench, *command, "--format=json"))


def _refused(bench: Bench, *command: str) -> str:
    ended = bench.gcloud(*command, project=PROJECT)
    assert ended.code == 1, ended.said
    return ended.err


def _names(bench: Bench, *command: str) -> list[str]:
    return _ok(bench, *command, "--format=value(name)").split()


def test_a_network_from_its_making_to_its_end(bench: Bench) -> None:
    """Create, describe, list, update, delete; what is refused is told in Compute Engine's words."""
    made = ("compute", "networks", "create", "net1", "--subnet-mode=custom")
    _ok(bench, *made, "--mtu=1500", "--bgp-routing-mode=global", "--description=ours")
    shown = _json(bench, "compute", "networks", "describe", "net1")
    assert (shown["mtu"], shown["description"]) == (1500, "ours")
    assert shown["x_gcloud_subnet_mode"] == "CUSTOM"
    assert "already exists" in _refused(bench, *made)
    _ok(bench, "compute", "networks", "update", "net1", "--bgp-routing-mode=regional")
    described = _json(bench, "compute", "networks", "describe", "net1")
    assert described["routingConfig"]["routingMode"] == "REGIONAL"
    assert _names(bench, "compute", "networks", "list") == ["default", "net1"]
    assert _names(bench, "compute", "networks", "list", "--filter=name=net1") == ["net1"]
    _ok(bench, "compute", "networks", "delete", "net1")
    assert "was not found" in _refused(bench, "compute", "networks", "describe", "net1")


def test_a_subnetwork_from_its_making_to_its_end(bench: Bench) -> None:
    """Create, describe, list, each update that gcloud has for it, grow, delete; its network waits for it."""
    _ok(bench, "compute", "networks", "create", "net2", "--subnet-mode=custom")
    made = (
        "--network=net2",
        PLACE,
        "--enable-private-ip-google-access",
        "--secondary-range=pods=10.4.0.0/20",
    )
    _ok(bench, *SUBNETS, "create", "sub1", "--range=10.0.0.0/24", *made)
    overlapping = ("--network=net2", "--range=10.0.0.0/25", PLACE)
    assert "conflicts with existing subnetwork 'sub1'" in _refused(
        bench, *SUBNETS, "create", "sub2", *overlapping
    )
    for change in (
        "--no-enable-private-ip-google-access",
        "--add-secondary-ranges=services=10.5.0.0/20",
        "--enable-flow-logs",
    ):
        _ok(bench, *SUBNETS, "update", "sub1", PLACE, change)
    _ok(bench, *SUBNETS, "expand-ip-range", "sub1", PLACE, "--prefix-length=20")
    shown = _json(bench, *SUBNETS, "describe", "sub1", PLACE)
    assert (shown["ipCidrRange"], shown["privateIpGoogleAccess"]) == ("10.0.0.0/20", False)
    assert [one["rangeName"] for one in shown["secondaryIpRanges"]] == ["pods", "services"]
    assert shown["logConfig"]["enable"] is True
    assert _names(bench, *SUBNETS, "list", "--network=net2") == ["sub1"]
    assert len(_names(bench, *SUBNETS, "list", "--regions=europe-west1,us-central1")) == 3
    assert "is already being used by" in _refused(bench, "compute", "networks", "delete", "net2")
    _ok(bench, *SUBNETS, "delete", "sub1", PLACE)
    _ok(bench, "compute", "networks", "delete", "net2")


def test_addresses_from_their_making_to_their_end(bench: Bench) -> None:
    """A range for peering, one that somebody has, a global, a regional and an internal address; several at once."""
    _ok(bench, "compute", "networks", "create", "net3", "--subnet-mode=custom")
    _ok(bench, *SUBNETS, "create", "sub3", "--network=net3", "--range=10.0.0.0/24", PLACE)
    purpose = ("--global", "--purpose=VPC_PEERING", "--network=net3")
    _ok(
        bench,
        "compute",
        "addresses",
        "create",
        "psa1",
        *purpose,
        "--prefix-length=16",
        "--addresses=10.50.0.0",
    )
    taken = ("psa2", *purpose, "--prefix-length=20", "--addresses=10.50.16.0")
    assert "conflicts with IP range 10.50.0.0/16" in _refused(bench, "compute", "addresses", "create", *taken)
    shown = _json(bench, "compute", "addresses", "describe", "psa1", "--global")
    assert (shown["address"], shown["prefixLength"], shown["status"]) == ("10.50.0.0", 16, "RESERVED")
    _ok(bench, "compute", "addresses", "create", "web", "--global")
    _ok(bench, "compute", "addresses", "create", "ext", PLACE)
    _ok(bench, "compute", "addresses", "create", "int", PLACE, "--subnet=sub3")
    assert _names(bench, "compute", "addresses", "list") == ["psa1", "web", "ext", "int"]
    _ok(bench, "beta", "compute", "addresses", "update", "web", "--global", "--update-labels=team=ml")
    assert _json(bench, "compute", "addresses", "describe", "web", "--global")["labels"] == {"team": "ml"}
    _ok(bench, "compute", "addresses", "delete", "ext", "int", PLACE)
    _ok(bench, "compute", "addresses", "delete", "psa1", "web", "--global")
    assert _names(bench, "compute", "addresses", "list") == []


def test_the_network_default_is_there(bench: Bench) -> None:
    """As on Google Cloud; gcloud turns it into a custom one."""
    assert len(_names(bench, *SUBNETS, "list", "--network=default")) > 40
    fixed = ("delete", "default", PLACE)
    assert "Cannot delete auto subnetwork" in _refused(bench, *SUBNETS, *fixed)
    _ok(bench, "compute", "networks", "update", "default", "--switch-to-custom-subnet-mode")
    _ok(bench, *SUBNETS, *fixed)


def test_places_and_operations_are_shown(bench: Bench) -> None:
    """What commands ask for beside the resources."""
    assert "europe-west1" in _names(bench, "compute", "regions", "list")
    assert "europe-west1-b" in _names(bench, "compute", "zones", "list", "--filter=region:europe-west1")
    assert _json(bench, "compute", "project-info", "describe")["name"] == PROJECT
    assert all(one["status"] == "DONE" for one in _json(bench, "compute", "operations", "list", "--global"))
