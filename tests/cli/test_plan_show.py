"""`plan show`: a second person looks at a sealed plan, from the file alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler import sealed
from tests.builders import want
from tests.cli.conftest import Cli, World


@pytest.fixture(name="out")
def _out(cli: Cli, world: World, spec: Path) -> Path:
    """A sealed plan with a creation and an update."""
    world.kind.put("bucket", size=7)
    out = spec.with_name("plan.json")
    assert cli("plan", "--out", out, spec).code == 2
    return out


def test_the_plan_is_shown_as_it_was_reviewed(cli: Cli, world: World, spec: Path, out: Path) -> None:
    """Word for word, below what the file is bound to; nothing is read for it."""
    reviewed = cli("plan", spec).out
    world.kind.live.clear()
    said = cli("plan", "show", out)
    assert said.code == 2
    assert said.out.endswith("\n" + reviewed)
    assert "size: 7 -> 1" in said.out
    assert f"{spec}: still the one that the plan was made from" in said.out
    assert "seal:         intact" in said.out
    assert "made against: Google Cloud" in said.out
    assert sealed.read(str(out)).fingerprint in said.out


def test_markdown_begins_as_the_comment_did(cli: Cli, spec: Path, out: Path) -> None:
    """With the marker by which a workflow finds it; what it is bound to follows."""
    said = cli("plan", "show", "--format", "markdown", out)
    assert said.out.startswith(cli("plan", "--format", "markdown", spec).out)
    assert "- seal: `intact`" in said.out


def test_json_is_the_plans_own_with_what_it_is_bound_to(cli: Cli, spec: Path, out: Path) -> None:
    """Tools that read a plan read this one."""
    shown = json.loads(cli("plan", "show", out, "--format", "json").out)
    bound = shown.pop("sealed")
    assert shown == json.loads(cli("plan", "--format", "json", spec).out)
    assert (bound["intact"], bound["spec"], bound["spec_on_disk"], bound["endpoint"]) == (
        True,
        str(spec),
        "same",
        "",
    )


def test_a_plan_whose_spec_has_changed_is_shown_and_stale(cli: Cli, spec: Path, out: Path) -> None:
    """Exit 6, as apply would; the plan is shown all the same."""
    spec.write_text(spec.read_text(encoding="utf-8") + "memory: 1Gi\n", encoding="utf-8")
    said = cli("plan", "show", out)
    assert said.code == 6
    assert "has changed since the plan was made" in said.out
    assert "Plan: 1 to create, 1 to update" in said.out


def test_a_plan_without_its_spec_is_shown(cli: Cli, spec: Path, out: Path) -> None:
    """Whoever got the file alone reads it, and is told what he cannot know."""
    spec.unlink()
    said = cli("plan", "show", out)
    assert said.code == 2
    assert "nobody can tell whether it has changed" in said.out


def test_it_exits_as_the_plan_did(cli: Cli, world: World, spec: Path) -> None:
    """0 for nothing to do, 5 for a guard in the way."""
    out = spec.with_name("plan.json")
    world.kind.put("bucket", region="x")
    world.wanted[:] = [want("bucket", {"region": "y"}, fixed=frozenset({"region"}), holds_data=True)]
    cli("plan", "--out", out, spec)
    said = cli("plan", "show", out)
    assert said.code == 5
    assert "x refused: fake.thing/bucket holds data" in said.out
    world.wanted.clear()
    cli("plan", "--out", out, spec)
    assert cli("plan", "show", out).code == 0


def _cut(data: bytes) -> bytes:
    return data[:-20]


def _edited(data: bytes) -> bytes:
    return data.replace(b'"new": 1', b'"new": 2')


def _emptied(_data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [_cut, _edited, _emptied])
def test_a_damaged_plan_is_refused_in_one_message(cli: Cli, out: Path, damage: Any) -> None:
    """Exit 6, what is wrong with it and the way out; nothing of it is shown."""
    out.write_bytes(damage(out.read_bytes()))
    said = cli("plan", "show", out)
    assert (said.code, said.out) == (6, "")
    assert said.err.startswith(f"error: {out} is no sealed plan, or not all of one: ")
    assert "mlflow-reconcile plan SPEC --out FILE" in said.err
    assert "bug" not in said.err


@pytest.mark.parametrize("what", ["a spec", "a folder", "nothing"])
def test_what_is_no_plan_is_refused(cli: Cli, spec: Path, what: str) -> None:
    """The same exit code for whatever else is named."""
    path = {"a spec": spec, "a folder": spec.parent, "nothing": spec.with_name("gone")}[what]
    said = cli("plan", "show", path)
    assert (said.code, said.out) == (6, "")


def test_a_spec_called_show_is_planned(
    cli: Cli, world: World, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ./show, or behind an option."""
    del world
    spec.rename(spec.with_name("show"))
    monkeypatch.chdir(spec.parent)
    assert cli("plan", "./show").code == 2
    assert cli("plan", "--format", "text", "show").code == 2
    assert cli("plan", "show").code == 1


def test_a_plan_of_the_sandbox_is_not_carried_out_elsewhere(cli: Cli, world: World, out: Path) -> None:
    """Exit 6 and both places; nothing is written."""
    body = json.loads(out.read_bytes())
    del body["seal"]
    body["endpoint"] = "http://127.0.0.1:8080"
    out.write_text(json.dumps({**body, "seal": sealed.seal_of(body)}), encoding="utf-8")
    assert "made against: http://127.0.0.1:8080" in cli("plan", "show", out).out
    said = cli("apply", "--yes", out)
    assert said.code == 6
    assert "made against http://127.0.0.1:8080, and this would go to Google Cloud" in said.err
    assert world.kind.writes() == []


def test_showing_imports_no_google_library_and_opens_no_connection(out: Path) -> None:
    """It is for people without any access."""
    program = (
        "import socket, sys\n"
        "def refuse(*_args, **_more): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse\n"
        f"sys.argv = ['mlflow-reconcile', 'plan', 'show', {str(out)!r}]\n"
        "from reconciler.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print([n for n in sys.modules if n.startswith(('google', 'httpx', 'grpc'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.endswith("\n[]\n")
