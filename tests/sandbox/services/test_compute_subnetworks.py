"""Compute Engine's subnetworks: what is filled in, where they may lie, and how they change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import COMPUTE, REGION, compute, make_network, make_subnetwork, reserve

WITHIN = f"regions/{REGION}/subnetworks"
SUBNETWORKS = f"{COMPUTE}/{WITHIN}"
ROOT = "https://www.googleapis.com/compute/v1"


@pytest.fixture(name="net")
def _net(cloud: Cloud) -> Cloud:
    """A project with the network net1."""
    cloud.enable("compute")
    make_network(cloud)
    return cloud


def _insert(cloud: Cloud, name: str = "sub1", **fields: Any) -> dict[str, Any]:
    body = {"name": name, "ipCidrRange": "10.0.0.0/24", "network": "global/networks/net1", **fields}
    compute(cloud, "POST", WITHIN, body)
    return cloud.ok("GET", f"{SUBNETWORKS}/{name}")


def _refused(cloud: Cloud, **fields: Any) -> str:
    """What is said of a subnetwork that cannot be made."""
    body = {"name": "sub2", "ipCidrRange": "10.0.1.0/24", "network": "global/networks/net1", **fields}
    answered = cloud.post(SUBNETWORKS, body)
    assert answered.status == 400, answered.body
    return answered.error["message"]


def test_a_subnetwork_is_shown_with_its_defaults(net: Cloud) -> None:
    """What Compute fills in; the region is the path's, in whatever form it was sent."""
    shown = _insert(
        net, region=f"projects/{net.project}/global/regions/{REGION}", logConfig={"enable": False}
    )
    for drawn in ("id", "creationTimestamp", "fingerprint"):
        assert shown.pop(drawn)
    below = f"{ROOT}/projects/{net.project}"
    assert shown == {
        "kind": "compute#subnetwork",
        "name": "sub1",
        "network": f"{below}/global/networks/net1",
        "ipCidrRange": "10.0.0.0/24",
        "gatewayAddress": "10.0.0.1",
        "region": f"{below}/regions/{REGION}",
        "selfLink": f"{below}/regions/{REGION}/subnetworks/sub1",
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
        "allowSubnetCidrRoutesOverlap": False,
        "enableFlowLogs": False,
        "logConfig": {"enable": False},
    }
    network = net.ok("GET", f"{COMPUTE}/global/networks/net1")
    assert network["subnetworks"] == [shown["selfLink"]]


FORMS = (
    "https://www.googleapis.com/compute/v1/projects/{p}/",
    "https://compute.googleapis.com/compute/v1/projects/{p}/",
    "http://127.0.0.1:1/compute/beta/projects/{p}/",
    "projects/{p}/",
    "",
)


@pytest.mark.parametrize("form", FORMS)
def test_a_network_is_named_in_any_form_but_its_bare_name(net: Cloud, form: str) -> None:
    """Full and partial URLs mean the same; a bare name is none."""
    text = form.format(p=net.project) + "global/networks/net1"
    assert _insert(net, network=text)["network"] == f"{ROOT}/projects/{net.project}/global/networks/net1"
    assert _refused(net, network="net1") == (
        "Invalid value for field 'resource.network': 'net1'. The URL is malformed."
    )


def test_what_a_proxy_subnetwork_has_and_lacks(net: Cloud) -> None:
    """A role and a state; no stack type, no flow logs."""
    shown = _insert(net, purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE")
    assert (shown["role"], shown["state"]) == ("ACTIVE", "READY")
    assert not {"stackType", "enableFlowLogs", "logConfig"} & set(shown)


def test_flow_logs_bring_their_settings(net: Cloud) -> None:
    """Both switches say the same, and what was not chosen is filled in."""
    shown = _insert(net, logConfig={"enable": True, "flowSampling": 0.1})
    assert shown["enableFlowLogs"] is True
    assert shown["logConfig"] == {
        "enable": True,
        "flowSampling": 0.1,
        "aggregationInterval": "INTERVAL_5_SEC",
        "metadata": "EXCLUDE_ALL_METADATA",
    }


def test_a_dual_stack_subnetwork_draws_from_its_network(net: Cloud) -> None:
    """Internal IPv6 needs a network that has some; the /64 lies in the network's /48."""
    fields = {"stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL"}
    assert "no internal IPv6 range" in _refused(net, **fields)
    compute(net, "PATCH", "global/networks/net1", {"enableUlaInternalIpv6": True})
    network = net.ok("GET", f"{COMPUTE}/global/networks/net1")
    shown = _insert(net, **fields)
    head = ":".join(network["internalIpv6Range"].split(":")[:3])
    assert shown["internalIpv6Prefix"].startswith(f"{head}:")
    assert shown["ipv6CidrRange"] == shown["internalIpv6Prefix"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.128/25", "conflicts with existing subnetwork 'sub1' in region 'europe-west9'."),
        ("10.4.0.0/24", "conflicts with existing subnetwork 'sub1' in region 'europe-west9'."),
        ("10.20.5.0/24", "conflicts with reserved IP range '10.20.0.0/16'."),
    ],
)
def test_ranges_of_a_network_do_not_overlap(net: Cloud, text: str, said: str) -> None:
    """Neither with primary nor with secondary ranges, in any region, nor with what is reserved for peering."""
    _insert(net, secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.4.0.0/20"}])
    reserve(net)
    answered = net.post(
        f"{COMPUTE}/regions/us-east1/subnetworks",
        {"name": "sub2", "ipCidrRange": text, "network": "global/networks/net1"},
    )
    field = "Invalid value for field 'resource.ipCidrRange'"
    assert answered.error["message"] == f"{field}: '{text}'. Invalid IPCidrRange: {text} {said}"


def test_the_same_range_lies_in_two_networks(net: Cloud) -> None:
    """Networks know nothing of each other."""
    make_network(net, "net2")
    _insert(net)
    make_subnetwork(net, "sub2", "10.0.0.0/24", "net2")


def test_own_subnetworks_keep_off_the_auto_range(net: Cloud) -> None:
    """Google keeps 10.128.0.0/9 of an auto mode network for regions to come."""
    said = _refused(net, network="global/networks/default", ipCidrRange="10.250.0.0/24")
    assert said.endswith("Extended subnetworks in auto subnet mode networks cannot overlap with 10.128.0.0/9")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ipCidrRange": "10.0.0.5/24"}, "10.0.0.5/24 is not a valid CIDR range; did you mean 10.0.0.0/24?"),
        ({"ipCidrRange": "10.0.0.0/30"}, "The smallest range has a prefix length of 29."),
        ({"ipCidrRange": "nonsense"}, "Must be a CIDR address range"),
        ({"ipCidrRange": ""}, "Required field 'resource.ipCidrRange' not specified"),
        ({"network": ""}, "Required field 'resource.network' not specified"),
        ({"role": "ACTIVE"}, "The field can only be specified with a purpose of a managed proxy."),
    ],
)
def test_what_cannot_be_made_is_refused(net: Cloud, fields: dict[str, Any], said: str) -> None:
    """400, naming the field."""
    assert said in _refused(net, **fields)


def test_an_unknown_region_and_an_unknown_network(net: Cloud) -> None:
    """One is a malformed value, the other is not found."""
    region = net.get(f"{COMPUTE}/regions/europe-west77/subnetworks")
    assert region.error["message"] == "Invalid value for field 'region': 'europe-west77'. Unknown region."
    body = {"name": "s", "ipCidrRange": "10.0.0.0/24", "network": "global/networks/gone"}
    network = net.post(SUBNETWORKS, body)
    text = f"The resource 'projects/{net.project}/global/networks/gone' was not found"
    assert (network.status, network.error["message"]) == (404, text)


def test_a_patch_needs_the_fingerprint_that_was_read_last(net: Cloud) -> None:
    """None is 400 required, an old one 412 conditionNotMet; each change makes a new one."""
    shown = _insert(net)
    path = f"{SUBNETWORKS}/sub1"
    without = net.call("PATCH", path, {"privateIpGoogleAccess": True})
    text = "Required field 'resource.fingerprint' not specified"
    assert (without.status, without.error["message"]) == (400, text)
    assert without.error["errors"][0]["reason"] == "required"
    body = {"secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/20"}]}
    compute(net, "PATCH", f"{WITHIN}/sub1", {**body, "fingerprint": shown["fingerprint"]})
    stale = net.call("PATCH", path, {**body, "fingerprint": shown["fingerprint"]})
    assert stale.status == 412
    assert stale.error == {
        "code": 412,
        "message": "Invalid fingerprint.",
        "errors": [
            {
                "message": "Invalid fingerprint.",
                "domain": "global",
                "reason": "conditionNotMet",
                "location": "If-Match",
                "locationType": "header",
            }
        ],
    }
    now = net.ok("GET", path)
    assert now["secondaryIpRanges"] == body["secondaryIpRanges"]
    compute(net, "PATCH", f"{WITHIN}/sub1", {"secondaryIpRanges": [], "fingerprint": now["fingerprint"]})
    assert "secondaryIpRanges" not in net.ok("GET", path)


def test_what_is_fixed_is_not_patched(net: Cloud) -> None:
    """The range grows by a method of its own; a link in another form than it is shown in is taken for another one."""
    shown = _insert(net)
    for field, value in (("ipCidrRange", "10.9.0.0/24"), ("network", "global/networks/net1")):
        body = {"fingerprint": shown["fingerprint"], "network": shown["network"], field: value}
        answered = net.call("PATCH", f"{SUBNETWORKS}/sub1", body)
        assert answered.error["message"].endswith(f"cannot be modified: [{field}]")


def test_private_access_is_switched_by_a_method_of_its_own(net: Cloud) -> None:
    """Without a fingerprint; the flag is shown at once when the operation is done."""
    before = _insert(net)
    done = compute(net, "POST", f"{WITHIN}/sub1/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
    assert done["operationType"] == "setPrivateIpGoogleAccess"
    after = net.ok("GET", f"{SUBNETWORKS}/sub1")
    assert after["privateIpGoogleAccess"] is True
    assert after["fingerprint"] != before["fingerprint"]


def test_a_range_only_grows(net: Cloud) -> None:
    """To one that holds it and overlaps nobody else."""
    _insert(net)
    make_subnetwork(net, "sub2", "10.0.2.0/24")
    path = f"{SUBNETWORKS}/sub1/expandIpCidrRange"
    for text in ("10.0.0.0/25", "10.0.0.0/24", "10.0.0.0/22"):
        assert net.post(path, {"ipCidrRange": text}).status == 400
    compute(net, "POST", f"{WITHIN}/sub1/expandIpCidrRange", {"ipCidrRange": "10.0.0.0/23"})
    assert net.ok("GET", f"{SUBNETWORKS}/sub1")["ipCidrRange"] == "10.0.0.0/23"


def test_a_subnetwork_in_use_is_not_deleted(net: Cloud) -> None:
    """An address of its range holds it; the request itself is refused."""
    _insert(net)
    place = f"regions/{REGION}/addresses"
    body = {"name": "a", "addressType": "INTERNAL", "subnetwork": f"{WITHIN}/sub1"}
    compute(net, "POST", place, body)
    answered = net.call("DELETE", f"{SUBNETWORKS}/sub1")
    below = f"projects/{net.project}/regions/{REGION}"
    assert (answered.status, answered.error["errors"][0]["reason"]) == (400, "resourceInUseByAnotherResource")
    assert answered.error["message"] == (
        f"The subnetwork resource '{below}/subnetworks/sub1' is already being used by '{below}/addresses/a'"
    )
    compute(net, "DELETE", f"{place}/a")
    compute(net, "DELETE", f"{WITHIN}/sub1")
    assert net.get(f"{SUBNETWORKS}/sub1").status == 404
