"""The constraints of organisation policies, and what each allows while its policy is enforced.

Whoever enforces one and whoever tells of it (`getEffectiveOrgPolicy`) read the same table, so that the two agree. A
list constraint is enforced with the values that an organisation writes which wants its services unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "iam.allowedPolicyMemberDomains": (
        "C0sandbox",
    ),  # the customer that the sandbox's organisation belongs to
    "run.allowedIngress": ("internal", "internal-and-cloud-load-balancing"),
    "run.allowedVPCEgress": ("all-traffic",),
}
"""List constraints, and the values that are let through."""
BOOLEAN: Final = (
    "iam.disableServiceAccountCreation",
    "iam.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload",
    "sql.restrictAuthorizedNetworks",
    "sql.restrictPublicIp",
    "storage.publicAccessPrevention",
    "storage.uniformBucketLevelAccess",
)
"""Constraints that are enforced, or are not."""
ALL: Final = tuple(sorted((*ALLOWED, *BOOLEAN)))
PREFIX: Final = "constraints/"


def effective(constraint: str, *, enforced: bool) -> dict[str, Any]:
    """The OrgPolicy of one of `ALL`; where nobody has set one, the constraint's default, which allows everything."""
    if constraint in BOOLEAN:
        policy: dict[str, Any] = {"booleanPolicy": {"enforced": True} if enforced else {}}
    elif enforced:
        policy = {"listPolicy": {"allowedValues": list(ALLOWED[constraint])}}
    else:
        policy = {"listPolicy": {"allValues": "ALLOW"}}
    return {"constraint": f"{PREFIX}{constraint}", **policy}
