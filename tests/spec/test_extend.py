"""One spec, several environments: bases, variables, and where every value and every mistake comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec.files import spec_files
from reconciler.spec.load import check, files_of, load, look
from reconciler.spec.show import plain, shown
from tests.spec.conftest import START

BASE = START + (
    "labels:\n  team: ml\n  tier: gold\n"
    "scaling: {min_instances: 1, max_instances: 2}\n"
    "server:\n  env:\n    A: base\n    B: base\n"
    "networking: {allowed_hosts: [a.example, b.example]}\n"
)
TOP = (
    "version: 1\nextends: base.yaml\nname: mlflow-dev\n"
    "labels: {tier: silver}\n"
    "scaling: {min_instances: 0}\n"
    "server: {env: {B: top, C: top}}\n"
    "networking: {allowed_hosts: [c.example]}\n"
)


def _write(folder: Path, **texts: str) -> str:
    """Files named like the keywords; the path of the first."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return str(folder / f"{next(iter(texts))}.yaml")


def test_sections_are_merged_and_lists_replace(tmp_path: Path) -> None:
    """Key by key at every depth; a list is one value."""
    deployment = load(_write(tmp_path, top=TOP, base=BASE))
    assert (deployment.name, deployment.project) == ("mlflow-dev", "acme-ml")
    assert deployment.labels == {"team": "ml", "tier": "silver"}
    assert (deployment.scaling.min_instances, deployment.scaling.max_instances) == (0, 2)
    assert deployment.server.env == {"A": "base", "B": "top", "C": "top"}
    assert deployment.networking.allowed_hosts == ("c.example",)
    assert deployment.extends == "base.yaml"


def test_every_value_knows_its_file_and_line(tmp_path: Path) -> None:
    """So a plan points at the line that asks for a change, in whichever file."""
    path = _write(tmp_path, top=TOP, base=BASE)
    deployment = load(path)
    base = str(tmp_path / "base.yaml")
    expected = {
        "labels.team": (base, 6), "labels.tier": (path, 4), "scaling.max_instances": (base, 8),
        "server.env.A": (base, 11), "server.env.B": (path, 6), "networking.allowed_hosts": (path, 7),
        "networking.allowed_hosts.0": (path, 7), "project": (base, 3),
    }  # fmt: skip
    assert {key: (deployment.origin(key).file, deployment.origin(key).line) for key in expected} == expected
    assert "networking.allowed_hosts.1" not in deployment.origins


def test_null_takes_out_what_was_said_below(tmp_path: Path) -> None:
    """A value, an entry of a map or a section: the schema's default holds again."""
    top = (
        "version: 1\nextends: base.yaml\nlabels: {tier: null}\nscaling: ~\n"
        "server: {env: {B: null}}\nnetworking: {allowed_hosts: null}\n"
    )
    deployment = load(_write(tmp_path, top=top, base=BASE))
    assert deployment.labels == {"team": "ml"}
    assert deployment.scaling.min_instances == 0
    assert deployment.server.env == {"A": "base"}
    assert deployment.networking.allowed_hosts == ()
    assert str(deployment.origin("scaling.min_instances")) == "default of scaling.min_instances"


def test_what_is_extended_may_extend_another_and_lie_elsewhere(tmp_path: Path) -> None:
    """Paths count from the file that names them."""
    (tmp_path / "shared").mkdir()
    _write(tmp_path / "shared", middle="version: 1\nextends: ../base.yaml\nmemory: 2Gi\n")
    path = _write(tmp_path, top="version: 1\nextends: shared/middle.yaml\nname: mlflow-top\n", base=BASE)
    deployment = load(path)
    assert (deployment.name, deployment.memory, deployment.labels["team"]) == ("mlflow-top", "2Gi", "ml")
    assert files_of(path) == (path, str(tmp_path / "shared" / "middle.yaml"), str(tmp_path / "base.yaml"))


def test_a_mistake_is_told_where_it_stands(tmp_path: Path) -> None:
    """A wrong value of the base in the base's file and line, one of the spec in the spec's, the spec's first."""
    path = _write(tmp_path, top=TOP + "cpuu: 2\n", base=BASE + "memory: lots\n")
    found = [(finding.file, finding.line, finding.key) for finding in check(path)]
    assert found == [(path, 8, "cpuu"), (str(tmp_path / "base.yaml"), 14, "memory")]


def test_a_rule_points_at_the_file_of_its_key(tmp_path: Path) -> None:
    """What two files make wrong together is told at the first key that stands somewhere."""
    path = _write(tmp_path, top="version: 1\nextends: base.yaml\nscaling: {min_instances: 5}\n", base=BASE)
    (finding,) = check(path)
    assert (finding.file, finding.line, finding.key) == (path, 3, "scaling.min_instances")
    assert "more than max_instances (2)" in finding.message


def test_a_mistake_that_is_replaced_is_told_all_the_same(tmp_path: Path) -> None:
    """A trap of YAML in the base is one for the next spec that extends it."""
    path = _write(tmp_path, top="version: 1\nextends: base.yaml\nmemory: 2Gi\n", base=BASE + "memory: 010\n")
    (finding,) = check(path)
    assert (finding.file, finding.line) == (str(tmp_path / "base.yaml"), 14)


@pytest.mark.parametrize(
    ("texts", "line", "message", "way_out"),
    [
        ({"top": "version: 1\nextends: no.yaml\n"}, 2, "no.yaml does not exist", "from the folder of"),
        ({"top": "version: 1\nextends: top.yaml\n"}, 2, "extends this file itself", "circle"),
        (
            {"top": "version: 1\nextends: base.yaml\n", "base": "version: 1\nextends: top.yaml\n"},
            2,
            "extends this file itself",
            "circle",
        ),
        ({"top": "version: 1\nextends: base.yaml\n", "base": "- a\n"}, 2, "not a mapping", "name a spec"),
    ],
)
def test_what_cannot_be_extended(
    tmp_path: Path, texts: dict[str, str], line: int, message: str, way_out: str
) -> None:
    """One finding at the key, or in the base where the circle closes."""
    findings = [finding for finding in check(_write(tmp_path, **texts)) if finding.key == "extends"]
    assert [(finding.line, finding.severity) for finding in findings] == [(line, "error")]
    assert message in findings[0].message
    assert way_out in findings[0].way_out


def test_what_is_no_yaml_is_told_in_its_own_file(tmp_path: Path) -> None:
    """With the line at which reading stopped."""
    path = _write(tmp_path, top="version: 1\nextends: base.yaml\n", base="a: [1\n")
    assert str(tmp_path / "base.yaml") in {finding.file for finding in check(path)}


def test_the_merged_spec_is_a_spec_that_means_the_same(tmp_path: Path) -> None:
    """Each line says its file; written to a file of its own it is the same deployment."""
    path = _write(tmp_path, top=TOP, base=BASE)
    reading = look(path).reading
    assert reading is not None
    text = shown(reading)
    assert f"  min_instances: 0  # {path}:5\n" in text
    assert f"  max_instances: 2  # {tmp_path / 'base.yaml'}:8\n" in text
    alone = look(_write(tmp_path, alone=text)).reading
    assert alone is not None
    assert plain(alone) == plain(reading)


def test_a_folder_leaves_out_what_is_only_there_to_be_extended(tmp_path: Path) -> None:
    """A base without a name is no spec; a whole spec is one, whoever extends it."""
    part = "version: 1\nmemory: 2Gi\n"
    _write(
        tmp_path,
        part=part,
        whole=START,
        a=START + "extends: part.yaml\n",
        b="version: 1\nextends: whole.yaml\n",
    )
    _write(tmp_path, stray="version: 1\nmemory: 1Gi\n")
    assert [Path(file).stem for file in spec_files([str(tmp_path)])] == ["a", "b", "stray", "whole"]


VARIABLES = START.replace("acme-ml", "${TEAM_PROJECT}").replace("europe-west1", "${TEAM_REGION}")


def test_a_variable_is_filled_in_where_the_schema_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is held against the schema like what stands in the file."""
    monkeypatch.setenv("TEAM_PROJECT", "team-project")
    monkeypatch.setenv("TEAM_REGION", "europe-west9")
    deployment = load(_write(tmp_path, top=VARIABLES))
    assert (deployment.project, deployment.region) == ("team-project", "europe-west9")
    monkeypatch.setenv("TEAM_PROJECT", "Team Project")
    (finding,) = check(str(tmp_path / "top.yaml"))
    assert (finding.key, finding.line) == ("project", 3)


@pytest.mark.parametrize(
    ("text", "value", "key", "message"),
    [
        (START.replace("acme-ml", "${TEAM_X}"), "", "project", "TEAM_X is not set"),
        (START.replace("acme-ml", "${TEAM_TOKEN}"), "abc123", "project", "looks like a secret"),
        (START.replace("acme-ml", "${TEAM_X}"), "${TEAM_X}", "project", "names a variable itself"),
        (START + "memory: ${TEAM_X}\n", "1Gi", "memory", "is not read here"),
        (START + "auth: {mode: basic, username: '${TEAM_X}'}\n", "x", "auth.username", "is not read here"),
        (START + "server: {secrets: {A: '${TEAM_X}'}}\n", "a:1", "server.secrets.A", "is not read here"),
    ],
)
def test_a_variable_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: str, key: str, message: str
) -> None:
    """One finding at its key, which never repeats the variable's value."""
    monkeypatch.setenv("TEAM_X", value)
    monkeypatch.setenv("TEAM_TOKEN", value)
    (finding,) = check(_write(tmp_path, top=text))
    assert (finding.key, finding.severity) == (key, "error")
    assert message in finding.message
    assert value not in finding.way_out or value in ("", "${TEAM_X}", "x")


def test_the_environment_of_the_server_is_left_alone(tmp_path: Path) -> None:
    """There ${…} may mean something to the program that reads it."""
    deployment = load(_write(tmp_path, top=START + "server: {env: {PATTERN: '${name}'}}\n"))
    assert deployment.server.env == {"PATTERN": "${name}"}
