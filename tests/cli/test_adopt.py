"""`adopt`: what is shown, what is asked, what is written, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import want
from tests.cli.conftest import Cli, World

MARK = ("labels.owner", "us")


@pytest.fixture(name="foreign")
def _foreign(world: World) -> World:
    """A bucket of somebody's, under our name, that differs in its size, too."""
    world.kind.put("bucket", size=7)
    wanted = {"size": 1, "labels.owner": "us"}
    world.wanted[0] = want("bucket", wanted, holds_data=True, mark=MARK)
    return world


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_plan_and_apply_refuse_and_name_the_command(
    cli: Cli, foreign: World, spec: Path, command: str
) -> None:
    """Exit 5 before any write, with the spec as it was given."""
    said = cli(command, *(["--yes"] if command == "apply" else []), spec)
    assert said.code == 5
    assert f"to take it over: mlflow-reconcile adopt {spec}" in said.out
    assert foreign.kind.calls == []
    if command == "apply":
        assert "Take the change back" not in said.err


def test_drift_does_not_promise_what_apply_refuses(cli: Cli, foreign: World, spec: Path) -> None:
    """A label that somebody took off is drift; the way back is the sentence that stands there."""
    said = cli("drift", spec)
    assert (said.code, foreign.kind.calls) == (2, [])
    assert f"mlflow-reconcile adopt {spec}" in said.out
    assert said.out.endswith("`apply` will be refused.\n")


def test_adopting_writes_the_label_and_says_what_comes_next(cli: Cli, foreign: World, spec: Path) -> None:
    """The size waits for apply, which is not in the way any more."""
    said = cli("adopt", "--yes", spec)
    assert said.code == 0
    assert foreign.kind.writes() == [("update", "bucket", "labels.owner")]
    assert "Adoption: 1 to adopt." in said.out
    assert said.out.endswith("Next comes: Plan: 1 to create, 1 to update, 0 to delete, 0 unchanged.\n")
    planned = cli("plan", spec)
    assert (planned.code, "size: 7 -> 1" in planned.out) == (2, True)


def test_a_dry_run_only_shows(cli: Cli, foreign: World, spec: Path) -> None:
    """Exit 2, nothing written; JSON on stdout and nothing else."""
    said = cli("adopt", "--dry-run", "--format", "json", spec)
    assert (said.code, foreign.kind.calls) == (2, [])
    (change,) = json.loads(said.out)["resource_changes"]
    assert [field["path"] for field in change["change"]["fields"]] == ["labels.owner"]


def test_nothing_is_adopted_unasked(cli: Cli, foreign: World, spec: Path) -> None:
    """Without a terminal and without --yes: refused."""
    said = cli("adopt", spec)
    assert (said.code, foreign.kind.calls) == (5, [])
    assert "Add --yes" in said.err


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--yes"]])
def test_nothing_to_adopt_is_said(cli: Cli, world: World, spec: Path, options: list[str]) -> None:
    """Exit 0, no question, no write."""
    said = cli("adopt", *options, spec)
    assert (said.code, world.kind.calls) == (0, [])
    assert "Nothing to adopt" in said.out


@pytest.mark.parametrize("option", ["--dry-run", "--yes"])
def test_what_cannot_be_adopted_is_refused(cli: Cli, world: World, spec: Path, option: str) -> None:
    """Exit 5, with the field that is in the way."""
    world.kind.put("bucket", region="us")
    body = {"region": "fr", "labels.owner": "us"}
    world.wanted[0] = want("bucket", body, mark=MARK, fixed=frozenset({"region"}))
    said = cli("adopt", option, spec)
    assert (said.code, world.kind.calls) == (5, [])
    assert "region cannot change, us -> fr" in said.out
