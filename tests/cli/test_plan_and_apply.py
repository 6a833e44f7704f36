"""Planning, applying, sealing: what is asked, what is written, what is said."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from reconciler import errors
from tests.builders import want
from tests.cli.conftest import Cli, World


class _Terminal(io.StringIO):
    """Something that is a terminal, on which this was typed."""

    def isatty(self) -> bool:
        """It is."""
        return True


def _at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(typed))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")


def test_plan_shows_and_writes_nothing(cli: Cli, world: World, spec: Path) -> None:
    """Exit 2 where something has to change."""
    said = cli("plan", spec)
    assert said.code == 2
    assert "Plan: 2 to create, 0 to update, 0 to delete, 0 unchanged." in said.out
    assert world.kind.calls == []


def test_plan_exits_0_when_all_is_well(cli: Cli, world: World, spec: Path) -> None:
    """Nothing to do is success."""
    world.wanted.clear()
    assert cli("plan", spec).code == 0


@pytest.mark.parametrize("style", ["text", "json", "markdown"])
def test_check_is_dry_run_is_plan(cli: Cli, world: World, spec: Path, style: str) -> None:
    """Ansible's word, ours and the command of its own: the same output and exit code; nothing is written."""
    said = [
        cli("apply", "--check", "--diff", "--format", style, spec),
        cli("apply", "--dry-run", "--format", style, spec),
        cli("plan", "--format", style, spec),
    ]
    assert said[0] == said[1] == said[2]
    assert said[0].code == 2
    assert world.kind.calls == []


def test_apply_without_a_terminal_and_without_yes_writes_nothing(cli: Cli, world: World, spec: Path) -> None:
    """Nobody is there to agree: exit 5, and the option that would agree."""
    said = cli("apply", spec)
    assert said.code == 5
    assert "--yes" in said.err
    assert world.kind.calls == []


def test_apply_with_yes_does_it_and_says_where(cli: Cli, world: World, spec: Path) -> None:
    """Events line by line, a recap that Ansible users know, the URL at the end."""
    said = cli("apply", "--yes", spec)
    assert said.code == 0
    assert world.kind.writes() == [("create", "bucket"), ("create", "service")]
    assert said.out.endswith("mlflow-test serves at https://mlflow-test.run.app\n")
    assert "fake.thing/bucket: created in" in said.err
    assert said.err.endswith("mlflow-test : ok=2 changed=2 failed=0 skipped=0\n")


def test_a_second_apply_has_nothing_to_do_and_asks_nothing(cli: Cli, world: World, spec: Path) -> None:
    """No change, no question, no write, exit 0, also without --yes."""
    cli("apply", "--yes", spec)
    world.kind.calls.clear()
    said = cli("apply", spec)
    assert (said.code, world.kind.calls) == (0, [])
    assert "No changes." in said.out


def test_apply_as_json_prints_json_only(cli: Cli, world: World, spec: Path) -> None:
    """Whatever else is said goes to stderr."""
    said = cli("apply", "--yes", "--format", "json", spec)
    assert json.loads(said.out)["counts"]["create"] == 2
    assert world.kind.writes()


def test_the_question_is_asked_at_a_terminal(
    cli: Cli, world: World, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yes applies."""
    _at_a_terminal(monkeypatch, "y\n")
    said = cli("apply", spec)
    assert "Apply these changes?" in said.out
    assert len(world.kind.writes()) == 2


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_any_other_answer_writes_nothing(
    cli: Cli, world: World, spec: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """No, nothing, or the end of input: nothing was changed, and that is said."""
    _at_a_terminal(monkeypatch, answer)
    said = cli("apply", spec)
    assert said.code == 8
    assert "nothing was changed" in said.err
    assert world.kind.calls == []


def test_a_guard_stops_the_apply_before_the_question(cli: Cli, world: World, spec: Path) -> None:
    """Exit 5 with the sentence of the guard, --yes or not."""
    world.kind.put("bucket", region="x")
    world.wanted[0] = want("bucket", {"region": "y"}, fixed=frozenset({"region"}), holds_data=True)
    said = cli("apply", "--yes", spec)
    assert said.code == 5
    assert "fake.thing/bucket holds data" in said.err
    assert world.kind.calls == []


def test_a_failure_half_way_says_what_is_left(cli: Cli, world: World, spec: Path) -> None:
    """Exit 7, the cause, the recap, and that another run continues; it does."""
    world.kind.failing["create", "service"] = [errors.Refused("memory is too small", way_out="give it more")]
    said = cli("apply", "--yes", spec)
    assert said.code == 7
    assert "memory is too small\n  give it more" in said.err
    assert "mlflow-test : ok=1 changed=1 failed=1 skipped=0" in said.err
    assert cli("apply", "--yes", spec).code == 0
    assert world.kind.writes() == [("create", "bucket"), ("create", "service"), ("create", "service")]


def test_a_sealed_plan_is_carried_out(cli: Cli, world: World, spec: Path) -> None:
    """What was reviewed is applied."""
    out = spec.with_name("plan.json")
    said = cli("plan", "--out", out, spec)
    assert said.code == 2
    assert str(out) in said.err
    assert cli("apply", "--yes", out).code == 0
    assert len(world.kind.writes()) == 2


def test_a_sealed_plan_is_refused_after_somebody_changed_something(
    cli: Cli, world: World, spec: Path
) -> None:
    """Exit 6, nothing written."""
    out = spec.with_name("plan.json")
    cli("plan", "--out", out, spec)
    world.kind.put("bucket", size=7)
    said = cli("apply", "--yes", out)
    assert said.code == 6
    assert world.kind.calls == []


def test_a_sealed_plan_is_refused_after_the_spec_changed(cli: Cli, world: World, spec: Path) -> None:
    """The spec that was reviewed is not the one that is there."""
    out = spec.with_name("plan.json")
    cli("plan", "--out", out, spec)
    spec.write_text(spec.read_text(encoding="utf-8") + "memory: 1Gi\n", encoding="utf-8")
    assert cli("apply", "--yes", out).code == 6
    assert world.kind.calls == []


def test_colour_is_for_terminals(cli: Cli, world: World, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour on a terminal, none with NO_COLOR, none in a pipe."""
    del world
    assert "\033[" not in cli("plan", spec).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[32m" in cli("plan", spec).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[" not in cli("plan", spec).out
