"""Compute Engine's addresses: ranges for peering, internal and external ones, and their labels."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import COMPUTE, REGION, compute, make_network, make_subnetwork, quota
from tests.sandbox.test_conditions import under

ADDRESSES = f"{COMPUTE}/global/addresses"
RANGE = {
    "addressType": "INTERNAL",
    "purpose": "VPC_PEERING",
    "prefixLength": 16,
    "network": "global/networks/net1",
}


@pytest.fixture(name="net")
def _net(cloud: Cloud) -> Cloud:
    """A project with the network net1."""
    cloud.enable("compute")
    make_network(cloud)
    return cloud


def _insert(cloud: Cloud, name: str, **fields: Any) -> dict[str, Any]:
    compute(cloud, "POST", "global/addresses", {**RANGE, "name": name, **fields})
    return cloud.ok("GET", f"{ADDRESSES}/{name}")


def _failed(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    """The operation of a range that is not to be had, done."""
    operation = cloud.ok("POST", ADDRESSES, {**RANGE, "name": "failed", **fields})
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", operation["selfLink"].partition(".com")[2])
    return operation


def test_a_reserved_range_is_shown_as_recorded(net: Cloud) -> None:
    """The server picks where it begins; labels that come with the insert are not taken."""
    shown = _insert(net, "psa1", labels={"a": "b"})
    assert IPv4Network(f"{shown.pop('address')}/16").is_private
    for drawn in ("id", "creationTimestamp"):
        assert shown.pop(drawn)
    below = f"https://www.googleapis.com/compute/v1/projects/{net.project}/global"
    assert shown == {
        "kind": "compute#address",
        "name": "psa1",
        "description": "",
        "addressType": "INTERNAL",
        "purpose": "VPC_PEERING",
        "prefixLength": 16,
        "network": f"{below}/networks/net1",
        "networkTier": "PREMIUM",
        "status": "RESERVED",
        "labelFingerprint": "42WmSpB8rSM=",
        "selfLink": f"{below}/addresses/psa1",
    }


def test_the_server_picks_what_nobody_has(net: Cloud) -> None:
    """Ranges of one network overlap neither each other nor its subnetworks."""
    make_subnetwork(net, "sub1", "10.0.0.0/9")
    make_subnetwork(net, "sub2", "172.16.0.0/12")
    picked = [IPv4Network(f"{_insert(net, f'r{n}', prefixLength=10)['address']}/10") for n in range(2)]
    assert not picked[0].overlaps(picked[1])
    assert all(one.subnet_of(IPv4Network("10.128.0.0/9")) for one in picked)
    ended = _failed(net, prefixLength=10)
    assert ended["error"]["errors"][0]["code"] == "IP_SPACE_EXHAUSTED"


def test_auto_mode_networks_keep_their_range_free(net: Cloud) -> None:
    """No range is picked out of 10.128.0.0/9, where subnetworks of new regions will be."""
    shown = _insert(net, "psa1", network="global/networks/default")
    assert not IPv4Network(f"{shown['address']}/16").overlaps(IPv4Network("10.128.0.0/9"))


def test_a_range_that_somebody_has_fails_in_its_operation(net: Cloud) -> None:
    """The error names the other range; nothing stays behind."""
    _insert(net, "psa1", address="10.50.0.0")
    ended = _failed(net, address="10.50.16.0", prefixLength=20)
    assert ended["error"]["errors"][0]["message"] == (
        "Invalid IP CIDR range: 10.50.16.0/20 conflicts with IP range 10.50.0.0/16 that was allocated by resource "
        f"projects/{net.project}/global/addresses/psa1."
    )
    assert net.get(f"{ADDRESSES}/failed").status == 404


def test_labels_are_set_on_the_fingerprint_that_was_read_last(net: Cloud) -> None:
    """All at once, and answered done; an old fingerprint, or none, is 412."""
    first = _insert(net, "psa1")
    path = f"{ADDRESSES}/psa1/setLabels"
    body = {"labels": {"team": "ml"}, "labelFingerprint": first["labelFingerprint"]}
    done = net.ok("POST", path, body)
    assert (done["operationType"], done["status"], done["progress"]) == ("setLabels", "DONE", 100)
    assert net.ok("GET", f"{ADDRESSES}/psa1")["labels"] == {"team": "ml"}
    for stale in (first["labelFingerprint"], ""):
        answered = net.post(path, {**body, "labelFingerprint": stale})
        text = "Labels fingerprint either invalid or resource labels have changed"
        assert (answered.status, answered.error["message"]) == (412, text)
        assert answered.error["errors"][0]["location"] == "If-Match"
    now = net.ok("GET", f"{ADDRESSES}/psa1")["labelFingerprint"]
    net.ok("POST", path, {"labels": {}, "labelFingerprint": now})
    assert net.ok("GET", f"{ADDRESSES}/psa1")["labelFingerprint"] == first["labelFingerprint"]


def test_external_addresses_are_global_or_of_a_region(net: Cloud) -> None:
    """Of ranges that are reserved for examples, no two alike."""
    compute(net, "POST", "global/addresses", {"name": "web"})
    compute(net, "POST", f"regions/{REGION}/addresses", {"name": "web"})
    everywhere = net.ok("GET", f"{ADDRESSES}/web")
    here = net.ok("GET", f"{COMPUTE}/regions/{REGION}/addresses/web")
    assert everywhere["addressType"] == here["addressType"] == "EXTERNAL"
    assert everywhere["address"] != here["address"]
    assert here["region"].endswith(f"/regions/{REGION}")
    assert "purpose" not in here


def test_an_internal_address_is_one_of_its_subnetwork(net: Cloud) -> None:
    """Picked, or wished for; not outside, and not twice."""
    make_subnetwork(net, "sub1", "10.0.0.0/29")
    place = f"regions/{REGION}/addresses"
    wish = {"addressType": "INTERNAL", "subnetwork": f"regions/{REGION}/subnetworks/sub1"}
    compute(net, "POST", place, {**wish, "name": "a"})
    shown = net.ok("GET", f"{COMPUTE}/{place}/a")
    assert (shown["address"], shown["purpose"]) == ("10.0.0.2", "GCE_ENDPOINT")
    compute(net, "POST", place, {**wish, "name": "b", "address": "10.0.0.4"})
    started = net.ok("POST", f"{COMPUTE}/{place}", {**wish, "name": "c", "address": "10.0.0.4"})
    waited = net.ok("POST", f"{COMPUTE}/regions/{REGION}/operations/{started['name']}/wait")
    assert waited["error"]["errors"][0]["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"addressType": "EXTERNAL"},
            "Invalid value for field 'resource.purpose': 'VPC_PEERING'. "
            "The field cannot be specified with external address.",
        ),
        ({"network": ""}, "Required field 'resource.network' not specified"),
        ({"prefixLength": 0}, "Required field 'resource.prefixLength' not specified"),
        ({"purpose": "GCE_ENDPOINT"}, "A global internal address is for VPC_PEERING"),
        ({"address": "10.50.1.0"}, "The address is not the first of a range with prefix length 16."),
        ({"address": "ten"}, "Must be a valid IPv4 address."),
    ],
)
def test_what_cannot_be_reserved_is_refused(net: Cloud, fields: dict[str, Any], said: str) -> None:
    """400, naming the field."""
    answered = net.post(ADDRESSES, {**RANGE, "name": "a", **fields})
    assert answered.status == 400
    assert said in answered.error["message"]


def test_addresses_are_listed_by_place_and_together(net: Cloud) -> None:
    """One list of a region; the aggregated one says of every other place that nothing is there."""
    _insert(net, "psa1")
    compute(net, "POST", f"regions/{REGION}/addresses", {"name": "web"})
    listed = net.ok("GET", f"{COMPUTE}/regions/{REGION}/addresses")
    assert [one["name"] for one in listed["items"]] == ["web"]
    everything = net.ok("GET", f"{COMPUTE}/aggregated/addresses?returnPartialSuccess=true")["items"]
    assert [one["name"] for one in everything["global"]["addresses"]] == ["psa1"]
    assert [one["name"] for one in everything[f"regions/{REGION}"]["addresses"]] == ["web"]
    assert everything["regions/us-east1"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_a_project_has_a_limited_number_of_ranges(net: Cloud) -> None:
    """What projects.get shows of a quota is what is enforced, here and on networks."""
    with under(net, limits={"GLOBAL_INTERNAL_ADDRESSES": 1, "NETWORKS": 2}):
        before = quota(net, "GLOBAL_INTERNAL_ADDRESSES")
        _insert(net, "psa1")
        after = quota(net, "GLOBAL_INTERNAL_ADDRESSES")
        error = net.post(ADDRESSES, {**RANGE, "name": "psa2"}).error
        another = {"name": "net2", "autoCreateSubnetworks": False}
        used, limit = quota(net, "NETWORKS")
        refused = net.post(f"{COMPUTE}/global/networks", another)
        assert refused.status == (403 if used == limit else 200)
    assert (before, after) == ((0, 1), (1, 1))
    said = "Quota 'GLOBAL_INTERNAL_ADDRESSES' exceeded.  Limit: 1.0 globally."
    assert (error["code"], error["errors"][0]["reason"], error["message"]) == (403, "quotaExceeded", said)


def test_external_addresses_are_counted_by_region(net: Cloud) -> None:
    """As regions.get says; internal ones are limited by their subnetwork alone."""
    place = f"regions/{REGION}/addresses"
    with under(net, limits={"STATIC_ADDRESSES": 1}):
        compute(net, "POST", place, {"name": "web"})
        assert quota(net, "STATIC_ADDRESSES", f"/regions/{REGION}") == (1, 1)
        error = net.post(f"{COMPUTE}/{place}", {"name": "more"}).error
    assert error["message"] == f"Quota 'STATIC_ADDRESSES' exceeded.  Limit: 1.0 in region {REGION}."
