"""Edits of the networks: what is reserved in them, peered with them and connected to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.laws.hands.edit import WALLED, Edit, Of, Sort, beside
from tests.laws.hands.hand import Hand, Impossible, Place, dug, put

_COMPUTE = "/compute/v1/projects/{P}"
_NETWORK = Place("compute", f"{_COMPUTE}/global/networks/ml")
_SUBNET = f"{_COMPUTE}/regions/{{R}}/subnetworks/between"
_RANGES = f"{_COMPUTE}/global/addresses"
_RANGE = f"{_RANGES}/{{P}}-{{N}}-range"
_PEERING = "/v1/services/servicenetworking.googleapis.com/connections"
_CONNECTOR = Place("vpcaccess", "/v1/projects/{P}/locations/{R}/connectors/{C}")
WALL = (WALLED,)


def _labelled(key: str, value: str) -> Callable[[Hand], None]:
    def write(hand: Hand) -> None:
        live = hand.got("compute", _RANGE)
        if live is None:
            raise Impossible("there is no range")
        labels: dict[str, str] = {**(live.get("labels") or {}), key: value}
        body = {"labels": labels, "labelFingerprint": live["labelFingerprint"]}
        hand.done("POST", "compute", f"{_RANGE}/setLabels", body)

    return write


def _label_of(key: str) -> Callable[[Hand], Any]:
    return lambda hand: dug(hand.got("compute", _RANGE), f"labels.{key}")


def _ranges(hand: Hand) -> list[str]:
    found = hand.listed(
        "servicenetworking", f"{_PEERING}?network=projects/{{#}}/global/networks/ml", "connections"
    )
    ranges: list[list[str]] = [one.get("reservedPeeringRanges") or [] for one in found]
    return [name for names in ranges for name in names]


def _peered(hand: Hand, wanted: list[str]) -> None:
    body = {"network": "projects/{#}/global/networks/ml", "reservedPeeringRanges": wanted}
    path = f"{_PEERING}/servicenetworking-googleapis-com?updateMask=reservedPeeringRanges&force=true"
    hand.done("PATCH", "servicenetworking", path, body)


def _joined(hand: Hand) -> None:
    if not _ranges(hand):
        raise Impossible("nothing is peered")
    name = hand.filled("theirs-{T}")
    if hand.got("compute", f"{_RANGES}/{name}") is None:
        body = {
            "name": name,
            "purpose": "VPC_PEERING",
            "addressType": "INTERNAL",
            "prefixLength": 24,
            "network": "projects/{P}/global/networks/ml",
        }
        made = Hand(hand.cloud, hand.token)
        made.done("POST", "compute", _RANGES, body)
    _peered(hand, [*_ranges(hand), name])


def _cut(hand: Hand) -> None:
    ours = hand.filled("{P}-{N}-range")
    if ours not in _ranges(hand):
        raise Impossible("our range is not peered")
    if len(_ranges(hand)) == 1:
        _joined(hand)
    _peered(hand, [one for one in _ranges(hand) if one != ours])


_connector = Of("vpcaccess.connector", _CONNECTOR, "vpcaccess.connector/{C}", WALL)
# Google refuses to delete a connector that something uses.
EDITS: Final[tuple[Edit, ...]] = (
    Edit(
        "compute.network",
        "routed everywhere",
        Sort.THEIRS,
        lambda hand: hand.done(
            "PATCH", "compute", _NETWORK.path, {"routingConfig": {"routingMode": "GLOBAL"}}
        ),
        lambda hand: dug(_NETWORK.read(hand), "routingConfig.routingMode"),
        met=("/networks/ml",),
        scenes=WALL,
        outlives=True,
    ),
    beside(
        "compute.network",
        "another network",
        "compute",
        (f"{_COMPUTE}/global/networks", {"name": "theirs-{T}", "autoCreateSubnetworks": False}),
        f"{_COMPUTE}/global/networks/theirs-{{T}}",
        met=("/networks",),
        scenes=WALL,
    ),
    Edit(
        "compute.subnetwork",
        "reaches Google privately",
        Sort.THEIRS,
        lambda hand: hand.done(
            "POST", "compute", f"{_SUBNET}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True}
        ),
        lambda hand: dug(hand.got("compute", _SUBNET), "privateIpGoogleAccess"),
        met=("/subnetworks/between",),
        scenes=WALL,
        outlives=True,
    ),
    beside(
        "compute.subnetwork",
        "another subnet",
        "compute",
        (
            f"{_COMPUTE}/regions/{{R}}/subnetworks",
            {
                "name": "theirs-{T}",
                "network": "projects/{P}/global/networks/ml",
                "ipCidrRange": "10.77.{T#}.0/24",
            },
        ),
        f"{_COMPUTE}/regions/{{R}}/subnetworks/theirs-{{T}}",
        met=("/subnetworks",),
        scenes=WALL,
    ),
    Edit(
        "compute.address",
        "a label of ours",
        Sort.OURS,
        _labelled("team", "{T}"),
        _label_of("team"),
        told=("compute.address/{P}-{N}-range labels.team",),
        met=(_RANGE,),
        scenes=WALL,
    ),
    Edit(
        "compute.address",
        "a label",
        Sort.THEIRS,
        _labelled("theirs", "{T}"),
        _label_of("theirs"),
        met=(_RANGE,),
        scenes=WALL,
        outlives=True,
    ),
    Edit(
        "servicenetworking.connection",
        "another range",
        Sort.THEIRS,
        _joined,
        lambda hand: hand.filled("theirs-{T}") in _ranges(hand),
        met=("/connections",),
        scenes=WALL,
        outlives=True,
    ),
    Edit(
        "servicenetworking.connection",
        "our range cut off",
        Sort.GONE,
        _cut,
        lambda hand: hand.filled("{P}-{N}-range") in _ranges(hand),
        told=("servicenetworking.connection/{P}-{N}-range create",),
        met=("/connections",),
        scenes=WALL,
    ),
    _connector.ours("larger machines", put("machineType", "e2-standard-4"), "machineType"),
)
