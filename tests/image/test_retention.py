"""Which runs may go, decided without a database: what names a run, and what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from image.serving.environment import Database, Retention
from image.serving.records import resolved
from image.serving.retention import Decision, Facts, Model, Run, decide

DAY = 86_400_000
NOW = 20_000 * DAY
ROOT = "gs://acme-ml-artifacts"
POLICY = Retention(Database("h", "d", "u", "p"), ROOT, 90, 7, "keep", dry_run=False)
AT_ONCE = replace(POLICY, restorable_days=0)


def run(own: str, days: int = 100, **given: Any) -> Run:
    """An active run that was last seen so many days ago."""
    fields: dict[str, Any] = {"name": "", "experiment": "1", "active": True, "deleted": 0}
    fields |= {"place": f"{ROOT}/1/{own}/artifacts"} | given
    return Run(id=own, seen=NOW - days * DAY, **fields)


def dropped(own: str, days: int, **given: Any) -> Run:
    """A run that has been in the trash for so many days."""
    return run(own, active=False, deleted=NOW - days * DAY, **given)


def model(own: str, of: str, *, active: bool = True, days: int = 100) -> Model:
    """A logged model of run *of*, last changed so many days ago."""
    return Model(own, of, "1", active, NOW - days * DAY, f"{ROOT}/1/models/{own}/artifacts")


def facts(*things: Run | Model, **given: Any) -> Facts:
    """What there is, with nothing that names anything unless *given*."""
    fields: dict[str, Any] = {
        "parents": {}, "used": (), "tagged_runs": frozenset(), "tagged_experiments": frozenset(),
        "named": {}, "named_places": {}, "trash": {}, "reachable": ("gs://",),
    }  # fmt: skip
    runs = {thing.id: thing for thing in things if isinstance(thing, Run)}
    models = {thing.id: thing for thing in things if isinstance(thing, Model)}
    return Facts(now=NOW, runs=runs, models=models, **(fields | given))


def moved(decision: Decision) -> set[str]:
    """The runs that go to the trash."""
    return {one.id for one, _ in decision.to_trash}


def deleted(decision: Decision) -> set[str]:
    """What is deleted for good."""
    return {one.id for one, _ in (*decision.runs, *decision.models)} | set(decision.experiments)


def test_only_what_is_old_goes_and_only_to_the_trash() -> None:
    """Age counts from the last sign of life; nothing that is active is deleted for good."""
    decision = decide(facts(run("old", 91), run("young", 89)), POLICY)
    assert (moved(decision), deleted(decision), decision.young) == ({"old"}, set(), 1)


@pytest.mark.parametrize(("days", "gone"), [(0, False), (6, False), (7, True), (400, True)])
def test_the_trash_is_emptied_after_its_time(days: int, gone: bool) -> None:
    """Whoever put something there has a week to take it back."""
    assert deleted(decide(facts(dropped("a", days)), POLICY)) == ({"a"} if gone else set())


def test_a_weekly_job_finds_what_it_moved_a_week_ago() -> None:
    """The run of last week was moved some seconds after the job began, and this week's begins on time."""
    late = replace(dropped("a", 0), deleted=NOW - 7 * DAY + 40_000)
    assert deleted(decide(facts(late), POLICY)) == {"a"}


@pytest.mark.parametrize(
    "given",
    [
        {"named": {"a": "version 1 of the registered model m names it"}},
        {"named_places": {f"{ROOT}/1/a/artifacts": "why"}},
        {"named_places": {f"{ROOT}/1/a/artifacts/model": "why"}},
        {"named_places": {f"{ROOT}/1/a": "why"}},
        {"tagged_runs": frozenset({"a"})},
        {"tagged_experiments": frozenset({"1"})},
    ],
)
@pytest.mark.parametrize("one", [run("a"), dropped("a", 400)])
def test_what_is_named_stays_whoever_deleted_it(one: Run, given: Mapping[str, Any]) -> None:
    """By id, by the place of its files (there, within, around), or by a tag; also in the trash, unlike mlflow gc."""
    decision = decide(facts(one, **given), POLICY)
    assert moved(decision) | deleted(decision) == set()
    assert [kept.id for kept, why in decision.kept if why] == ["a"]


def test_the_run_of_a_named_model_stays_with_its_parent() -> None:
    """A version names models:/m-1, which run b logged within run a; its other children go."""
    named = facts(
        run("a"), run("b"), run("c"), model("m-1", "b"), parents={"b": "a", "c": "a"}, named={"m-1": "why"}
    )
    assert moved(decide(named, POLICY)) == {"c"}


@pytest.mark.parametrize(
    ("parent", "given"), [(run("a", 5), {}), (run("a"), {"tagged_runs": frozenset({"a"})})]
)
def test_what_is_nested_in_a_tagged_or_young_run_stays(parent: Run, given: Mapping[str, Any]) -> None:
    """A sweep is one thing while it is at work, and where somebody marked it as a whole."""
    nested = facts(parent, run("b"), run("c"), run("d"), parents={"b": "a", "c": "b"}, **given)
    assert moved(decide(nested, POLICY)) == {"d"}


def test_what_a_kept_run_uses_stays() -> None:
    """An evaluation of last week reads a model that an old run logged."""
    assert (
        moved(decide(facts(run("a"), run("b", 5), model("m-1", "a"), used=(("b", "m-1"),)), POLICY)) == set()
    )
    assert moved(decide(facts(run("a"), run("b"), model("m-1", "a"), used=(("b", "m-1"),)), POLICY)) == {
        "a",
        "b",
    }


def test_a_folder_that_holds_files_of_others_stays() -> None:
    """An experiment may be told to keep its files anywhere, also within another run's."""
    inner = run("b", 5, place=f"{ROOT}/1/a/artifacts/x/b/artifacts")
    assert moved(decide(facts(run("a"), inner), POLICY)) == set()
    assert deleted(decide(facts(dropped("a", 30), inner), POLICY)) == set()


@pytest.mark.parametrize(
    "place", ["", "s3://b/1/a/artifacts", "file:///a", ROOT, f"{ROOT}/1", f"{ROOT}/a/../b"]
)
def test_files_that_are_not_ours_to_delete_keep_their_run(place: str) -> None:
    """Out of reach, or a folder that is not the run's own."""
    decision = decide(facts(dropped("a", 400, place=place)), POLICY)
    assert deleted(decision) == set()
    assert "its files" in decision.kept[0][1]


def test_deleted_models_go_and_others_only_with_their_run() -> None:
    """What somebody deleted, after its time; and all that a run logged that goes."""
    some = facts(
        run("a"), model("m-1", "a"), model("m-2", "a", active=False), model("m-3", "a", active=False, days=2)
    )
    assert deleted(decide(some, POLICY)) == {"m-2"}
    gone = decide(facts(dropped("a", 400), model("m-1", "a")), POLICY)
    assert deleted(gone) == {"a"}
    named = facts(dropped("a", 400), model("m-1", "a", active=False), named={"m-1": "why"})
    assert deleted(decide(named, POLICY)) == set()


def test_experiments_go_when_nothing_is_left_in_them() -> None:
    """Deleted, long enough ago, empty; never the one that every server has."""
    trash = {"0": 0, "1": 0, "2": 0, "3": NOW}
    assert deleted(decide(facts(run("a"), trash=trash), POLICY)) == {"2"}
    assert deleted(decide(facts(run("a"), trash=trash), AT_ONCE)) == {"2", "3"}


def test_a_run_deleted_before_mlflow_kept_the_time_goes_when_it_is_old() -> None:
    """Its last sign of life stands in for the time."""
    assert deleted(decide(facts(run("a", 120, active=False)), POLICY)) == {"a"}
    assert deleted(decide(facts(run("a", 92, active=False)), POLICY)) == set()


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("mlflow-artifacts:/1/a/artifacts", f"{ROOT}/1/a/artifacts"),
        ("mlflow-artifacts:///1/a/artifacts/", f"{ROOT}/1/a/artifacts"),
        ("mlflow-artifacts://host:80/1/a", f"{ROOT}/1/a"),
        ("https://host/api/2.0/mlflow-artifacts/artifacts/1/a", f"{ROOT}/1/a"),
        ("gs://other/1/a/", "gs://other/1/a"),
    ],
)
def test_addresses_through_the_server_are_places_in_the_bucket(uri: str, place: str) -> None:
    """However MLflow writes them."""
    assert resolved(uri, ROOT) == place
