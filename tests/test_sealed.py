"""A plan in a file: what was reviewed is what is carried out, or nothing is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors, sealed
from reconciler.plan import Plan
from tests.builders import planned, seen, want


@pytest.fixture(name="spec")
def _spec(tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.yaml"
    path.write_text("version: 1\n", encoding="utf-8")
    return path


def _plan(spec: Path, size: int = 2, version: str = "1") -> Plan:
    plan = planned([want("a", {"size": size})], seen("a", {"size": 1}, version))
    return Plan(plan.deployment, plan.project, str(spec), plan.url, plan.changes)


def _saved(spec: Path) -> Path:
    out = spec.with_name("plan.json")
    sealed.save(_plan(spec), str(out))
    return out


def test_a_plan_comes_back_as_it_was_sealed(spec: Path) -> None:
    """The same spec and the same cloud: the plan may be carried out."""
    out = _saved(spec)
    assert sealed.is_sealed(str(out))
    sealed.refuse_if_stale(sealed.read(str(out)), _plan(spec))


def test_a_sealed_plan_is_readable_by_its_owner_only(spec: Path) -> None:
    """Plans show how a deployment is built; nobody else on the machine reads them."""
    previous = os.umask(0)
    try:
        mode = _saved(spec).stat().st_mode
    finally:
        os.umask(previous)
    assert stat.S_IMODE(mode) == 0o600


def test_sealing_again_replaces_the_file(spec: Path) -> None:
    """The newest plan is the one in the file, and nothing is left beside it."""
    _saved(spec)
    assert sealed.read(str(_saved(spec))).fingerprint == _plan(spec).fingerprint
    assert sorted(path.name for path in spec.parent.iterdir()) == ["mlflow.yaml", "plan.json"]


def test_a_plan_that_cannot_be_written_leaves_nothing_behind(spec: Path) -> None:
    """The target is a folder: an error, and no draft."""
    spec.with_name("plan.json").mkdir()
    with pytest.raises(errors.ReconcileError, match=r"plan\.json"):
        _saved(spec)
    assert sorted(path.name for path in spec.parent.iterdir()) == ["mlflow.yaml", "plan.json"]


def test_a_plan_is_bound_to_what_its_spec_extends(spec: Path) -> None:
    """A base that was changed after the review asks for something else."""
    base = spec.with_name("base.yaml")
    base.write_text("version: 1\nmemory: 1Gi\n", encoding="utf-8")
    spec.write_text("version: 1\nextends: base.yaml\n", encoding="utf-8")
    out = _saved(spec)
    sealed.refuse_if_stale(sealed.read(str(out)), _plan(spec))
    base.write_text("version: 1\nmemory: 2Gi\n", encoding="utf-8")
    with pytest.raises(errors.PlanStale, match="has changed since"):
        sealed.refuse_if_stale(sealed.read(str(out)), _plan(spec))


def test_a_link_is_followed_and_stays_a_link(spec: Path) -> None:
    """What the link leads to is written."""
    (spec.parent / "real.json").touch()
    spec.with_name("plan.json").symlink_to("real.json")
    _saved(spec)
    assert spec.with_name("plan.json").is_symlink()
    assert sealed.is_sealed(str(spec.parent / "real.json"))


def test_a_device_is_never_replaced(spec: Path) -> None:
    """A plan written to a pipe or device would put a file in its place."""
    os.mkfifo(spec.with_name("plan.json"))
    with pytest.raises(errors.ReconcileError, match="not a file"):
        _saved(spec)
    assert spec.with_name("plan.json").is_fifo()


def test_a_plan_whose_spec_is_gone_leaves_nothing_behind(spec: Path) -> None:
    """What cannot be sealed is not half written."""
    plan = _plan(spec)
    spec.unlink()
    with pytest.raises(errors.SpecInvalid):
        sealed.save(plan, str(spec.with_name("plan.json")))
    assert list(spec.parent.iterdir()) == []


def _harmless(body: dict[str, Any]) -> None:
    body["plan"]["resource_changes"][0]["name"] = "b"


def _other_spec(body: dict[str, Any]) -> None:
    body["spec"] = "/etc/passwd"


def _no_seal(body: dict[str, Any]) -> None:
    del body["seal"]


@pytest.mark.parametrize("tamper", [_harmless, _other_spec, _no_seal])
def test_a_plan_that_was_changed_is_refused(spec: Path, tamper: Any) -> None:
    """Any edit breaks the seal, also one that nothing reads."""
    out = _saved(spec)
    body = json.loads(out.read_text(encoding="utf-8"))
    tamper(body)
    out.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(errors.PlanStale, match="was changed after it was sealed"):
        sealed.read(str(out))


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_a_plan_that_was_cut_short_is_refused(spec: Path, kept: float) -> None:
    """A file that a full disk truncated is still known as a plan, and refused as one."""
    out = _saved(spec)
    content = out.read_bytes()
    out.write_bytes(content[: int(len(content) * kept)])
    assert sealed.is_sealed(str(out))
    with pytest.raises(errors.PlanStale, match="not all of one"):
        sealed.read(str(out))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format_version": "1.2"}', b"\xff\xfe", b"version: 1\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """Terraform's plans, lists, specs and noise are no plans of ours."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert not sealed.is_sealed(str(path))
    with pytest.raises(errors.PlanStale):
        sealed.read(str(path))


def test_a_file_that_is_not_there_is_no_plan(tmp_path: Path) -> None:
    """A missing path is left to the loader of specs, which says so best."""
    assert not sealed.is_sealed(str(tmp_path / "nothing"))


def test_a_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    """A huge file is refused by its size."""
    path = tmp_path / "huge.json"
    with path.open("wb") as out:
        out.truncate(sealed.LIMIT + 1)
    with pytest.raises(errors.PlanStale, match="too large"):
        sealed.read(str(path))


def test_a_plan_is_stale_when_its_spec_has_changed(spec: Path) -> None:
    """One more comment in the spec is another spec: what was reviewed was the old one."""
    seal = sealed.read(str(_saved(spec)))
    spec.write_text("version: 1 # changed\n", encoding="utf-8")
    with pytest.raises(errors.PlanStale, match="has changed since the plan was made") as stale:
        sealed.refuse_if_stale(seal, _plan(spec))
    assert stale.value.exit_code == 6


@pytest.mark.parametrize("now", [{"version": "2"}, {"size": 3}])
def test_a_plan_is_stale_when_google_cloud_has_changed(spec: Path, now: dict[str, Any]) -> None:
    """A new version of a resource, or other changes to make: refused, and nothing written."""
    seal = sealed.read(str(_saved(spec)))
    with pytest.raises(errors.PlanStale, match="nothing was written"):
        sealed.refuse_if_stale(seal, _plan(spec, **now))
