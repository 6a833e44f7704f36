"""What a deployment is called and where it is: keys that make another deployment, or cannot change at all."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.errors import SpecInvalid
from reconciler.spec.load import load
from tests.keys.live import FIRST, Case, Live, keys_of, lines, living, prove
from tests.sandbox.calls import new_project

LABELLED = (
    "artifactregistry.repository/mlflow-keys labels.team",
    "run.job/mlflow-keys-migrate labels.team",
    "run.service/mlflow-keys labels.team",
    "secretmanager.secret/mlflow-keys-db-password labels.team",
    "secretmanager.secret/mlflow-keys-login-password labels.team",
    "sqladmin.instance/mlflow-keys settings.userLabels.team",
    "storage.bucket/every-key-mlflow-keys-artifacts labels.team",
    "storage.bucket/every-key-mlflow-keys-build labels.team",
)
CASES = {
    "labels": Case({"team": "ml"}, tuple(f"~ {field}: None -> ml" for field in LABELLED)),
    "extends": Case(
        "base.yaml",
        ("~ run.service/mlflow-keys template.maxInstanceRequestConcurrency: 40 -> 20",),
    ),
}
OTHERS = {"version", "name", "project", "region"}
"""Keys with a test of their own below."""


@pytest.fixture(scope="module", name="live")
def _live(tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    folder: Path = tmp_path_factory.mktemp("identity")
    (folder / "base.yaml").write_text("version: 1\nscaling: {concurrency: 20}\n", encoding="utf-8")
    with living(folder, mlflow=False) as live:
        yield live


@pytest.mark.parametrize("key", [key for key in keys_of("extends", "labels") if key not in OTHERS])
def test_a_key_changes_exactly_what_it_says(live: Live, key: str) -> None:
    """Applied, it leaves nothing to say; applied again, nothing is written."""
    prove(live, key, CASES)


def test_every_key_at_the_top_has_its_test() -> None:
    """A new one without would be forgotten."""
    plain = set(keys_of("version", "extends", "name", "project", "region", "labels"))
    assert plain == OTHERS | CASES.keys()


def test_there_is_one_version_of_the_format(live: Live) -> None:
    """Another one is refused before anything is asked."""
    live.say("version", 2)
    with pytest.raises(SpecInvalid, match="version"):
        load(live.file)
    live.say("version", 1)


def test_the_region_cannot_change(live: Live) -> None:
    """What holds data would have to be made again elsewhere, and that is never done."""
    live.say("region", "europe-west9")
    blocked = {change.ref.kind for change in live.plan().changes if change.blocked}
    assert blocked == {"sqladmin.instance", "storage.bucket"}
    live.say("region", FIRST["region"])
    assert lines(live.plan()) == []


@pytest.mark.parametrize(("key", "value"), [("name", "mlflow-second"), ("project", "another-project")])
def test_another_name_or_project_is_another_deployment(live: Live, key: str, value: str) -> None:
    """All of it is made anew, beside the first one, which nobody touches."""
    if key == "project":
        new_project(live.port, project=value)
    before = live.said[key]
    live.say(key, value)
    planned = lines(live.plan())
    signs = {
        line.split()[0] for line in planned if not line.startswith(("~ serviceusage", "~ cloudresource"))
    }
    assert signs == {"+"}
    assert not [line for line in planned if "mlflow-keys" in line and key == "name" and "granted" not in line]
    live.apply()
    assert lines(live.plan()) == []
    writes = len(live.way.writes)
    live.apply()
    assert live.way.writes[writes:] == []
    live.say(key, before)
    assert lines(live.plan()) == []
