"""What Compute Engine answered and the sandbox does not, each difference with its reason.

A line is (pattern over "service kind case METHOD path", pattern over the field, reason, pattern over what was recorded,
pattern over what the sandbox has).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.conformance.causes import PLACE, STAND_IN

MOCK: Final = (
    "The authors' own mock answered, not Google: its source (mockcompute/subnetsv1.go, networksv1.go) gives every "
    "subnetwork a state, and leaves out what Compute Engine fills in."
)
OPENED: Final = "A region that only some projects see, or that opened on a day that is not on record."
ROBOTS: Final = "Kubernetes Engine, Memorystore or Filestore left it in the project; they are not emulated."
NUMBERED: Final = "In this recording alone, operations name the project of their target by number."
RANGES: Final = (
    "Network Connectivity's internal ranges are not emulated, and the authors' own mock answered: its source "
    "(mockcompute/subnetsv1.go) has 10.128.0.0/20 for every one."
)

COMPUTE: Final[Sequence[tuple[str, str, str, str, str]]] = (
    ("compute networks colab--*", "peerings", ROBOTS, "*", "absent"),
    ("compute networks * GET *", "subnetworks", ROBOTS, "*/subnetworks/gke-*", "absent"),
    ("compute networks colab--*", "subnetworks", ROBOTS, "*", "absent"),
    ("compute subnetworks colab--*", "ipv6CidrRange", ROBOTS, "*", "absent"),
    ("compute networks * GET *", "subnetworks", OPENED, "*", "*/asia-southeast3/*"),
    ("compute networks * GET *", "subnetworks", OPENED, "*/regions/me-central2/*", "*"),
    ("compute networks * GET *", "subnetworks", OPENED, "*/regions/us-east7/*", "*"),
    ("compute networks * GET *", "subnetworks", OPENED, "*/regions/us-west8/*", "*"),
    ("compute networks notebooks--*", "subnetworks", OPENED, "*", "*"),
    ("compute networks * GET *", "routingConfig", MOCK, "absent", "*"),
    ("compute networks apigee--apigeeenvironment*", "*", MOCK, "absent", "*"),
    ("compute subnetworks * GET *", "allowSubnetCidrRoutesOverlap", MOCK, "absent", "false"),
    ("compute subnetworks * GET *", "enableFlowLogs", MOCK, "absent", "false"),
    ("compute subnetworks * GET *", "state", MOCK, '"READY"', "absent"),
    ("compute subnetworks *forwardingrule* GET *", "stackType", MOCK, '"IPV4_ONLY"', "absent"),
    ("compute * *privateserviceconnectioncomputeregion*", "*", MOCK, "*", "*"),
    ("compute subnetworks *reservedinternalrange*", "status", RANGES, "*", "*"),
    ("compute operations *reservedinternalrange*", "status", RANGES, "*", "*"),
    ("compute * container--containercluster--containercluster__http*", "targetLink", NUMBERED, "*", "*"),
)

CAUSES: Final = {MOCK: STAND_IN, OPENED: PLACE, ROBOTS: PLACE, RANGES: STAND_IN}
"""Of what sort each reason is; the recording itself is the cause of the others."""
