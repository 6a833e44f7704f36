"""Looking for drift, and taking a deployment away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli, World


def _deployed(cli: Cli, world: World, spec: Path) -> None:
    cli("apply", "--yes", spec)
    world.kind.calls.clear()


def test_no_drift_exits_0(cli: Cli, world: World, spec: Path) -> None:
    """What was applied and left alone has not drifted."""
    _deployed(cli, world, spec)
    assert cli("drift", spec).code == 0


def test_drift_names_old_and_new_and_writes_nothing(cli: Cli, world: World, spec: Path) -> None:
    """Exit 2, the field, both values; a field that is not ours is not drift."""
    _deployed(cli, world, spec)
    world.kind.put("service", size=9, theirs="x")
    said = cli("drift", spec)
    assert said.code == 2
    assert "size: 9 -> 1" in said.out
    assert "theirs" not in said.out
    assert world.kind.calls == []


def test_drift_takes_several_specs(cli: Cli, world: World, spec: Path) -> None:
    """A folder of specs is one report each; as JSON, a list."""
    del world
    other = spec.with_name("other.yaml")
    other.write_text(
        spec.read_text(encoding="utf-8").replace("mlflow-test", "mlflow-other"), encoding="utf-8"
    )
    said = cli("drift", "--format", "json", spec.parent)
    assert said.code == 2
    assert [plan["deployment"] for plan in json.loads(said.out)] == ["mlflow-test", "mlflow-other"]


def test_destroy_leaves_data_and_says_so(cli: Cli, world: World, spec: Path) -> None:
    """The bucket stays; the service goes."""
    _deployed(cli, world, spec)
    said = cli("destroy", "--yes", spec)
    assert said.code == 0
    assert world.kind.writes() == [("delete", "service")]
    assert said.out.endswith("Left in place: fake.thing/bucket.\n")


def test_destroy_without_a_terminal_and_without_yes_deletes_nothing(
    cli: Cli, world: World, spec: Path
) -> None:
    """Nobody agreed: exit 5."""
    _deployed(cli, world, spec)
    assert cli("destroy", spec).code == 5
    assert world.kind.calls == []


def test_destroy_shows_what_would_go(cli: Cli, world: World, spec: Path) -> None:
    """A dry run names what goes and what stays, exits 2, and deletes nothing."""
    _deployed(cli, world, spec)
    said = cli("destroy", "--dry-run", spec)
    assert said.code == 2
    assert "- fake.thing/service" in said.out
    assert "fake.thing/bucket: left in place: it holds data" in said.out
    assert world.kind.calls == []


def test_data_goes_only_with_the_name(cli: Cli, world: World, spec: Path) -> None:
    """--yes is not the name, and another name is not the name; the name is."""
    _deployed(cli, world, spec)
    assert cli("destroy", "--delete-data", "--yes", spec).code == 5
    assert cli("destroy", "--delete-data", "--confirm", "mlflow-prod", spec).code == 5
    assert world.kind.calls == []
    assert cli("destroy", "--delete-data", "--confirm", "mlflow-test", spec).code == 0
    assert world.kind.writes() == [("delete", "service"), ("delete", "bucket")]


def test_destroying_nothing_is_done_at_once(cli: Cli, world: World, spec: Path) -> None:
    """Where nothing is deployed there is nothing to ask."""
    del world
    assert cli("destroy", spec).code == 0
