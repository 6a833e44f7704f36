"""The bucket's lifecycle: the spec's prefixes, and rules of others that would delete models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.diff import diff
from reconciler.model import Desired, Observed
from reconciler.resources.storage_bucket import EXPIRY, Bucket
from reconciler.server.naming import names_of
from reconciler.spec.load import load

AGE = {"action": {"type": "Delete"}, "condition": {"age": 90}}


@pytest.fixture(name="wanted")
def _wanted(tmp_path: Path) -> Callable[[str], Desired]:
    def make(text: str) -> Desired:
        spec = tmp_path / "spec.yaml"
        spec.write_text(f"version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n{text}")
        deployment = load(spec)
        return next(iter(Bucket().desired(deployment, names_of(deployment, "1"))))

    return make


def _alive(desired: Desired, rules: list[dict[str, Any]]) -> Observed:
    body: Any = {**(desired.body or {}), EXPIRY: rules}
    return Observed(desired.ref, body)


def test_prefixes_of_one_age_share_a_rule(wanted: Callable[[str], Desired]) -> None:
    """Cloud Storage takes a hundred rules for a bucket, and fifty prefixes for each."""
    expiries = "{prefix: b/, after_days: 3}, {prefix: tmp/, after_days: 9}, {prefix: a/, after_days: 3}"
    body = wanted(f"lifecycle: {{delete_prefixes: [{expiries}]}}\n").body or {}
    assert body[EXPIRY] == [
        {"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["a/", "b/"]}},
        {"action": {"type": "Delete"}, "condition": {"age": 9, "matchesPrefix": ["tmp/"]}},
    ]


def test_a_rule_of_others_that_deletes_by_age_is_grave(wanted: Callable[[str], Desired]) -> None:
    """It cannot know which models are registered; one of ours that is missing loses nothing."""
    desired = wanted("lifecycle: {delete_prefixes: [{prefix: tmp/, after_days: 9}]}\n")
    own: Any = (desired.body or {})[EXPIRY]
    assert diff(desired, _alive(desired, [*own, AGE])).grave
    lost = diff(desired, _alive(desired, []))
    assert [field.field for field in lost.fields] == [EXPIRY]
    assert not lost.grave
    assert not diff(desired, _alive(desired, own)).fields
