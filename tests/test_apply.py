"""Carrying a plan out: side by side where it may, in order where it must, and never with force."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reconciler import errors
from reconciler.apply import AT_ONCE, Outcome, apply
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Pending, Ref
from reconciler.plan import Plan
from tests.builders import Diary, FakeKind, kinds, planned, quick_cloud, ref, seen, want

BOOM = errors.Refused("boom", way_out="mend it")
DISABLED = errors.ApiDisabled("fake.googleapis.com is not enabled")
PATIENCE = 10
"""Seconds after which a test that waits for another thread gives up."""


def _run(plan: Plan, *fakes: FakeKind, cloud: Cloud | None = None) -> tuple[dict[str, str], Diary]:
    """Apply *plan*: how each change ended, by short name, and what a watcher was told. Raises what apply raises."""
    outcomes: dict[Ref, Outcome] = {}
    diary = Diary()
    apply(cloud or quick_cloud(), plan, kinds(*fakes), diary, outcomes)
    return _ends(outcomes), diary


def _ends(outcomes: dict[Ref, Outcome]) -> dict[str, str]:
    return {one.short: outcome.status.value for one, outcome in outcomes.items()}


def _fails(plan: Plan, fake: FakeKind, expected: type[Exception]) -> tuple[dict[str, str], str, Diary]:
    outcomes: dict[Ref, Outcome] = {}
    diary = Diary()
    with pytest.raises(expected) as failure:
        apply(quick_cloud(), plan, kinds(fake), diary, outcomes)
    return _ends(outcomes), str(failure.value), diary


def _plan_for(fake: FakeKind, *wanted: Desired) -> Plan:
    """The plan that takes *fake* as it is to *wanted*."""
    return planned(wanted, *fake.live.values())


def test_each_action_calls_its_verb() -> None:
    """Creations create, updates update, deletions delete, and what is kept is not touched."""
    fake = FakeKind()
    for name in ("same", "other", "gone"):
        fake.put(name, x=1)
    plan = _plan_for(
        fake, want("new", {"x": 1}), want("same", {"x": 1}), want("other", {"x": 2}), want("gone", None)
    )
    _run(plan, fake)
    assert sorted(fake.calls) == [("create", "new"), ("delete", "gone"), ("update", "other", "x")]


def test_a_replacement_deletes_and_creates() -> None:
    """A field that is fixed needs a new resource in the old one's place."""
    fake = FakeKind()
    fake.put("a", region="x")
    _run(_plan_for(fake, want("a", {"region": "y"}, fixed=frozenset({"region"}))), fake)
    assert fake.writes() == [("delete", "a"), ("create", "a")]


def test_an_update_writes_the_differing_fields_only() -> None:
    """What is as wanted, and what we say nothing about, is not sent."""
    fake = FakeKind()
    fake.put("a", x=1, y=1, theirs="t")
    _run(_plan_for(fake, want("a", {"x": 2, "y": 1})), fake)
    assert fake.writes() == [("update", "a", "x")]
    assert fake.live[ref("a")].body == {"x": 2, "y": 1, "theirs": "t"}


def test_what_is_needed_is_finished_first() -> None:
    """A change starts only when everything that it needs has ended."""
    fake = FakeKind()
    _, diary = _run(planned([want("c", {"x": 1}, "b"), want("b", {"x": 1}, "a"), want("a", {"x": 1})]), fake)
    assert diary.events == [
        ("started", "a"), ("done", "a"), ("started", "b"), ("done", "b"), ("started", "c"), ("done", "c"),
    ]  # fmt: skip


def test_independent_changes_run_side_by_side() -> None:
    """Two changes that do not need each other meet in the middle."""
    both = threading.Barrier(2, timeout=PATIENCE)
    fake = FakeKind(during={("create", "a"): both.wait, ("create", "b"): both.wait})
    ends, _ = _run(planned([want("a", {"x": 1}), want("b", {"x": 1})]), fake)
    assert ends == {"a": "done", "b": "done"}


def test_changes_in_one_lane_never_overlap() -> None:
    """The second of a lane starts after the first has ended, however long others have been free to start."""
    free = threading.Event()
    fake = FakeKind(during={("create", "a"): lambda: free.wait(PATIENCE), ("create", "later"): free.set})
    wanted = [
        want("a", {"x": 1}, lane="sql"), want("b", {"x": 1}, lane="sql"),
        want("early", {"x": 1}), want("later", {"x": 1}, "early"),
    ]  # fmt: skip
    _, diary = _run(planned(wanted), fake)
    assert diary.events.index(("started", "later")) < diary.events.index(("done", "a"))
    assert diary.events.index(("done", "a")) < diary.events.index(("started", "b"))


def test_a_failure_skips_what_needs_it_and_nothing_else() -> None:
    """Dependents are not tried, directly or further down; independent work is done."""
    fake = FakeKind(failing={("create", "a"): [BOOM]})
    wanted = [want("a", {"x": 1}), want("b", {"x": 1}, "a"), want("c", {"x": 1}, "b"), want("d", {"x": 1})]
    ends, text, diary = _fails(planned(wanted), fake, errors.PartlyApplied)
    assert ends == {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert text.startswith("1 changes done, 1 failed, 2 not tried:\n- boom\n  mend it")
    assert ("skipped", "c") in diary.events
    assert ("started", "b") not in diary.events


def test_a_failed_deletion_leaves_what_it_needs() -> None:
    """Where a service could not be deleted, the database under it stays."""
    fake = FakeKind(failing={("delete", "service"): [BOOM]})
    fake.put("sql", x=1)
    fake.put("service", x=1)
    outcomes: dict[Ref, Outcome] = {}
    plan = _plan_for(fake, want("sql", None), want("service", None, "sql"))
    with pytest.raises(errors.Refused):
        apply(quick_cloud(), plan, kinds(fake), Diary(), outcomes)
    assert str(outcomes[ref("sql")].error) == "not tried, because fake.thing/service is still there"


def test_a_run_that_did_nothing_passes_its_one_error_on() -> None:
    """Where nothing was changed, the error is the cause itself, with its own exit code."""
    fake = FakeKind(failing={("create", "a"): [errors.PermissionMissing("no")]})
    _fails(planned([want("a", {"x": 1}), want("b", {"x": 1}, "a")]), fake, errors.PermissionMissing)


def test_every_failure_is_reported() -> None:
    """Two failures are two lines, beside what was done."""
    fake = FakeKind(failing={("create", "a"): [BOOM], ("create", "b"): [errors.Refused("bang")]})
    wanted = [want("a", {"x": 1}), want("b", {"x": 1}), want("c", {"x": 1})]
    _, text, _ = _fails(planned(wanted), fake, errors.PartlyApplied)
    assert "- boom" in text
    assert "- bang" in text


def test_where_nothing_was_done_the_first_failure_gives_the_exit_code() -> None:
    """Two missing permissions are a matter of permission, not of a half-done apply."""
    failing: dict[tuple[str, str], list[Exception]] = {
        ("create", name): [errors.PermissionMissing(f"no {name}")] for name in "ab"
    }
    fake = FakeKind(failing=failing)
    wanted = [want("a", {"x": 1}), want("b", {"x": 1})]
    _, text, _ = _fails(planned(wanted), fake, errors.PermissionMissing)
    assert "nothing was changed" in text
    assert "- no b" in text


def test_a_bug_in_one_kind_is_a_failure_like_another() -> None:
    """What the others have done is still said."""
    fake = FakeKind(failing={("create", "a"): [ZeroDivisionError("by zero")]})
    wanted = [want("a", {"x": 1}), want("b", {"x": 1})]
    _, text, _ = _fails(planned(wanted), fake, errors.PartlyApplied)
    assert "this is a bug: ZeroDivisionError" in text


def test_the_second_run_continues() -> None:
    """What the first run made is kept; the second makes the rest."""
    fake = FakeKind(failing={("create", "b"): [BOOM]})
    wanted = [want("a", {"x": 1}), want("b", {"x": 1}, "a"), want("c", {"x": 1}, "b")]
    _fails(_plan_for(fake, *wanted), fake, errors.PartlyApplied)
    fake.calls.clear()
    _run(_plan_for(fake, *wanted), fake)
    assert fake.writes() == [("create", "b"), ("create", "c")]
    assert _plan_for(fake, *wanted).wanted == ()


def test_a_blocked_plan_writes_nothing() -> None:
    """Every guard is judged before the first write, whatever else the plan holds."""
    fake = FakeKind()
    fake.put("data", region="x")
    plan = _plan_for(
        fake, want("a", {"x": 1}), want("data", {"region": "y"}, fixed=frozenset({"region"}), holds_data=True)
    )
    _fails(plan, fake, errors.Protected)
    assert fake.calls == []


def test_a_lost_race_is_looked_at_again() -> None:
    """Somebody changes the resource after the plan: it is read anew, and the write goes on the new version."""
    fake = FakeKind()
    fake.put("a", x=1, y=1)
    plan = _plan_for(fake, want("a", {"x": 2, "y": 2}))
    fake.put("a", x=2, y=1, theirs="t")
    _run(plan, fake)
    assert fake.calls == [("update", "a", "x", "y"), ("observe", "a"), ("update", "a", "y")]
    assert fake.live[ref("a")].body == {"x": 2, "y": 2, "theirs": "t"}


def test_a_race_that_somebody_won_for_us_needs_no_write() -> None:
    """Where the other made the very change, nothing is left to do."""
    fake = FakeKind()
    fake.put("a", x=1)
    plan = _plan_for(fake, want("a", {"x": 2}))
    fake.put("a", x=2)
    _run(plan, fake)
    assert fake.calls == [("update", "a", "x"), ("observe", "a")]


def test_what_was_deleted_meanwhile_is_created() -> None:
    """A resource that is gone at the second look is made."""
    fake = FakeKind(failing={("update", "a"): [errors.VersionMoved("gone")]})
    fake.put("a", x=1)
    plan = _plan_for(fake, want("a", {"x": 2}))
    fake.live.clear()
    _run(plan, fake)
    assert fake.writes() == [("update", "a", "x"), ("create", "a")]


def test_a_race_is_given_up_and_never_forced() -> None:
    """Somebody who is always faster wins; the run ends as stale, without a write."""
    fake = FakeKind(failing={("update", "a"): [errors.VersionMoved("moved")] * 9})
    fake.put("a", x=1)
    _fails(_plan_for(fake, want("a", {"x": 2})), fake, errors.VersionMoved)
    assert fake.live[ref("a")].body == {"x": 1}
    assert len(fake.writes()) == 4


def test_a_race_never_turns_an_update_into_a_replacement() -> None:
    """What was planned as an update is not deleted because somebody changed a fixed field."""
    fake = FakeKind()
    fake.put("a", region="x", size=1)
    plan = _plan_for(fake, want("a", {"region": "x", "size": 2}, fixed=frozenset({"region"})))
    fake.put("a", region="y", size=1)
    _fails(plan, fake, errors.Protected)
    assert fake.writes() == [("update", "a", "size")]


def test_a_race_never_takes_over_what_is_not_ours_any_more() -> None:
    """Whose label was taken off in the meantime is refused like any other thing that is not ours."""
    fake = FakeKind()
    fake.put("a", x=1, label="ours")
    plan = _plan_for(fake, want("a", {"x": 2, "label": "ours"}, mark=("label", "ours")))
    fake.put("a", x=1, label="theirs")
    _, text, _ = _fails(plan, fake, errors.Protected)
    assert "changed while it was being updated" in text
    assert fake.live[ref("a")].body == {"x": 1, "label": "theirs"}


@pytest.mark.parametrize("body", [None, {"region": "y", "label": "ours"}], ids=["deletion", "replacement"])
def test_what_was_given_away_since_the_plan_is_not_deleted(body: dict[str, str] | None) -> None:
    """A deletion names no version: whose label was taken off in the meantime is looked at once more."""
    fake = FakeKind()
    fake.put("a", region="x", label="ours")
    fixed = frozenset({"region"})
    plan = _plan_for(fake, want("a", body, mark=("label", "ours"), fixed=fixed))
    fake.put("a", region="x", label="theirs")
    _, text, _ = _fails(plan, fake, errors.Protected)
    assert "is not ours any more, and was not deleted" in text
    assert (fake.writes(), fake.live[ref("a")].body["label"]) == ([], "theirs")


def test_a_planned_replacement_survives_a_race() -> None:
    """A replacement that was planned and approved stays one when its first attempt lost a race."""
    fake = FakeKind(failing={("delete", "a"): [errors.VersionMoved("moved")]})
    fake.put("a", region="x")
    _run(_plan_for(fake, want("a", {"region": "y"}, fixed=frozenset({"region"}))), fake)
    assert fake.writes() == [("delete", "a"), ("delete", "a"), ("create", "a")]


def test_a_value_that_only_the_server_knows_is_learned() -> None:
    """A digest exists once the image is built; what waits for it gets it in the same run."""
    image = FakeKind(name="fake.image", tells=True, told={"digest": "sha256:1"})
    thing = FakeKind()
    digest = Pending(ref("image", "fake.image"), "digest", "host@{}")
    wanted = [
        want("image", {"tag": "t"}, kind="fake.image"),
        Desired(ref("service"), {"image": digest}, needs=(ref("image", "fake.image"),)),
    ]
    _run(planned(wanted), image, thing)
    assert thing.live[ref("service")].body == {"image": "host@sha256:1"}
    assert ("observe", "image") in image.calls
    assert ("observe", "service") not in thing.calls


def test_an_update_by_a_learned_value_that_changes_nothing_is_not_sent() -> None:
    """The rebuilt image has the digest that runs already: there is nothing to write."""
    fake = FakeKind(tells=True, told={"digest": "1"})
    fake.put("service", image="1")
    wanted = [
        want("image", {"tag": "t"}),
        want("service", {"image": Pending(ref("image"), "digest")}, "image"),
    ]
    _run(_plan_for(fake, *wanted), fake)
    assert fake.writes() == [("create", "image")]


def test_a_value_that_never_comes_is_an_error() -> None:
    """A resource whose source told nothing is not written with a placeholder."""
    fake = FakeKind(tells=True)
    wanted = [
        want("image", {"tag": "t"}),
        want("service", {"image": Pending(ref("image"), "digest")}, "image"),
    ]
    _, text, _ = _fails(planned(wanted), fake, errors.PartlyApplied)
    assert "fake.thing/service: a value it needs is still missing: (known after apply)" in text
    assert ("create", "service") not in fake.calls


def test_an_api_that_is_not_awake_yet_is_asked_again() -> None:
    """An API enabled seconds ago still says that it is disabled; the change waits for it."""
    fake = FakeKind(failing={("create", "a"): [DISABLED] * 3})
    ends, _ = _run(planned([want("a", {"x": 1})]), fake)
    assert ends == {"a": "done"}
    assert fake.writes() == [("create", "a")] * 4


def test_what_fails_for_a_grant_of_a_moment_ago_is_tried_again_from_what_is_there() -> None:
    """A creation that failed half-way is an update the next time, within the same run."""
    fake = FakeKind(failing={("create", "a"): [errors.NotYetEffective("Permission denied on secret")]})
    fake.during[("create", "a")] = lambda: fake.put("a", x=0)
    ends, _ = _run(planned([want("a", {"x": 1})]), fake)
    assert ends == {"a": "done"}
    assert fake.writes() == [("create", "a"), ("update", "a", "x")]


@pytest.mark.parametrize("failure", [BOOM, errors.PermissionMissing("no"), errors.OperationFailed("bad")])
def test_other_failures_are_not_repeated(failure: errors.ReconcileError) -> None:
    """Asking again would not help; the verbs have retries of their own."""
    fake = FakeKind(failing={("create", "a"): [failure]})
    _fails(planned([want("a", {"x": 1})]), fake, type(failure))
    assert fake.writes() == [("create", "a")]


def _interrupting(cloud: Cloud) -> Callable[[], None]:
    """Ctrl-C, and then a wait that ends because of it."""

    def work() -> None:
        cloud.stopped.set()
        cloud.pause(1)

    return work


def test_an_interrupted_run_says_what_is_done_and_what_is_in_flight() -> None:
    """Ctrl-C starts nothing new, names what goes on in Google Cloud, and says that running it again continues."""
    cloud = quick_cloud()
    fake = FakeKind(during={("create", "sql"): _interrupting(cloud)})
    wanted = [want("apis", {"x": 1}), want("sql", {"x": 1}, "apis"), want("service", {"x": 1}, "sql")]
    with pytest.raises(errors.Interrupted) as stop:
        _run(planned(wanted), fake, cloud=cloud)
    assert str(stop.value) == (
        "interrupted: 1 changes done, 2 left; in flight, and going on in Google Cloud: fake.thing/sql (for 0 s)"
    )
    assert stop.value.way_out == (
        "Run the same command again: it waits for what is in flight, and does what is left."
    )
    assert stop.value.exit_code == 8
    assert ("create", "service") not in fake.calls


def test_work_that_ends_during_an_interruption_counts_as_done() -> None:
    """A request that was under way when Ctrl-C came is awaited, and its success is not forgotten."""
    cloud = quick_cloud()
    outcomes: dict[Ref, Outcome] = {}
    fake = FakeKind(during={("create", "a"): cloud.stopped.set})
    with pytest.raises(errors.Interrupted, match=r"1 changes done, 1 left$"):
        apply(cloud, planned([want("a", {"x": 1}), want("b", {"x": 1}, "a")]), kinds(fake), Diary(), outcomes)
    assert _ends(outcomes) == {"a": "done"}


def test_what_was_only_queued_is_not_started_after_an_interruption() -> None:
    """More changes than run at once: those that had not begun when Ctrl-C came never begin."""
    cloud = quick_cloud()
    all_busy = threading.Barrier(AT_ONCE, timeout=PATIENCE)

    def work() -> None:
        all_busy.wait()
        cloud.stopped.set()

    names = [f"n{number}" for number in range(2 * AT_ONCE)]
    fake = FakeKind(during={("create", name): work for name in names})
    with pytest.raises(errors.Interrupted, match=f"{AT_ONCE} changes done, {AT_ONCE} left"):
        _run(planned([want(name, {"x": 1}) for name in names]), fake, cloud=cloud)
    assert len(fake.writes()) == AT_ONCE


def test_a_failure_before_the_interruption_is_not_forgotten() -> None:
    """What failed is counted beside what is done and left."""
    cloud = quick_cloud()
    fake = FakeKind(failing={("create", "a"): [BOOM]}, during={("create", "c"): _interrupting(cloud)})
    wanted = [want("a", {"x": 1}), want("b", {"x": 1}, "a"), want("ok", {"x": 1}), want("c", {"x": 1}, "ok")]
    with pytest.raises(errors.Interrupted, match="1 changes done, 1 failed, 2 left"):
        _run(planned(wanted), fake, cloud=cloud)


def test_progress_is_told_for_the_resource_that_it_concerns() -> None:
    """What a kind notes while it works reaches the watcher under that kind's resource."""
    fake = FakeKind(during={("create", "a"): lambda: Cloud.note("uploading")})
    _, diary = _run(planned([want("a", {"x": 1}), want("b", {"x": 1}, "a")]), fake)
    assert ("uploading", "a") in diary.events
    assert ("uploading", "b") not in diary.events


def test_a_plan_without_changes_calls_nobody() -> None:
    """A second apply sends no write."""
    fake = FakeKind()
    _run(planned([want("a", {"x": 1})], seen("a", {"x": 1})), fake)
    assert fake.calls == []
