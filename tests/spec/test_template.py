"""What `init` writes: valid, complete, and made from the schema."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec.deployment import Deployment
from reconciler.spec.load import load
from reconciler.spec.schema import load_schema, sections
from reconciler.spec.template import starter
from reconciler.spec.template import written as as_yaml


def written(tmp_path: Path, text: str) -> Deployment:
    """The deployment that *text* describes."""
    path = tmp_path / "mlflow-deployment.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_the_starter_is_a_valid_spec(tmp_path: Path) -> None:
    """As it is written, with the names that were asked for."""
    deployment = written(tmp_path, starter("mlflow-prod", "acme-ml", "europe-west9"))
    assert (deployment.name, deployment.project, deployment.region) == (
        "mlflow-prod",
        "acme-ml",
        "europe-west9",
    )


def test_the_starter_shows_every_key_at_its_default(tmp_path: Path) -> None:
    """Without the # before its keys it says the same deployment, now key by key."""
    text = starter("mlflow-prod", "acme-ml", "europe-west9")
    short = written(tmp_path, text)
    full = written(tmp_path, re.sub(r"^#(?! \S)", "", text, flags=re.MULTILINE))
    keys = {".".join(map(str, path)) for path, _ in sections(load_schema())}
    assert {key for key in full.origins if not key.rpartition(".")[2].isdigit()} == keys
    assert set(short.origins) == {"version", "name", "project", "region"}
    for field in (
        "networking",
        "auth",
        "scaling",
        "memory",
        "cpu",
        "lifecycle",
        "database",
        "server",
        "image",
    ):
        assert getattr(full, field) == getattr(short, field)


def test_the_starter_explains_every_key() -> None:
    """Title and description of each key stand in it, in whole."""
    text = " ".join(
        line.lstrip("# ") for line in starter("mlflow-prod", "acme-ml", "europe-west9").splitlines()
    )
    for path, inner in sections(load_schema()):
        assert f"{inner['title']}. {inner['description']}" in text, path


def test_the_starter_fits_a_page() -> None:
    """No line is wider than 100 columns."""
    assert max(map(len, starter("m" * 24, "p" * 30, "europe-west9").splitlines())) <= 100


def test_the_starter_names_the_schema_when_asked() -> None:
    """Editors read the first line; without a schema at hand the line is left out."""
    first = "# yaml-language-server: $schema=../schema/mlflow-deployment.schema.json"
    named = starter(
        "mlflow-prod", "acme-ml", "europe-west9", schema="../schema/mlflow-deployment.schema.json"
    )
    assert named.splitlines()[0] == first
    assert "yaml-language-server" not in starter("mlflow-prod", "acme-ml", "europe-west9")


@given(
    st.text()
    | st.sampled_from(["tok #1", "end ", "x:", "x\ncpu:\n  '8'", "a: b", "\x7f", "yes", "- a", "Ä \u2028"])
)
def test_whatever_is_written_reads_as_itself(value: str) -> None:
    """Nothing in a value can become a comment, a key or another value."""
    assert yaml.safe_load(f"key: {as_yaml(value)} # a remark\n") == {"key": value}
