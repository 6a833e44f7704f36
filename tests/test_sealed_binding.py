"""A sealed plan is bound to everything that it was computed from: whatever moves, it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, sealed
from reconciler.model import Desired, Observed
from reconciler.plan import Plan
from reconciler.render.json import document
from reconciler.render.reviewed import plan_of
from tests.builders import planned, seen, want
from tests.render.sample import everything

SPEC = "version: 1\nextends: base.yaml\n"
WANTED = (want("a", {"size": 2, "on": True}), want("b", {"size": 1}), want("old", None))
FOUND = (
    seen("a", {"size": 1, "on": True, "theirs": "x"}, note="it is full", busy="grows"),
    seen("old", {"size": 1}, leaves="its last backup stays for 30 days"),
)


@pytest.fixture(name="spec")
def _spec(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text("version: 1\n", encoding="utf-8")
    path = tmp_path / "mlflow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def _plan(spec: Path, wanted: tuple[Desired, ...] = WANTED, found: tuple[Observed, ...] = FOUND) -> Plan:
    return replace(planned(wanted, *found, notes=("About $31 a month.",)), spec=str(spec))


def _sealed(plan: Plan) -> sealed.Sealed:
    out = str(Path(plan.spec).with_name("plan.json"))
    sealed.save(plan, out)
    return sealed.read(out)


def _body(**fields: Any) -> tuple[Observed, ...]:
    return replace(FOUND[0], body={**FOUND[0].body, **fields}), FOUND[1]


MOVED: dict[str, tuple[Observed, ...]] = {
    "a field that the plan changes": _body(size=3),
    "a field that the plan keeps": _body(on=False),
    "a field of somebody else's": _body(theirs="y"),
    "a field more": _body(new=1),
    "a type": _body(on=1),
    "a version": (replace(FOUND[0], version="2"), FOUND[1]),
    "a version of what goes": (FOUND[0], replace(FOUND[1], version="2")),
    "what is going on": (replace(FOUND[0], busy="shrinks"), FOUND[1]),
    "nothing going on": (replace(FOUND[0], busy=""), FOUND[1]),
    "what is worth knowing": (replace(FOUND[0], note=""), FOUND[1]),
    "what stays of what is deleted": (FOUND[0], replace(FOUND[1], leaves="")),
    "a resource more": (*FOUND, seen("b", {"size": 1})),
    "a resource less": (FOUND[0],),
    "nothing left": (),
}


@pytest.mark.parametrize("found", MOVED.values(), ids=MOVED)
def test_whatever_moved_in_google_cloud_is_another_fingerprint(
    spec: Path, found: tuple[Observed, ...]
) -> None:
    """Also what the plan does not show, and what would make no difference to it."""
    seal = _sealed(_plan(spec))
    now = _plan(spec, found=found)
    assert now.fingerprint != seal.fingerprint
    with pytest.raises(errors.PlanStale, match="nothing was written"):
        sealed.refuse_if_stale(seal, now)


ELSEWHERE: dict[str, dict[str, Any]] = {
    "deployment": {"deployment": "mlflow-other"},
    "project": {"project": "acme-other"},
    "url": {"url": "https://y.run.app"},
    "sandbox": {"endpoint": "http://127.0.0.1:8080"},
}


@pytest.mark.parametrize("other", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_plan_is_for_one_deployment_in_one_place(spec: Path, other: dict[str, Any]) -> None:
    """One that was made for another, or against a sandbox, has another fingerprint, both ways round."""
    here, there = _plan(spec), replace(_plan(spec), **other)
    assert here.fingerprint != there.fingerprint
    for made, now in ((here, there), (there, here)):
        with pytest.raises(errors.PlanStale, match="nothing was written"):
            sealed.refuse_if_stale(_sealed(made), now)


def test_a_plan_made_against_the_sandbox_says_so(spec: Path) -> None:
    """The refusal names both places."""
    seal = _sealed(replace(_plan(spec), endpoint="http://127.0.0.1:8080"))
    with pytest.raises(
        errors.PlanStale, match=r"http://127\.0\.0\.1:8080, and this would go to Google Cloud"
    ):
        sealed.refuse_if_stale(seal, _plan(spec))


@pytest.mark.parametrize("file", ["mlflow.yaml", "base.yaml"])
@pytest.mark.parametrize("behind", ["# x\n", "["])
def test_a_plan_is_for_one_text_of_its_spec(spec: Path, file: str, behind: str) -> None:
    """A comment more is another spec, in it as in what it extends; broken YAML is one as well."""
    seal = _sealed(_plan(spec))
    path = spec.with_name(file)
    path.write_text(path.read_text(encoding="utf-8") + behind, encoding="utf-8")
    assert sealed.state_of_spec(seal) == sealed.CHANGED
    with pytest.raises((errors.PlanStale, errors.SpecInvalid)):
        sealed.refuse_if_stale(seal, _plan(spec))


def test_other_notes_are_another_plan(spec: Path) -> None:
    """What was reviewed said another price."""
    with pytest.raises(errors.PlanStale, match="shows another plan"):
        sealed.refuse_if_stale(_sealed(_plan(spec)), replace(_plan(spec), notes=("About $3100 a month.",)))


def _resealed(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["seal"]
    change(body)
    body["seal"] = sealed.seal_of(body)
    path.write_text(json.dumps(body), encoding="utf-8")
    return str(path)


def _harmless(body: dict[str, Any]) -> None:
    del body["plan"]["resource_changes"][1]
    body["plan"]["counts"]["create"] = 0
    body["plan"]["summary"] = "Plan: 0 to create, 1 to update, 1 to delete, 0 unchanged."


def test_a_plan_that_shows_less_than_it_does_is_refused(spec: Path) -> None:
    """Sealed anew with the right fingerprint, and a change taken out for the reviewer."""
    plan = _plan(spec)
    _sealed(plan)
    seal = sealed.read(_resealed(spec.with_name("plan.json"), _harmless))
    assert seal.fingerprint == plan.fingerprint
    assert len(seal.plan.changes) == 2
    with pytest.raises(errors.PlanStale, match="shows another plan"):
        sealed.refuse_if_stale(seal, plan)


def test_a_plan_finds_its_spec_from_any_folder(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made with a relative path, used from elsewhere, and in a copy of both: the spec is the one beside it."""
    monkeypatch.chdir(spec.parent)
    sealed.save(replace(_plan(spec), spec=spec.name), "plan.json")
    assert sealed.read("plan.json").spec == spec.name
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    seal = sealed.read("../plan.json")
    assert seal.spec == str(spec)
    sealed.refuse_if_stale(seal, _plan(spec))
    spec.with_name("copy").mkdir()
    for name in (spec.name, "base.yaml", "plan.json"):
        (tmp_path / name).rename(tmp_path / "copy" / name)
    assert sealed.read(str(tmp_path / "copy" / "plan.json")).spec == str(tmp_path / "copy" / spec.name)


def test_a_spec_of_the_same_name_nearby_is_not_taken_for_it(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one with the right content is the one; where there is none, the plan is stale."""
    monkeypatch.chdir(spec.parent)
    sealed.save(replace(_plan(spec), spec=spec.name), "plan.json")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / spec.name).write_text("version: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert sealed.read("../plan.json").spec == str(spec)
    spec.unlink()
    seal = sealed.read("../plan.json")
    assert (seal.spec, sealed.state_of_spec(seal)) == (spec.name, sealed.CHANGED)
    (tmp_path / "elsewhere" / spec.name).unlink()
    assert sealed.state_of_spec(sealed.read("../plan.json")) == sealed.MISSING


def test_the_way_back_from_json_loses_nothing_that_is_shown() -> None:
    """What is read of a plan with every action shows the same document again, but for the fingerprints."""
    shown = json.loads(json.dumps(document(everything())))
    again = json.loads(json.dumps(document(plan_of(shown))))
    for one in (shown, again):
        for part in (one, *one["resource_changes"]):
            del part["fingerprint"]
    assert again == shown
