"""Each layout is found, described by a valid spec, adopted by its marks alone, and its first plan says why."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.adoption import adoption
from reconciler.apply import apply
from reconciler.change import Action, Change, FieldChange
from reconciler.discovery.describe import describe
from reconciler.discovery.find import Place, find
from reconciler.discovery.fit import fit
from reconciler.gcp.cloud import Cloud
from reconciler.pipeline import survey
from reconciler.reasons import purpose, why
from reconciler.registry import BY_NAME
from reconciler.render import text
from reconciler.sandbox import control
from reconciler.spec.load import load
from reconciler.spec.schema import load_schema
from tests.builders import Diary
from tests.discovery.layouts import LAYOUTS, Layout, made, said_by
from tests.scenarios.command import free_port

SECRETS = ("s3cret", "s3cr%40t", "s3cr@t")


@pytest.fixture(scope="module", name="port")
def _port() -> Generator[int]:
    folder = Path(tempfile.mkdtemp(prefix="md", dir="/tmp"))
    folder.chmod(0o755)
    port = free_port()
    control.start(folder / "h", port, "by-hand-shared")
    yield port
    control.stop(folder / "h")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_a_layout_is_found_described_and_adopted(port: int, layout: Layout, tmp_path: Path) -> None:
    """The spec says what is there; adopting writes marks; what is left to do has a line or a reason, every field."""
    theirs = made(port, layout)
    cloud = Cloud(theirs.project, f"http://127.0.0.1:{port}")
    parts = find(cloud, Place(theirs.project))
    said = describe(parts)
    assert fit(said) == []
    for key, value in said_by(theirs, layout).items():
        assert said.values.get(key, _default(key)) == value, key
    written = said.text()
    flowing = " ".join(written.replace("#", " ").split())
    assert [told for told in layout.told if told not in flowing] == []
    assert [secret for secret in SECRETS if secret in written] == []
    spec = tmp_path / "found.yaml"
    spec.write_text(written, encoding="utf-8")
    deployment = load(spec)
    marks = adoption(survey(cloud, deployment))
    assert [change.blocked for change in marks.changes if change.blocked] == []
    assert {change.ref.kind for change in marks.changes} == _adopted(parts.shared)
    apply(cloud, marks, BY_NAME, Diary(), {})
    cloud.forget()
    plan = survey(cloud, deployment)
    assert [change.blocked for change in plan.changes if change.blocked] == []
    assert {change.action for change in plan.changes} <= {Action.KEEP, Action.CREATE, Action.UPDATE}
    assert [field for change in plan.changes for field in _unexplained(change)] == []
    shown = text.render(plan)
    assert [secret for secret in SECRETS if secret in shown] == []


def _adopted(shared: bool) -> set[str]:
    return {"run.service", "sqladmin.instance"} | (set() if shared else {"storage.bucket"})


def _default(key: str) -> object:
    at = load_schema()
    for step in key.split("."):
        at = at.get("properties", {}).get(step, {})
    return at.get("default")


def _unexplained(change: Change) -> list[str]:
    whole = change.desired.origins.get("") if change.desired else None
    if change.action is Action.CREATE:
        return [] if (whole and whole.line) or purpose(change.ref) else [change.ref.address]
    if change.action is not Action.UPDATE:
        return []
    return [
        f"{change.ref.address} {field.field}"
        for field in change.fields
        if not _explained(change, field) and not (whole and whole.line and field.new == "granted")
    ]


def _explained(change: Change, field: FieldChange) -> bool:
    origin = change.desired.origins.get(field.field) if change.desired else None
    return bool((origin and origin.line) or why(change.ref, field.field))


def test_every_kind_has_a_purpose() -> None:
    """A plan says of each new resource what it is for."""
    from reconciler.reasons import FIELDS, PURPOSES

    assert set(PURPOSES) == set(BY_NAME)
    assert set(FIELDS) <= set(BY_NAME)
