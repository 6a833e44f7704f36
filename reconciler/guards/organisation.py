"""What the organisation's policies forbid of a plan.

Only the constraints are asked about that a plan may violate, and only those whose effective policy tells for sure: the
customers of iam.allowedPolicyMemberDomains are ids that nobody can hold a domain against, but everybody is none of
them. Managed constraints (iam.managed.allowedPolicyMembers) have parameters that this method does not tell; these and
all others are left to Google's own refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.change import Action, Change
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.policy import GRANTED
from reconciler.gcp.vpc_access import EGRESS
from reconciler.guards.obstacle import Obstacle, Question, asked_for
from reconciler.resources import run_service_iam, sqladmin_public_address

MADE_OR_CHANGED: Final = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE})
_TEMPLATES: Final = {"run.service": "template.", "run.job": "template.template."}
_INGRESSES: Final = {
    "INGRESS_TRAFFIC_ALL": "all",
    "INGRESS_TRAFFIC_INTERNAL_ONLY": "internal",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER": "internal-and-cloud-load-balancing",
}
_EGRESSES: Final = {"ALL_TRAFFIC": "all-traffic", "PRIVATE_RANGES_ONLY": "private-ranges-only"}
_GROUPS: Final = ("in:", "under:")
"""Values that stand for others which an effective policy does not list."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a *constraint* may forbid: *value* is what a change would write of it, "" for nothing.

    *does* is that in words around it, *field* the one whose spec line asks for it, *ways_out* what to write instead, ""
    for nothing.
    """

    constraint: str
    value: Callable[[Change], str]
    does: str
    field: Callable[[Change], str]
    ways_out: str


def questions(cloud: Cloud, changes: Iterable[Change]) -> Iterator[Question]:
    """One for each constraint that *changes* may violate."""
    written = [change for change in changes if change.action in MADE_OR_CHANGED]
    for rule in RULES:
        concerned = [change for change in written if rule.value(change)]
        if concerned:
            yield _question(cloud, rule, concerned)


def forbids(policy: Mapping[str, Any], value: str) -> bool:
    """Whether *policy*, an effective OrgPolicy, surely forbids *value*; of a boolean constraint, whatever it is."""
    if policy.get("booleanPolicy", {}).get("enforced"):
        return True
    listed: Mapping[str, Any] = policy.get("listPolicy", {})
    allowed = [str(one).removeprefix("is:") for one in listed.get("allowedValues", ())]
    denied = [str(one).removeprefix("is:") for one in listed.get("deniedValues", ())]
    if listed.get("allValues") == "DENY" or value in denied:
        return True
    return bool(allowed) and value not in allowed and not any(one.startswith(_GROUPS) for one in allowed)


def _question(cloud: Cloud, rule: Rule, changes: list[Change]) -> Question:
    def asked() -> Iterator[Obstacle]:
        policy = effective(cloud, rule.constraint)
        against = [change for change in changes if forbids(policy, rule.value(change))]
        if against:
            first = against[0]
            does = rule.does.format(value=rule.value(first))
            instead = f"Write {rule.ways_out}, or a" if rule.ways_out else "A"
            others = f" and {len(against) - 1} more" if len(against) > 1 else ""
            yield Obstacle(
                f"a policy of the organisation, {rule.constraint}, forbids {does}: "
                f"{first.ref.address}{others}{asked_for(first, rule.field(first))}",
                f"{instead}sk who administers the organisation for an exception for {cloud.project}.",
            )

    return asked


def effective(cloud: Cloud, constraint: str) -> Mapping[str, Any]:
    """The effective policy of *constraint* in the project. Of Resource Manager, so that no further API is needed."""
    projects = cloud.api("cloudresourcemanager", "v1").projects()
    request = projects.getEffectiveOrgPolicy(
        resource=f"projects/{cloud.project}", body={"constraint": f"constraints/{constraint}"}
    )
    about = f"asking for the organisation's policy {constraint}"
    return cloud.once(("orgpolicy", constraint), lambda: cloud.call(about, request.execute))


def _everybody(change: Change) -> str:
    granted = any(f.field == run_service_iam.EVERYBODY and f.new == GRANTED for f in change.fields)
    return "allUsers" if change.ref.kind == run_service_iam.NAME and granted else ""


def _public_address(change: Change) -> str:
    field = sqladmin_public_address.FIELD
    return "public" if any(f.field == field and f.new is True for f in change.fields) else ""


def _account(change: Change) -> str:
    made = change.ref.kind == "iam.service_account" and change.action is not Action.UPDATE
    return change.ref.short if made else ""


def _ingress(change: Change) -> str:
    body = (change.desired.body if change.desired else None) or {}
    return _INGRESSES.get(str(body.get("ingress")), "") if change.ref.kind == "run.service" else ""


def _egress_field(change: Change) -> str:
    return f"{_TEMPLATES[change.ref.kind]}{EGRESS}" if change.ref.kind in _TEMPLATES else ""


def _egress(change: Change) -> str:
    field = _egress_field(change)
    body = (change.desired.body if change.desired else None) or {}
    return _EGRESSES.get(str(body.get(field)), "null") if field and body else ""


RULES: Final = (
    Rule(
        "iam.allowedPolicyMemberDomains",
        _everybody,
        "letting everybody call the server",
        lambda _: "",
        "auth.mode: iam, or iap",
    ),
    Rule(
        "sql.restrictPublicIp",
        _public_address,
        "a public address of the database",
        lambda _: "",
        "networking.database_ip: private",
    ),
    Rule(
        "iam.disableServiceAccountCreation",
        _account,
        "new service accounts",
        lambda _: "",
        "",
    ),
    Rule(
        "run.allowedIngress",
        _ingress,
        "ingress {value}",
        lambda _: "ingress",
        "networking.ingress: internal, or internal-and-load-balancer",
    ),
    Rule(
        "run.allowedVPCEgress",
        _egress,
        "VPC egress {value}",
        _egress_field,
        "networking: {database_ip: private, vpc_egress: all-traffic}",
    ),
)
"""What a deployment may meet: its buckets have uniform access and are never public, and it lets no network in."""
