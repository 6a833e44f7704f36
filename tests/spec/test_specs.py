"""The example specs: valid without a warning, complete, and joined to the schema for editors."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec.files import data_path, image_folder, schema_path, specs_folder
from reconciler.spec.load import check, load
from reconciler.spec.schema import load_schema, sections

SPECS = sorted(specs_folder().glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path) -> None:
    """Nothing to find, not even a warning."""
    assert check(path) == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_an_example_names_the_schema_in_its_first_line(path: Path) -> None:
    """And the file that it names is the schema."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    marker, _, target = first.partition("$schema=")
    assert marker == "# yaml-language-server: "
    assert (path.parent / target).resolve() == schema_path().resolve()


def test_the_examples_mention_every_key_and_explain_themselves() -> None:
    """Nobody has to read the schema to find a key."""
    mentioned = {key for path in SPECS for key in load(path).origins}
    assert {".".join(map(str, key)) for key, _ in sections(load_schema())} <= mentioned
    for path in SPECS:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert sum("#" in line for line in lines) > len(lines) / 4
        assert max(map(len, lines)) <= 110


def test_quickstart_is_short_and_as_small_as_it_can_be() -> None:
    """The first thing that a newcomer reads, and what the sandbox runs."""
    path = specs_folder() / "quickstart.yaml"
    deployment = load(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) < 20
    assert (deployment.name, deployment.project, deployment.region) == (
        "mlflow-quickstart",
        "mlflow-sandbox",
        "europe-west1",
    )
    assert (deployment.memory, deployment.database.tier, deployment.auth.mode) == (
        "512Mi",
        "db-f1-micro",
        "basic",
    )
    assert not deployment.database.deletion_protection


def test_the_files_that_come_along_are_found() -> None:
    """In a checkout they lie beside the package; what is nowhere is named."""
    assert schema_path().is_file()
    assert image_folder().is_dir()
    with pytest.raises(FileNotFoundError, match="nothing-like-it"):
        data_path("nothing-like-it")


def test_the_files_of_an_installed_wheel_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel carries them inside the package, under data/."""
    from reconciler.spec import files

    (tmp_path / "reconciler" / "data" / "schema").mkdir(parents=True)
    (tmp_path / "schema").mkdir()
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "reconciler")
    assert data_path("schema") == tmp_path / "reconciler" / "data" / "schema"
