"""IAM policies are additive: what others granted survives every write of ours."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import errors
from reconciler.gcp import policy
from reconciler.gcp.policy import GRANTED, grant, grants_of, merged
from tests.builders import quick_cloud

ROLES = st.sampled_from(["roles/viewer", "roles/editor", "roles/run.invoker"])
MEMBERS = st.sampled_from(["user:a@x.example", "group:b@x.example", "serviceAccount:c@p.iam", "allUsers"])
CONDITIONS = st.sampled_from([None, {"title": "until", "expression": "request.time < x"}])


def _binding(role: str, members: list[str], condition: dict[str, str] | None) -> dict[str, Any]:
    return {"role": role, "members": members, **({"condition": condition} if condition else {})}


def _policy(bindings: list[dict[str, Any]]) -> dict[str, Any]:
    return {"etag": "BwX", "version": 3, "bindings": bindings}


BINDINGS = st.builds(_binding, ROLES, st.lists(MEMBERS, max_size=4, unique=True), CONDITIONS)
POLICIES = st.builds(_policy, st.lists(BINDINGS, max_size=5))
WANTED = st.dictionaries(st.builds(grant, ROLES, MEMBERS), st.sampled_from([GRANTED, None]), max_size=4)


def _everyone(written: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    """Every role, member and condition of a policy."""
    return Counter(
        (binding["role"], member, json.dumps(binding.get("condition"), sort_keys=True))
        for binding in written["bindings"]
        for member in binding.get("members", [])
    )


@given(POLICIES, WANTED)
def test_what_others_granted_survives(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Only grants that we speak of change, and none with a condition."""
    ours = {(*field.split(" "), "null") for field in wanted}
    after = _everyone(merged(before, wanted))
    assert {k: n for k, n in after.items() if k not in ours} == {
        k: n for k, n in _everyone(before).items() if k not in ours
    }


@given(POLICIES, WANTED)
def test_what_we_want_is_so_afterwards(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each grant of ours is there, or is not, as wanted."""
    after = grants_of(merged(before, wanted))
    assert {field: after.get(field) for field in wanted} == wanted


@given(POLICIES, WANTED)
def test_merging_twice_is_merging_once(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A second merge finds nothing to do."""
    once = merged(before, wanted)
    assert merged(once, wanted) == once


@given(POLICIES, WANTED)
def test_etag_and_version_are_carried(before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The write goes on the policy that was read, which stays what it was."""
    copy = {**before, "bindings": [{**b, "members": [*b["members"]]} for b in before["bindings"]]}
    after = merged(before, wanted)
    assert (after["etag"], after["version"]) == ("BwX", 3)
    assert before == copy


def test_a_conditional_grant_is_not_ours() -> None:
    """The same role under a condition does not count as granted; ours is added beside it."""
    binding = {"role": "roles/viewer", "members": ["user:a@x.example"], "condition": {"title": "t"}}
    before = {"bindings": [binding]}
    assert grants_of(before) == {}
    after = merged(before, {"roles/viewer user:a@x.example": GRANTED})
    assert after["bindings"] == [binding, {"role": "roles/viewer", "members": ["user:a@x.example"]}]


def test_a_policy_that_is_empty_gets_its_first_binding() -> None:
    """A resource that nobody was ever granted a role on answers an etag and nothing else."""
    assert merged({"etag": "ACAB"}, {"r m": GRANTED}) == {
        "etag": "ACAB",
        "bindings": [{"role": "r", "members": ["m"]}],
    }


class _Server:
    """A policy on a server that insists on etags; *rivals* write just before us, so many times."""

    def __init__(self, rivals: int = 0) -> None:
        self.policy: dict[str, Any] = {"etag": "0", "bindings": [{"role": "r", "members": ["user:boss"]}]}
        self.rivals, self.writes = rivals, 0

    def read(self) -> dict[str, Any]:
        """The policy as it is."""
        return self.policy

    def write(self, sent: dict[str, Any]) -> None:
        """Take *sent*, unless somebody was faster."""
        if self.rivals:
            self.rivals -= 1
            members = [*self.policy["bindings"][0]["members"], f"user:rival{self.rivals}"]
            self.policy = {"etag": f"rival{self.rivals}", "bindings": [{"role": "r", "members": members}]}
        if sent["etag"] != self.policy["etag"]:
            raise errors.VersionMoved("concurrent policy changes")
        self.policy, self.writes = {**sent, "etag": "new"}, self.writes + 1


def test_a_rewrite_that_lost_a_race_merges_anew() -> None:
    """Rivals' members are in the policy that is written in the end."""
    server = _Server(rivals=2)
    policy.rewrite(quick_cloud(), "granting", {"r user:us": GRANTED}, server.read, server.write)
    assert server.policy["bindings"][0]["members"] == ["user:boss", "user:rival1", "user:rival0", "user:us"]
    assert server.writes == 1


def test_a_rewrite_with_nothing_to_do_writes_nothing() -> None:
    """A policy that is as wanted is left alone."""
    server = _Server()
    wanted = {"r user:boss": GRANTED, "r user:gone": None}
    policy.rewrite(quick_cloud(), "granting", wanted, server.read, server.write)
    assert server.writes == 0


def test_a_member_that_is_not_known_yet_is_tried_again() -> None:
    """A service account made a moment ago is unknown to IAM for a while."""
    server = _Server()
    unknown = [errors.Refused("Service account x does not exist.")] * 2

    def write(sent: dict[str, Any]) -> None:
        if unknown:
            raise unknown.pop()
        server.write(sent)

    policy.rewrite(quick_cloud(), "granting", {"r user:us": GRANTED}, server.read, write)
    assert server.writes == 1


def test_a_member_that_is_wrong_is_not_tried_again() -> None:
    """What Google calls wrong stays wrong."""
    tries: list[object] = []

    def write(sent: dict[str, Any]) -> None:
        tries.append(sent)
        raise errors.Refused("Invalid member")

    with pytest.raises(errors.Refused, match="Invalid member"):
        policy.rewrite(quick_cloud(), "granting", {"r user:us": GRANTED}, _Server().read, write)
    assert len(tries) == 1


@given(POLICIES)
def test_a_policy_goes_through_googles_message_and_back(before: dict[str, Any]) -> None:
    """Etag, version, members and conditions survive protobuf."""
    after = policy.from_message(policy.as_message({**before, "etag": "QndY"}))
    assert (after["etag"], after["version"]) == ("QndY", 3)
    assert _everyone({"bindings": [], **after}) == _everyone(before)


def test_a_grant_below_a_folder_is_a_condition_of_ours() -> None:
    """Written once, read back as the same field, taken away alone; the member's other grants are others."""
    field = grant("roles/storage.objectUser", "group:b@x.example", "gs://lake/mlflow/prod")
    everywhere = grant("roles/storage.objectUser", "group:b@x.example")
    written = merged(_policy([]), {everywhere: GRANTED, field: GRANTED})
    assert grants_of(written) == {everywhere: GRANTED, field: GRANTED}
    assert written["version"] == 3
    assert merged(written, {field: GRANTED}) == written
    condition = written["bindings"][1]["condition"]
    assert 'startsWith("projects/_/buckets/lake/objects/mlflow/prod/")' in condition["expression"]
    assert grants_of(merged(written, {field: None})) == {everywhere: GRANTED}
    foreign = _policy([{**written["bindings"][1], "condition": {**condition, "title": "somebody's"}}])
    assert grants_of(foreign) == {}
    assert merged(foreign, {field: None}) == foreign
