"""Connectors of Serverless VPC Access: what the server fills in, and what it refuses, in its own words where known."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.store import Body
from reconciler.sandbox.web.fields import check_change, open_fields

ID: Final = re.compile(r"[a-z][-a-z0-9]{0,23}[a-z0-9]")
MACHINES: Final = ("f1-micro", "e2-micro", "e2-standard-4")
LEAST: Final = 2
MOST: Final = 10
NETMASK: Final = 28
MBPS: Final = 100
"""What one instance carries (discovery document: throughput is a multiple of 100, of an e2-micro)."""
THROUGHPUT: Final = ("minThroughput", "maxThroughput")
TIMES: Final = ("createTime", "lastRestartTime")
"""Fields that v1beta1 alone has."""
UNSIZED: Final = "A Connector must specify either max_throughput or max_instances."


@dataclass(frozen=True)
class Size:
    """How many instances a connector has at least and at most; *most* is 0 where nobody said."""

    least: int
    most: int

    @property
    def fields(self) -> dict[str, int]:
        """The fields of a connector of this size."""
        return {
            "minInstances": self.least,
            "maxInstances": self.most,
            "minThroughput": self.least * MBPS,
            "maxThroughput": self.most * MBPS,
        }


def of_version(connector: Mapping[str, Any], version: str) -> Body:
    """The connector as *version* of the API knows it."""
    return {key: value for key, value in connector.items() if version != "v1" or key not in TIMES}


def new(connector_id: str, sent: Mapping[str, Any]) -> Body:
    """A connector's fields as its GET shows them, without name and state. Raises ApiError 400.

    A connector that nobody sized is let through: Google refuses it in the operation.
    """
    if ID.fullmatch(connector_id) is None:
        raise ApiError(400, f"Connector ID must follow the pattern ^{ID.pattern}$.")
    size = _size(sent)
    place = _place(sent)
    return {**place, "machineType": _machine(sent.get("machineType") or "e2-micro"), **_sized(size)}


def changed(current: Mapping[str, Any], sent: Mapping[str, Any], mask: str) -> Body:
    """The fields that a PATCH leads to. Raises ApiError 400.

    "Only machineType, minInstances and maxInstances", and no less than there is: gcloud's own help says so.
    """
    named = [labels.camel(field.strip()) for field in mask.split(",") if field.strip()]
    fields = named or [field for field in sent if field != "name"]
    check_change("vpcaccess.Connector", current, sent, fields)
    mutable = open_fields("vpcaccess.Connector")
    wished = {field: sent[field] for field in fields if field in mutable and field in sent}
    size = _checked(
        Size(
            wished.get("minInstances", current["minInstances"]),
            wished.get("maxInstances", current["maxInstances"]),
        )
    )
    if size.least < current["minInstances"] or size.most < current["maxInstances"]:
        raise ApiError(
            400,
            "The specified minimum and maximum instances values must not be less than the current values of the "
            f"connector ({current['minInstances']} and {current['maxInstances']}).",
        )
    return {"machineType": _machine(wished.get("machineType", current["machineType"])), **size.fields}


def _place(sent: Mapping[str, Any]) -> Body:
    """Where it lies: its own range in a network, or a subnetwork that is there."""
    subnet: Mapping[str, Any] = sent.get("subnet", {})
    network, cidr = sent.get("network", ""), sent.get("ipCidrRange", "")
    if subnet.get("name"):
        if network or cidr:
            raise ApiError(400, "Either network and ip_cidr_range or subnet must be specified, and not both.")
        return {"subnet": dict(subnet)}
    if not network or not cidr:
        raise ApiError(400, "Either network and ip_cidr_range or subnet must be specified.")
    try:
        found = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ApiError(400, f"Invalid IP CIDR range was provided: {error}.") from error
    if found.prefixlen != NETMASK:
        raise ApiError(400, f"Invalid IP CIDR range was provided: {cidr} must have a netmask of {NETMASK}.")
    return {"network": network.rsplit("/", 1)[-1], "ipCidrRange": cidr}


def _size(sent: Mapping[str, Any]) -> Size:
    """The size that is asked for; instances take precedence over throughput, each for itself."""
    for field in THROUGHPUT:
        if sent.get(field, 0) % MBPS:
            raise ApiError(400, f"The value of {field} must be a multiple of {MBPS}.")
    asked = {field: sent.get(field, 0) for field in ("minInstances", "maxInstances", *THROUGHPUT)}
    most = asked["maxInstances"] or asked["maxThroughput"] // MBPS
    least = asked["minInstances"] or asked["minThroughput"] // MBPS
    if not most and not asked["minInstances"]:
        return Size(0, 0)
    if not least and not asked["maxInstances"]:
        least = LEAST  # whoever speaks of throughput alone gets 200 Mbps at least
    return _checked(Size(least, most))


def _checked(size: Size) -> Size:
    if size.least < LEAST:
        text = f"The minimum amount of instances underlying the connector must be at least {LEAST}."
        raise ApiError(400, text)
    if size.most > MOST:
        text = f"The maximum amount of instances underlying the connector must be at most {MOST}."
        raise ApiError(400, text)
    if size.least >= size.most:
        text = (
            "The specified minimum instances value must be less than the specified maximum instances value."
        )
        raise ApiError(400, text)
    return size


def _sized(size: Size) -> Body:
    return size.fields if size.most else {}


def _machine(name: str) -> str:
    if name not in MACHINES:
        raise ApiError(
            400, f"Invalid machine type: {name}. The machine type must be one of {', '.join(MACHINES)}."
        )
    return name
