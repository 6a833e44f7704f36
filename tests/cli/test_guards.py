"""What stands in the way of a plan: shown by whoever only looks, refused before anything is asked, taken or written."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from reconciler import lease
from reconciler.change import Change
from reconciler.gcp.cloud import Cloud
from reconciler.guards import organisation, quotas
from reconciler.guards.obstacle import Obstacle, Question
from reconciler.spec.deployment import Deployment
from tests.cli.conftest import Cli, World

POLICY = Obstacle(
    "a policy of the organisation forbids it (mlflow.yaml:5 auth.mode)", "Write something else."
)
QUOTA = Obstacle("a quota has 0 left", "Ask for more.")


class _Watched(lease.Lease):
    """A lease that must not be taken."""

    def take(self) -> None:
        """Say that it was."""
        raise AssertionError("the lease was taken")


def _taken(_lease: lease.Lease) -> None:
    """It is."""


def _nothing(_cloud: Cloud, _changes: Collection[Change]) -> list[Question]:
    return []


@pytest.fixture(name="hindered")
def _hindered(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Google Cloud that would refuse whatever is written, for two reasons, and a lease that nobody takes."""

    def saying(obstacle: Obstacle) -> object:
        def questions(_cloud: Cloud, changes: Collection[Change]) -> list[Question]:
            return [lambda: (obstacle,)] if changes else []

        return questions

    def look(cloud: Cloud, deployment: Deployment) -> lease.Lease:
        return _Watched(cloud, deployment, None)

    monkeypatch.setattr(organisation, "questions", saying(POLICY))
    monkeypatch.setattr(quotas, "questions", saying(QUOTA))
    monkeypatch.setattr(lease, "look", look)
    return monkeypatch


@pytest.mark.usefixtures("hindered")
@pytest.mark.parametrize("command", [("plan",), ("apply", "--dry-run")])
def test_who_only_looks_sees_what_stands_in_the_way(
    cli: Cli, world: World, spec: Path, command: tuple[str, ...]
) -> None:
    """In every format, with the exit code of a plan that would be refused."""
    text, markdown, document = (
        cli(*command, "--format", style, spec) for style in ("text", "markdown", "json")
    )
    assert {said.code for said in (text, markdown, document)} == {5}
    assert f"  x refused: {POLICY.says}; write something else.\n" in text.out
    assert "- :no_entry: **refused**: a quota has 0 left; ask for more.\n" in markdown.out
    assert json.loads(document.out)["obstacles"] == [str(POLICY), str(QUOTA)]
    assert world.kind.writes() == []


@pytest.mark.usefixtures("hindered")
def test_a_settled_deployment_has_nothing_in_its_way(cli: Cli, world: World, spec: Path) -> None:
    """Nobody is asked where nothing is to be written."""
    world.wanted.clear()
    assert cli("plan", spec).code == 0
    assert cli("apply", spec).code == 0


@pytest.mark.usefixtures("hindered")
@pytest.mark.parametrize("agreed", [("--yes",), ()])
def test_apply_is_refused_before_anybody_agrees(
    cli: Cli, world: World, spec: Path, agreed: tuple[str, ...]
) -> None:
    """Both reasons in one list; no question, no lease, no write."""
    said = cli("apply", *agreed, spec)
    assert said.code == 5
    assert f"refused, and no resource was touched:\n- {POLICY.says}\n- {QUOTA.says}\n" in said.err
    assert "Write something else." in said.err
    assert "Ask for more." in said.err
    assert world.kind.writes() == []


@pytest.mark.usefixtures("hindered")
def test_destroy_is_refused_before_the_lease_is_taken(cli: Cli, world: World, spec: Path) -> None:
    """Whatever writes asks first."""
    world.kind.put("service", size=1)
    said = cli("destroy", "--yes", spec)
    assert said.code == 5
    assert QUOTA.says in said.err
    assert "deleted" not in said.out
    assert [call for call in world.kind.writes() if call[0] == "delete"] == []


@pytest.mark.usefixtures("hindered")
def test_policies_are_skipped_with_the_permissions(cli: Cli, world: World, spec: Path) -> None:
    """An exception from a policy may hang on one resource, as a role may; a quota hangs on nothing."""
    said = cli("apply", "--yes", "--skip-permission-check", spec)
    assert said.code == 5
    assert POLICY.says not in said.err
    assert QUOTA.says in said.err
    assert world.kind.writes() == []


def test_a_sealed_plan_is_good_when_its_obstacles_are_gone(
    cli: Cli, world: World, spec: Path, tmp_path: Path, hindered: pytest.MonkeyPatch
) -> None:
    """They are shown with it and are no part of what it does; whoever applies it looks for them anew."""
    sealed = tmp_path / "plan.json"
    assert cli("plan", "--out", sealed, spec).code == 5
    shown = cli("plan", "show", sealed)
    assert (shown.code, QUOTA.says in shown.out) == (5, True)
    assert cli("apply", "--yes", sealed).code == 5
    assert world.kind.writes() == []
    for guard in (organisation, quotas):
        hindered.setattr(guard, "questions", _nothing)
    hindered.setattr(_Watched, "take", _taken)
    assert cli("apply", "--yes", sealed).code == 0
    assert len(world.kind.writes()) == 2
