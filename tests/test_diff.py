"""The difference between desired and observed: one change per resource."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.change import Action, Change, FieldChange
from reconciler.diff import KEPT_DATA, KEPT_SHARED, TAKEN_OVER, diff, resolve
from reconciler.masking import FOREIGN
from reconciler.model import Origin, Pending
from tests.builders import ref, seen, want

DIGEST = Pending(ref("image"), "digest", "host/server@{}")


def test_what_is_as_wanted_is_kept() -> None:
    """Equal fields are no change, and carry no field changes."""
    change = diff(want("a", {"size": 1}), seen("a", {"size": 1}))
    assert (change.action, change.fields) == (Action.KEEP, ())


def test_what_the_spec_says_nothing_about_is_no_difference() -> None:
    """Fields that only Google Cloud has are not ours."""
    assert diff(want("a", {"size": 1}), seen("a", {"size": 1, "color": "red"})).action is Action.KEEP


def test_what_is_not_there_is_created_with_every_field_that_is_set() -> None:
    """A creation lists what it sets; a field that is not set is not listed."""
    change = diff(want("a", {"size": 1, "color": None}), None)
    assert change.action is Action.CREATE
    assert change.fields == (FieldChange("size", None, 1),)


def test_only_the_differing_fields_are_updated() -> None:
    """An update names old and new of what differs, and nothing else."""
    change = diff(want("a", {"size": 2, "color": "red"}), seen("a", {"size": 1, "color": "red"}))
    assert change.action is Action.UPDATE
    assert change.fields == (FieldChange("size", 1, 2),)


@pytest.mark.parametrize(("wanted", "found"), [(None, "x"), ("x", None), (False, True), (0, 1), ([], ["a"])])
def test_an_empty_value_is_a_value(wanted: Any, found: Any) -> None:
    """Unset, false, zero and empty differ from something, both ways."""
    assert diff(want("a", {"f": wanted}), seen("a", {"f": found})).action is Action.UPDATE


def test_a_field_that_google_cloud_leaves_out_is_one_that_is_not_set() -> None:
    """Wanting a field unset where it does not exist is no change."""
    assert diff(want("a", {"f": None}), seen("a", {})).action is Action.KEEP


def test_a_fixed_field_forces_replacement() -> None:
    """A field that cannot change on a live resource replaces it, and says which field that was."""
    change = diff(
        want("a", {"region": "b", "size": 2}, fixed=frozenset({"region"})),
        seen("a", {"region": "a", "size": 1}),
    )
    assert change.action is Action.REPLACE
    assert change.reason == "region cannot change on a live resource"
    assert [f.field for f in change.fields if f.forces_replacement] == ["region"]


@pytest.mark.parametrize("guard", ["holds_data", "permanent", "empties"])
def test_what_holds_data_is_never_replaced(guard: str) -> None:
    """A replacement that would lose something is blocked, not planned silently."""
    facts: dict[str, Any] = {guard: True}
    wanted = want("a", {"region": "b"}, fixed=frozenset({"region"}), **facts)
    change = diff(wanted, seen("a", {"region": "a"}))
    assert "fake.thing/a" in change.blocked


def test_a_replacement_that_loses_nothing_is_not_blocked() -> None:
    """Only data stands in the way of a replacement."""
    assert diff(want("a", {"r": 1}, fixed=frozenset({"r"})), seen("a", {"r": 2})).blocked == ""


@pytest.mark.parametrize(("found", "action"), [(9, Action.UPDATE), (10, Action.KEEP), (20, Action.KEEP)])
def test_more_than_a_floor_is_as_good(found: int, action: Action) -> None:
    """A disk that has grown by itself is no difference; one that is too small is."""
    assert (
        diff(want("a", {"disk": 10}, floors=frozenset({"disk"})), seen("a", {"disk": found})).action is action
    )


def test_a_floor_without_a_number_is_a_difference() -> None:
    """A floor compares numbers; where there is none, plain equality decides."""
    change = diff(want("a", {"disk": 10}, floors=frozenset({"disk"})), seen("a", {}))
    assert change.fields == (FieldChange("disk", None, 10),)


def test_under_a_complete_prefix_an_unknown_field_is_a_difference() -> None:
    """Where everything is ours, what we do not know is taken away; elsewhere it stays."""
    change = diff(
        want("a", {"env.A": "1"}, complete=("env.",)),
        seen("a", {"env.A": "1", "env.B": "2", "labels.x": "y"}),
    )
    assert change.fields == (FieldChange("env.B", FOREIGN, None),)


def test_what_is_going_on_is_waited_for() -> None:
    """A resource that already looks right while somebody works on it is an update without fields."""
    observed = replace(seen("a", {"x": "1"}), busy="PENDING_CREATE")
    change = diff(want("a", {"x": "1"}), observed)
    assert (change.action, change.fields) == (Action.UPDATE, ())
    assert "PENDING_CREATE" in change.reason


def test_a_field_carries_its_origin_and_effect() -> None:
    """Who asks for a field and what that does travel with the change; the key "" speaks for the rest."""
    size, whole = Origin("s.yaml", 7, "size"), Origin("s.yaml", 1, "name")
    wanted = want(
        "a",
        {"size": 2, "color": "red"},
        origins={"": whole, "size": size},
        effects={"size": "restarts", "color": "restarts"},
    )
    change = diff(wanted, seen("a", {"size": 1, "color": "blue"}))
    assert [f.origin for f in change.fields] == [size, whole]
    assert change.effects == ("restarts",)


def test_what_is_not_wanted_and_not_there_is_kept() -> None:
    """Nothing to do about nothing."""
    assert diff(want("a", None), None).action is Action.KEEP


def test_what_is_no_longer_wanted_is_deleted() -> None:
    """Desired as absent means that it goes."""
    change = diff(want("a", None), seen("a", {}))
    assert (change.action, change.reason, change.blocked) == (Action.DELETE, "no longer wanted", "")


def test_data_is_left_in_place() -> None:
    """What holds data stays when it is no longer wanted, and the plan says so."""
    change = diff(want("a", None, holds_data=True), seen("a", {}))
    assert (change.action, change.reason) == (Action.KEEP, KEPT_DATA)


def test_data_goes_when_that_is_asked_for() -> None:
    """With delete_data, what holds data is deleted like anything else."""
    assert diff(want("a", None, holds_data=True), seen("a", {}), delete_data=True).action is Action.DELETE


def test_what_others_may_use_is_never_deleted() -> None:
    """Permanent things stay even when data may go."""
    change = diff(want("a", None, permanent=True), seen("a", {}), delete_data=True)
    assert (change.action, change.reason) == (Action.KEEP, KEPT_SHARED)


@pytest.mark.parametrize(("protection", "blocked"), [(True, True), (False, False), (None, False)])
def test_a_guard_that_is_on_blocks_the_deletion(protection: bool | None, blocked: bool) -> None:
    """Deletion protection on the live resource is respected, delete_data or not."""
    wanted = want("a", None, holds_data=True, guard="protection")
    change = diff(wanted, seen("a", {"protection": protection}), delete_data=True)
    assert bool(change.blocked) is blocked


def test_a_policy_that_nobody_wants_and_that_is_not_there_is_kept() -> None:
    """Of a policy whose resource is gone, nothing has to be taken away."""
    assert diff(want("a", {"role member": None}, empties=True), None).action is Action.KEEP


def test_a_policy_with_a_grant_is_created() -> None:
    """One grant that is wanted is enough to write the policy."""
    change = diff(want("a", {"r m": "granted", "r n": None}, empties=True), None)
    assert change.action is Action.CREATE
    assert [f.field for f in change.fields] == ["r m"]


def test_a_pending_value_is_filled_in_once_its_source_is_there() -> None:
    """What another resource tells goes into the template."""
    wanted = resolve(want("a", {"image": DIGEST}), {ref("image"): seen("image", {"digest": "sha256:1"})})
    assert wanted.body == {"image": "host/server@sha256:1"}


@pytest.mark.parametrize("source", [{}, {ref("image"): seen("image", {"digest": None})}])
def test_a_pending_value_stays_pending_until_then(source: Any) -> None:
    """Without the source, or without its field, the value stays what it is, and differs from what is there."""
    wanted = resolve(want("a", {"image": DIGEST}), source)
    assert wanted.body == {"image": DIGEST}
    assert diff(wanted, seen("a", {"image": "host/server@sha256:0"})).action is Action.UPDATE


OURS = ("labels.owner", "us")


def test_what_does_not_carry_our_mark_is_never_deleted() -> None:
    """A bucket that only has the name we would have used is somebody's."""
    change = diff(
        want("a", None, mark=OURS, holds_data=True), seen("a", {"labels.owner": "them"}), delete_data=True
    )
    assert (change.action, change.reason) == (Action.KEEP, KEPT_SHARED)


def _meets(found: dict[str, Any], **facts: Any) -> Change:
    """What comes of a thing of ours that is *found* like this."""
    facts = {"mark": OURS, **facts}
    wanted = want("a", {"x": 1, "region": "fr", "v": "PG_16", "labels.owner": "us"}, **facts)
    return diff(wanted, seen("a", {"x": 1, "region": "fr", "v": "PG_16", **found}), spec="specs/my prod.yaml")


def test_what_does_not_carry_our_mark_is_refused_with_the_command_that_adopts_it() -> None:
    """The sentence says what it is, that it may have lost its mark, and the command, which a shell understands."""
    change = _meets({})
    assert (change.action, change.foreign) == (Action.UPDATE, True)
    assert change.blocked == (
        "fake.thing/a exists and is not ours: it does not carry labels.owner = us, or somebody has taken that off it; "
        "to take it over: mlflow-reconcile adopt 'specs/my prod.yaml'"
    )


def test_what_carries_anothers_mark_says_whose_it_is() -> None:
    """Adopting it takes it from somebody who can be asked."""
    assert (
        "says that it is them's, and adopting takes it from there" in _meets({"labels.owner": "them"}).blocked
    )
    described = _meets({"description": "theirs"}, mark=("description", "ours"))
    assert "its description is 'theirs', not 'ours'" in described.blocked


@pytest.mark.parametrize(
    ("found", "facts", "told"),
    [
        ({"region": "us"}, {"fixed": frozenset({"region"})}, "region cannot change, us -> fr"),
        ({"v": "PG_17"}, {"only_up": frozenset({"v"})}, "v cannot go down, PG_17 -> PG_16"),
        ({"v": "MY_8_0"}, {"only_up": frozenset({"v"})}, "v cannot become something else, MY_8_0 -> PG_16"),
    ],
)
def test_what_can_never_be_as_wanted_is_not_offered_for_adoption(
    found: dict[str, Any], facts: dict[str, Any], told: str
) -> None:
    """No command leads on; what cannot change is named, with the spec line that asks for it."""
    line = Origin("s.yaml", 3, "that")
    change = _meets(found, origins={"region": line, "v": line}, **facts)
    assert (
        f"it cannot be adopted as it is: {told}. Let the spec say what it is (s.yaml:3 that)"
        in change.blocked
    )
    assert "mlflow-reconcile adopt" not in change.blocked


@pytest.mark.parametrize("found", ["PG_9_6", "PG_15"])
def test_an_older_version_may_be_adopted(found: str) -> None:
    """It goes up afterwards; 9.6 is older than 16."""
    assert "mlflow-reconcile adopt" in _meets({"v": found}, only_up=frozenset({"v"})).blocked


def test_what_is_of_a_kind_without_marks_is_used_as_it_is() -> None:
    """Its name is made from the deployment's: nobody else has a reason to call something so."""
    assert diff(want("a", {"x": 1}), seen("a", {"x": 2})).blocked == ""


def test_what_is_shared_is_marked_with_a_word_about_it() -> None:
    """What others may use is never deleted with us: a range that lost its label to a kill is no reason to stop."""
    change = _meets({}, permanent=True)
    assert (change.reason, change.blocked, change.foreign) == (TAKEN_OVER, "", False)


def test_what_only_goes_up_is_not_brought_down() -> None:
    """A database's version: the plan is refused before anything is written."""
    fields = frozenset({"version"})
    down = diff(want("a", {"version": "PG_15"}, only_up=fields), seen("a", {"version": "PG_16"}))
    up = diff(want("a", {"version": "PG_16"}, only_up=fields), seen("a", {"version": "PG_9"}))
    assert "cannot go down" in down.blocked
    assert up.blocked == ""


@pytest.mark.parametrize(
    ("found", "wanted", "refused"),
    [
        ("one", "two", True),
        (["one"], ["two"], True),
        (None, "two", False),
        ([], ["two"], False),
        ("one", None, False),
    ],
)
def test_what_says_where_the_data_is_is_set_and_unset_but_not_changed(
    found: Any, wanted: Any, refused: bool
) -> None:
    """A server that is led to another database would come up empty."""
    change = diff(want("a", {"at": wanted}, anchors={"at": "move it"}), seen("a", {"at": found}))
    assert change.action is Action.UPDATE
    assert bool(change.blocked) == refused
    assert not refused or change.blocked.endswith(f"at cannot become another, {found} -> {wanted}; move it")


def test_what_would_lose_sight_of_its_data_is_not_adopted() -> None:
    """Before adoption the spec says where the data is."""
    change = _meets({"v": "PG_15"}, anchors={"v": "move it"})
    assert "it cannot be adopted as it is: v cannot change, PG_15 -> PG_16" in change.blocked


def test_what_is_kept_says_what_a_reader_should_know() -> None:
    """A database that failed looks as wanted, but for its state."""
    change = diff(want("a", {"x": 1}), replace(seen("a", {"x": 1}), note="its state is FAILED"))
    assert (change.action, change.reason) == (Action.KEEP, "its state is FAILED")


def test_what_is_given_is_never_made_and_never_changed() -> None:
    """Where it is missing, or not as it must be, the sentence stands in the way; once it is, nothing is to be done."""
    given = want("network", {"addresses": 64}, floors=frozenset({"addresses"}), given="make one")
    assert diff(given, None).blocked == "projects/p/things/network does not exist: make one"
    small = diff(given, seen("network", {"addresses": 16}))
    assert (small.action, "is not as it must be: make one" in small.blocked) == (Action.UPDATE, True)
    assert diff(given, seen("network", {"addresses": 256})).action is Action.KEEP


def test_what_is_given_stands_in_nobodys_way_while_it_cannot_be_told() -> None:
    """Before its API is enabled: it is looked for when the plan is carried out."""
    change = diff(want("network", {}, given="make one"), seen("network", {}, busy="not enabled yet"))
    assert (change.action, change.blocked) == (Action.UPDATE, "")


@pytest.mark.parametrize(("found", "grave"), [(["0.0.0.0/0"], True), (["10.0.0.0/8"], False), ([], False)])
def test_what_lets_strangers_in_is_grave(found: list[str], grave: bool) -> None:
    """Among the values of a list; the same field with other values is an ordinary difference."""
    wanted = want("sql", {"networks": ["x"]}, grave={"networks": frozenset({"0.0.0.0/0"})})
    change = diff(wanted, seen("sql", {"networks": found}))
    assert (change.grave, change.fields[0].grave) == (grave, grave)


def test_what_others_live_on_is_not_replaced() -> None:
    """The sentence says what to do instead; of something broken nobody lives."""
    wanted = want("connector", {"range": "b"}, fixed=frozenset({"range"}), stuck={"range": "go round"})
    blocked = diff(wanted, seen("connector", {"range": "a"}))
    assert (blocked.action, blocked.blocked.endswith("; go round")) == (Action.REPLACE, True)
    assert diff(wanted, seen("connector", {})).blocked == ""


def test_what_stays_says_why() -> None:
    """With a sentence of its own where it has one."""
    kept = diff(want("range", None, permanent=True, stays_because="left in place: x"), seen("range", {}))
    assert (kept.action, kept.reason) == (Action.KEEP, "left in place: x")


def test_grants_of_others_are_named_and_left() -> None:
    """A reader hears who has the role beyond the spec; what is not watched is not told."""
    found = seen("gate", {"role ada": "granted", "role eve": "granted", "else eve": "granted"})
    change = diff(want("gate", {"role ada": "granted"}, empties=True, watched=("role ",)), found)
    assert (change.action, change.fields) == (Action.KEEP, ())
    assert change.reason == "granted by others, and left to them: role eve"


def test_grants_of_others_go_where_nobody_else_may() -> None:
    """Shown as they are: a member is no secret."""
    found = seen("gate", {"role ada": "granted", "role eve": "granted"})
    wanted = want("gate", {"role ada": "granted"}, empties=True, complete=("role ",), plain=("role ",))
    (field,) = diff(wanted, found).fields
    assert (field.field, field.old, field.new) == ("role eve", "granted", None)
