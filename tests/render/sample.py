"""One plan with every action, for the tests of all three formats."""

from __future__ import annotations

from reconciler.model import Desired, Observed, Origin, Pending, Ref
from reconciler.plan import Plan
from tests.builders import planned, ref, seen, want

RESTARTS = "the database restarts"


def at(line: int, key: str) -> Origin:
    """A line of the spec."""
    return Origin("specs/prod.yaml", line, key)


def everything() -> Plan:
    """A creation, an update with an effect, a replacement, a deletion, data that stays, and one unchanged."""
    wanted = [
        want("same", {"x": 1}),
        want(
            "bucket", {"location": "EU", "labels.team": "ml", "image": Pending(ref("image"), "digest"), "on": True},
            origins={"": at(3, "name"), "labels.team": at(9, "labels.team"), "location": at(0, "region")},
        ),
        want(
            "sql", {"tier": "db-custom-2", "disk": 10},
            effects={"tier": RESTARTS}, origins={"": at(12, "database"), "tier": at(13, "database.tier")},
        ),
        want("account", {"id": "new"}, fixed=frozenset({"id"}), origins={"": at(3, "name")}),
        want("old", None),
        want("data", None, holds_data=True),
        want("policy", {"roles/viewer user:a@x.example": "granted", "roles/viewer user:b@x.example": None}),
    ]  # fmt: skip
    found = [
        seen("same", {"x": 1}),
        seen("sql", {"tier": "db-f1-micro", "disk": 10, "theirs": "x"}),
        seen("account", {"id": "old"}),
        seen("old", {"x": 1}),
        seen("data", {}),
        seen(
            "policy",
            {"roles/viewer user:b@x.example": "granted", "roles/owner user:boss@x.example": "granted"},
        ),
    ]
    return planned(wanted, *found, notes=("About $31 a month.",))


def many(count: int) -> Plan:
    """*count* resources with long names, each with an effect of its own and one that all share."""
    wanted: list[Desired] = []
    for number in range(count):
        one = Ref("run.service", f"projects/p/services/a-service-with-quite-a-long-name-{number}")
        effects = {
            "size": f"service {number} restarts, and requests to it wait for a while",
            "image": RESTARTS,
        }
        wanted.append(Desired(one, {"size": 2, "image": f"host/{'x' * 120}@{number}"}, effects=effects))
    return planned(wanted, *[seen_like(one) for one in wanted])


def seen_like(desired: Desired) -> Observed:
    """What was there before *desired*."""
    return Observed(desired.ref, {"size": 1, "image": "host/" + "y" * 120}, "1")
