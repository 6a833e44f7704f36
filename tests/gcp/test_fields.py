"""Between Google's nested JSON and our flat bodies."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gcp import fields

KEYS = st.text("abcdefgh", min_size=1, max_size=3)
TREES = st.recursive(
    st.integers() | st.text() | st.none() | st.booleans(),
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    items = cast("dict[str, Any]", tree)
    return {k: v for key, value in items.items() for k, v in _flat(value, f"{prefix}{key}.").items()}


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=3))
def test_nesting_undoes_flattening(tree: dict[str, Any]) -> None:
    """Dotted paths say exactly what the nested object said, and each value is found under its path."""
    flat = _flat(tree)
    assert fields.nested(flat) == tree
    assert {path: fields.at(tree, path) for path in flat} == flat


@pytest.mark.parametrize("path", ["a.b.c.d", "x", "x.y", "a.b.c"])
def test_a_missing_path_is_none(path: str) -> None:
    """Any part of the way may be missing, or end early in a value."""
    assert fields.at({"a": {"b": 1}}, path) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1000m", "1"), ("1.0", "1"), ("1", "1"), (1, "1"), ("500m", "0.5"), ("0.5", "0.5"), ("250m", "0.25"),
        ("10", "10"), ("100", "100"), ("1024Mi", "1Gi"), ("1Gi", "1Gi"), ("1.5Gi", "1536Mi"), ("512Mi", "512Mi"),
        ("524288Ki", "512Mi"), ("0.5Mi", "512Ki"), ("1G", "1000000000"), ("1000M", "1000000000"),
        ("2Ti", "2048Gi"), ("1M", "1000000"), ("16k", "16000"), ("", None), (None, None), ("lots", "lots"),
        ("someGi", "someGi"),
    ],
)  # fmt: skip
def test_a_quantity_has_one_spelling(written: Any, meant: str | None) -> None:
    """However Kubernetes lets it be written, equal amounts are equal; what is no amount stays as it is."""
    assert fields.quantity(written) == meant


@given(st.integers(1, 10**6), st.sampled_from(["", "m", "Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T"]))
def test_a_spelling_is_its_own_spelling(amount: int, suffix: str) -> None:
    """What was brought into one spelling stays in it."""
    once = fields.quantity(f"{amount}{suffix}")
    assert fields.quantity(once) == once


def test_a_map_keeps_other_peoples_entries() -> None:
    """Ours are set or taken away; the rest stays."""
    assert fields.with_map({"theirs": "x", "old": "y", "same": "1"}, {"old": None, "new": "z", "same": "2"}) == {
        "theirs": "x", "new": "z", "same": "2",
    }  # fmt: skip


def test_a_map_that_is_not_there_is_empty() -> None:
    """A resource without labels gets its first."""
    assert fields.with_map(None, {"a": "b"}) == {"a": "b"}


def test_maps_become_fields_and_come_back() -> None:
    """A map is one field per key, and only the asked-for keys come back."""
    flat = fields.prefixed("labels", {"a": "1", "b.c": "2"})
    assert flat == {"labels.a": "1", "labels.b.c": "2"}
    assert fields.under("labels", {**flat, "labelsX.a": "3"}) == {"a": "1", "b.c": "2"}
    assert fields.under("labels", flat, ["labels.a", "other"]) == {"a": "1"}


@pytest.mark.parametrize(("written", "meant"), [("12", 12), (12, 12), ("0", 0), (None, None), ("", None)])
def test_an_int64_is_a_number(written: Any, meant: int | None) -> None:
    """Google's JSON spells an int64 as a string; zero is not nothing."""
    assert fields.integer(written) == meant


def test_a_missing_list_is_empty() -> None:
    """An absent list has no items."""
    assert fields.items({"a": {"b": [{"c": 1}]}}, "a.b") == [{"c": 1}]
    assert fields.items({}, "a.b") == []
