"""What a subnetwork keeps of what was sent, and what it fills in: Compute Engine's defaults, as recorded."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import compute_rules
from reconciler.sandbox.web.fields import changeable, check_change

PROXY: Final = ("REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER")
"""Purposes of subnetworks that are for load balancers: they have a role and a state, and no flow logs."""
PLAIN: Final = ("PRIVATE", "PRIVATE_RFC_1918")
"""Purposes of subnetworks for machines: they alone have a stack type."""
SCHEMA: Final = "compute.Subnetwork"
_LOGS: Final = {
    "aggregationInterval": "INTERVAL_5_SEC",
    "flowSampling": 0.5,
    "metadata": "EXCLUDE_ALL_METADATA",
}


def new(sent: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new subnetwork in *network*. Raises ApiError."""
    purpose = sent.get("purpose", "PRIVATE")
    if "reservedInternalRange" in sent:
        raise ApiError(404, "The sandbox does not emulate internal ranges.", reason="notFound")
    if not sent.get("ipCidrRange"):
        raise compute_rules.required("resource.ipCidrRange")
    if sent.get("role") and purpose not in PROXY:
        why = "The field can only be specified with a purpose of a managed proxy."
        raise compute_rules.invalid("resource.role", sent["role"], why)
    found = compute_rules.check_range(sent["ipCidrRange"], "resource.ipCidrRange")
    fields: dict[str, Any] = {
        "ipCidrRange": sent["ipCidrRange"],
        "gatewayAddress": str(found[1]),
        "privateIpGoogleAccess": sent.get("privateIpGoogleAccess", False),
        "privateIpv6GoogleAccess": sent.get("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS"),
        "purpose": purpose,
        "allowSubnetCidrRoutesOverlap": sent.get("allowSubnetCidrRoutesOverlap", False),
    }
    kept = ("description", "logConfig", "enableFlowLogs", "role", "secondaryIpRanges", "resolveSubnetMask")
    fields |= {name: sent[name] for name in kept if name in sent and sent[name] not in ("", [])}
    if purpose in PROXY:
        fields["state"] = "READY"
    if purpose in PLAIN:
        fields["stackType"] = sent.get("stackType", "IPV4_ONLY")
        fields |= _ipv6({**sent, **fields}, network)
    return checked(fields)


def patched(sent: Mapping[str, Any], body: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a patch changes. Raises ApiError for one that cannot be changed."""
    wished = {name: value for name, value in sent.items() if name != "fingerprint"}
    check_change(SCHEMA, body, wished)
    fields = {name: value for name, value in wished.items() if changeable(SCHEMA, name)}
    if "logConfig" in fields:
        fields["logConfig"] = {**body.get("logConfig", {}), **fields["logConfig"]}
        fields.setdefault("enableFlowLogs", fields["logConfig"].get("enable", False))
    if fields.get("stackType", "IPV4_ONLY") != "IPV4_ONLY":
        fields |= _ipv6({**body, **fields}, network)
    return fields


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """A subnetwork whose fields agree with each other: the two switches of the flow logs, and what they bring."""
    whole = dict(body)
    logs = dict(whole.get("logConfig", {}))
    if "enable" in logs:
        whole["enableFlowLogs"] = logs["enable"]
    elif whole.get("enableFlowLogs"):
        logs["enable"] = True
    if logs.get("enable"):
        logs = {**_LOGS, **logs}
    if logs:
        whole["logConfig"] = logs
    if whole.get("purpose") in PROXY:
        whole.pop("enableFlowLogs", None)
    if whole.get("secondaryIpRanges") == []:
        del whole["secondaryIpRanges"]
    return whole


def _ipv6(body: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """The IPv6 ranges of a dual-stack subnetwork: /64 out of the network's own /48, or of Google's public range."""
    if body.get("stackType", "IPV4_ONLY") == "IPV4_ONLY" or "ipv6CidrRange" in body:
        return {}
    if body["stackType"] == "IPV6_ONLY":
        raise ApiError(404, "The sandbox does not emulate subnetworks without IPv4.", reason="notFound")
    access = body.get("ipv6AccessType")
    if not access:
        raise compute_rules.required("resource.ipv6AccessType")
    if access == "EXTERNAL":
        prefix = f"2600:1900:{secrets.randbelow(0x10000):x}:{secrets.randbelow(0x10000):x}:0:0:0:0/64"
        return {
            "ipv6AccessType": access,
            "externalIpv6Prefix": prefix,
            "ipv6CidrRange": prefix,
            "ipv6GceEndpoint": "VM_AND_FR",
        }
    if "internalIpv6Range" not in network:
        why = "The network has no internal IPv6 range: enable ULA internal IPv6 on it first."
        raise compute_rules.invalid("resource.ipv6AccessType", access, why)
    head = ":".join(str(network["internalIpv6Range"]).split(":")[:3])
    prefix = f"{head}:{secrets.randbelow(0x10000):x}:0:0:0:0/64"
    return {"ipv6AccessType": access, "internalIpv6Prefix": prefix, "ipv6CidrRange": prefix}
