"""Starting a spec, and checking one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

WRONG = """\
version: 1
name: mlflow-test
project: acme-ml
region: europe-west1
auth: {mode: basik}
memori: 2Gi
scaling: {max_instances: many}
"""


def test_init_writes_a_spec_that_validates(cli: Cli, tmp_path: Path) -> None:
    """What init writes is a valid spec with the names that were asked for."""
    path = tmp_path / "new.yaml"
    assert cli("init", path, "--name", "my-mlflow", "--project", "acme-ml", "--region", "us-east1").code == 0
    said = cli("validate", path)
    assert (said.code, said.out) == (0, f"{path}: my-mlflow is valid.\n")
    assert "us-east1" in path.read_text(encoding="utf-8")


def test_init_never_overwrites(cli: Cli, spec: Path) -> None:
    """A file that is there stays as it is, and the command says so."""
    before = spec.read_bytes()
    said = cli("init", spec)
    assert said.code == 1
    assert said.err.startswith(f"error: {spec} exists, and was not touched\n")
    assert spec.read_bytes() == before


def test_init_into_a_folder_that_is_not_there_says_so(cli: Cli, tmp_path: Path) -> None:
    """A missing folder is one message."""
    said = cli("init", tmp_path / "no" / "new.yaml")
    assert said.code == 1
    assert said.err == f"error: {tmp_path}/no/new.yaml: No such file or directory\n"


def test_validate_reports_every_finding_at_once(cli: Cli, tmp_path: Path) -> None:
    """Three mistakes are three findings with their lines, and exit 3."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    said = cli("validate", path)
    assert said.code == 3
    for line, key in ((5, "auth.mode"), (6, "memori"), (7, "scaling.max_instances")):
        assert [one for one in said.err.splitlines() if f":{line}:" in one and key in one]


def test_validate_as_json_is_json(cli: Cli, tmp_path: Path) -> None:
    """Findings for machines: file, line, column, key."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    said = cli("validate", "--format", "json", path)
    body = json.loads(said.out)
    assert (said.code, body["valid"]) == (3, False)
    assert {(finding["line"], finding["key"]) for finding in body["findings"]} >= {(5, "auth.mode")}


def test_validate_takes_a_folder(cli: Cli, spec: Path) -> None:
    """Every spec in it is checked; one that is wrong does not hide the others."""
    spec.with_name("wrong.yml").write_text(WRONG, encoding="utf-8")
    said = cli("validate", spec.parent)
    assert said.code == 3
    assert "mlflow-test is valid" in said.out
    assert "wrong.yml" in said.err


def test_a_folder_without_specs_is_an_error(cli: Cli, tmp_path: Path) -> None:
    """Checking nothing is not success: in CI it would hide a moved folder."""
    said = cli("validate", tmp_path)
    assert said.code == 3
    assert "no .yaml file" in said.err


@pytest.mark.parametrize("command", ["plan", "apply", "destroy", "status", "verify", "login", "drift"])
def test_a_wrong_spec_stops_every_command(cli: Cli, tmp_path: Path, command: str) -> None:
    """Exit 3 before anything is connected to."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    said = cli(command, path)
    assert said.code == 3
    assert said.err.count("error") >= 1
    assert "memori" in said.err


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_a_spec_that_is_not_there_is_one_message(cli: Cli, tmp_path: Path, command: str) -> None:
    """No traceback, and the path."""
    said = cli(command, tmp_path / "nothing.yaml")
    assert said.code == 3
    assert "nothing.yaml" in said.err
    assert "Traceback" not in said.err


def test_validate_prints_what_a_spec_means_with_those_that_it_extends(cli: Cli, spec: Path) -> None:
    """As YAML with the file of each line; as JSON for machines; for a spec without a base only when asked."""
    child = spec.with_name("child.yaml")
    child.write_text(f"version: 1\nextends: {spec.name}\nname: mlflow-child\nmemory: 2Gi\n", encoding="utf-8")
    said = cli("validate", child)
    assert said.code == 0
    assert f'memory: "2Gi"  # {child}:4\n' in said.out
    assert f"# {spec}:" in said.out
    assert json.loads(cli("validate", "--format", "json", child).out)["merged"][str(child)]["memory"] == "2Gi"
    assert "# " not in cli("validate", spec).out
    assert f"# {spec}:" in cli("validate", "--merged", spec).out
