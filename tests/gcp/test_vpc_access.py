"""The way into a network, between Cloud Run's template and a flat body."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.gcp import vpc_access
from reconciler.gcp.vpc_access import CONNECTOR, EGRESS, INTERFACE, NOWHERE

IDS = ("acme", "12345")
REGION = "europe-west1"
FULL = f"projects/acme/locations/{REGION}/connectors/con"
SUBNET = f"projects/host/regions/{REGION}/subnetworks/ml"


@pytest.mark.parametrize("written", ["con", FULL, FULL.replace("acme", "12345")])
def test_a_connector_has_one_name(written: str) -> None:
    """Short, by the project's id, by its number."""
    found = vpc_access.flattened({"vpcAccess": {"connector": written, "egress": "ALL_TRAFFIC"}}, REGION, IDS)
    assert found == {CONNECTOR: FULL, EGRESS: "ALL_TRAFFIC", INTERFACE: None}


@pytest.mark.parametrize(
    ("interface", "subnet"),
    [
        ({"subnetwork": f"https://www.googleapis.com/compute/v1/{SUBNET}"}, SUBNET),
        ({"network": "ml", "subnetwork": "sub"}, f"projects/acme/regions/{REGION}/subnetworks/sub"),
        ({"network": "ml"}, f"projects/acme/regions/{REGION}/subnetworks/ml"),
    ],
)
def test_an_interface_is_its_subnet(interface: dict[str, str], subnet: str) -> None:
    """Of another project, of one's own, or named like the network."""
    found = vpc_access.flattened({"vpcAccess": {"networkInterfaces": [interface]}}, REGION, IDS)
    assert found[INTERFACE] == subnet


def test_no_way_is_none_of_the_fields() -> None:
    """What Cloud Run shows of a service that is in no network."""
    assert vpc_access.flattened({}, REGION, IDS) == NOWHERE


def test_one_way_takes_the_others_place() -> None:
    """Cloud Run takes a connector or an interface, never both; somebody's network tags stay."""
    template: dict[str, Any] = {"vpcAccess": {"connector": FULL, "egress": "ALL_TRAFFIC"}}
    direct = {CONNECTOR: None, INTERFACE: SUBNET, EGRESS: "ALL_TRAFFIC"}
    vpc_access.write(template, direct, [CONNECTOR, INTERFACE])
    assert template == {"vpcAccess": {"egress": "ALL_TRAFFIC", "networkInterfaces": [{"subnetwork": SUBNET}]}}
    template["vpcAccess"]["networkInterfaces"][0]["tags"] = ["theirs"]
    vpc_access.write(template, {INTERFACE: f"{SUBNET}2"}, [INTERFACE])
    assert template["vpcAccess"]["networkInterfaces"] == [{"subnetwork": f"{SUBNET}2", "tags": ["theirs"]}]


def test_nothing_is_left_of_a_way_that_is_given_up() -> None:
    """An empty `vpcAccess` would be refused."""
    template: dict[str, Any] = {"vpcAccess": {"connector": FULL, "egress": "ALL_TRAFFIC"}}
    vpc_access.write(template, NOWHERE, [CONNECTOR, EGRESS])
    assert template == {}


def test_what_is_not_about_it_changes_nothing() -> None:
    """A write of other fields leaves a template without a way as it is."""
    template: dict[str, Any] = {}
    vpc_access.write(template, {"timeout": "5s"}, ["timeout"])
    assert template == {}
