"""Whatever a file holds, the loader answers with findings or a deployment, and never with anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import SpecInvalid
from reconciler.spec.load import load, read
from reconciler.spec.schema import Schema, load_schema, sections

QUICK = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)

KEYS = sorted({str(path[-1]) for path, _ in sections(load_schema())})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["1Gi", "db-f1-micro", "db-custom-3-1", "iam", "0.5", "03:00", "x" * 300, "a\n", "allUsers"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6),
    ),
    max_leaves=25,
)


def shaped(schema: Schema) -> st.SearchStrategy[Any]:
    """Values in the schema's own shape: some keys of each section, at an example or at anything."""
    if "properties" not in schema:
        return st.sampled_from(list(schema["examples"])) | SCALARS
    return st.fixed_dictionaries(
        {}, optional={key: shaped(inner) for key, inner in schema["properties"].items()}
    )


SYNTAX = st.text(alphabet=st.sampled_from(list("ab1:-[]{}#&*!|>'\"%@`,? \n\t~<.=\\")), max_size=200)


def answers(path: Path) -> None:
    """Holds the promise for one file."""
    deployment, findings = read(path)
    errors = [finding for finding in findings if finding.severity == "error"]
    assert (deployment is None) == bool(errors)
    for finding in findings:
        assert finding.message
        assert "\n" not in finding.message
    if deployment is not None:
        assert load(path) == deployment
        return
    with pytest.raises(SpecInvalid) as raised:
        load(path)
    assert all(str(error) in raised.value.message for error in errors)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_answered(tmp_path: Path, data: bytes) -> None:
    """Bytes of any kind."""
    path = tmp_path / "any.yaml"
    path.write_bytes(data)
    answers(path)


@QUICK
@given(SYNTAX)
def test_any_punctuation_is_answered(tmp_path: Path, text: str) -> None:
    """Text that is dense with YAML's syntax."""
    path = tmp_path / "any.yaml"
    path.write_text(text, encoding="utf-8")
    answers(path)


@QUICK
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12))
def test_any_values_under_our_keys_are_answered(tmp_path: Path, values: dict[str, Any]) -> None:
    """Well-formed YAML with our own keys in any place and any values."""
    path = tmp_path / "any.yaml"
    start = {"version": 1, "name": "mlflow-test", "project": "acme-ml", "region": "europe-west1"}
    path.write_text(yaml.safe_dump({**start, **values}, allow_unicode=True), encoding="utf-8")
    answers(path)


@QUICK
@given(shaped(load_schema()))
def test_specs_of_the_right_shape_are_answered(tmp_path: Path, values: dict[str, Any]) -> None:
    """Every key in its place, with values that reach the rules or just miss the schema."""
    path = tmp_path / "any.yaml"
    start = {"version": 1, "name": "mlflow-test", "project": "acme-ml", "region": "europe-west1"}
    path.write_text(yaml.safe_dump({**start, **values}, allow_unicode=True), encoding="utf-8")
    answers(path)
