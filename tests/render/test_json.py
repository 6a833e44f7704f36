"""A plan as JSON, under the names that Terraform uses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.model import Pending
from reconciler.plan import Plan
from reconciler.render.json import render
from tests.builders import planned, ref, seen, want
from tests.render.sample import everything


def _changes(plan: Plan) -> dict[str, dict[str, Any]]:
    """The resource changes of the rendered *plan*, by address."""
    return {change["address"]: change for change in json.loads(render(plan))["resource_changes"]}


def _change(plan: Plan) -> dict[str, Any]:
    """What the only resource of *plan* goes through."""
    (change,) = _changes(plan).values()
    return change["change"]


def test_the_keys_are_terraforms_and_ours() -> None:
    """Tools that read `terraform show -json` find what they look for; ours stand beside it."""
    body = json.loads(render(everything()))
    assert {"format_version", "resource_changes"} < body.keys()
    assert {"deployment", "project", "spec", "url", "fingerprint", "summary", "counts", "notes"} < body.keys()
    for change in body["resource_changes"]:
        assert {"address", "type", "name", "change", "action_reason"} < change.keys()
        assert {"origin", "effects", "fingerprint", "blocked"} < change.keys()
        assert {"actions", "before", "after", "after_unknown", "replace_paths"} < change["change"].keys()


def test_every_action_has_terraforms_name() -> None:
    """Unchanged resources are there too, as `no-op`."""
    actions = {address: change["change"]["actions"] for address, change in _changes(everything()).items()}
    assert actions == {
        "fake.thing/same": ["no-op"], "fake.thing/bucket": ["create"], "fake.thing/sql": ["update"],
        "fake.thing/account": ["delete", "create"], "fake.thing/old": ["delete"], "fake.thing/data": ["no-op"],
        "fake.thing/policy": ["update"],
    }  # fmt: skip


def test_counts_and_summary_agree() -> None:
    """The numbers add up to the resources."""
    body = json.loads(render(everything()))
    assert body["counts"] == {"keep": 2, "create": 1, "update": 2, "replace": 1, "delete": 1}
    assert body["summary"].startswith("Plan: 1 to create, 2 to update, 1 to replace, 1 to delete")
    assert len(body["resource_changes"]) == 7


def test_a_creation_has_no_before() -> None:
    """What is not known yet stands in `after_unknown` alone."""
    change = _changes(everything())["fake.thing/bucket"]["change"]
    assert change["before"] is None
    assert change["after"] == {"location": "EU", "labels.team": "ml", "on": True}
    assert change["after_unknown"] == {"image": True}


def test_a_deletion_has_no_after() -> None:
    """Nothing is left of what is deleted."""
    change = _changes(everything())["fake.thing/old"]["change"]
    assert (change["after"], change["before"] is None) == (None, False)


def test_a_replacement_says_what_forces_it() -> None:
    """`replace_paths` and the reason name the field."""
    change = _changes(everything())["fake.thing/account"]
    assert change["change"]["replace_paths"] == [["id"]]
    assert change["action_reason"] == "id cannot change on a live resource"


def test_a_field_that_goes_is_null_afterwards() -> None:
    """A variable that we take away is not shown as staying."""
    plan = planned([want("a", {"env.A": "1"}, complete=("env.",))], seen("a", {"env.A": "1", "env.B": "2"}))
    assert _change(plan)["after"] == {"env.A": "1", "env.B": None}


def test_a_field_that_is_not_known_yet_does_not_keep_its_old_value() -> None:
    """The old digest is before, not after."""
    plan = planned([want("a", {"image": Pending(ref("i"), "digest")})], seen("a", {"image": "old"}))
    change = _change(plan)
    assert (change["before"], change["after"], change["after_unknown"]) == (
        {"image": "old"}, {}, {"image": True},
    )  # fmt: skip


def test_a_disk_that_grew_stays_grown() -> None:
    """What is as good as wanted stays what it is."""
    plan = planned([want("a", {"disk": 10}, floors=frozenset({"disk"}))], seen("a", {"disk": 20}))
    assert _change(plan)["after"] == {"disk": 20}


def test_other_peoples_grants_are_not_told() -> None:
    """Of a policy, the plan holds what the spec has an opinion on."""
    change = _changes(everything())["fake.thing/policy"]["change"]
    assert change["before"] == {"roles/viewer user:b@x.example": "granted"}
    assert "boss" not in render(everything())


def test_every_field_says_who_asks() -> None:
    """File, line and key; a default has line 0."""
    fields = _changes(everything())["fake.thing/bucket"]["change"]["fields"]
    origins = {field["path"]: (field["origin"]["line"], field["origin"]["key"]) for field in fields}
    assert origins["labels.team"] == (9, "labels.team")
    assert origins["location"] == (0, "region")


@pytest.mark.parametrize("plan", [planned([]), everything()])
def test_the_fingerprint_is_the_plans(plan: Plan) -> None:
    """Two readers of one plan can compare it."""
    assert json.loads(render(plan))["fingerprint"] == plan.fingerprint
