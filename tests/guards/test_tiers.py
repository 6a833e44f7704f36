"""Tiers: whether the region has the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.change import Action
from reconciler.guards import tiers
from tests.guards.asking import Google, at_action, deployed, from_nothing, of

LISTED: dict[str, Any] = {
    "items": [
        {"tier": "D0", "region": ["europe-north2"]},
        {"tier": "db-f1-micro", "region": ["europe-west1", "europe-north2"]},
        {"tier": "db-perf-optimized-N-2", "region": ["europe-west1"]},
    ]
}
PLUS = "database: {edition: enterprise-plus, tier: db-perf-optimized-N-2}\n"
CUSTOM = "database: {tier: db-custom-1-3840}\n"


def found(google: Google, folder: Path, text: str, region: str) -> list[str]:
    """What stands in the way of a deployment in an empty project."""
    plan = from_nothing(deployed(folder, text, region))
    return [str(one) for question in tiers.questions(google.cloud(), plan.wanted) for one in question()]


@pytest.mark.parametrize(
    ("text", "region", "words"),
    [
        (PLUS, "europe-west1", ""),
        (
            PLUS,
            "europe-north2",
            "europe-north2 has no machine db-perf-optimized-N-2 ({file}:5 database.tier); write",
        ),
        ("", "europe-north2", ""),
        (CUSTOM, "europe-north2", ""),  # of custom tiers a few are listed, and stand for all
        (
            CUSTOM,
            "us-east1",
            "Cloud SQL has no machines in us-east1 ({file}:4 region); choose another region.",
        ),
    ],
)
def test_a_machine_is_where_it_is_listed(tmp_path: Path, text: str, region: str, words: str) -> None:
    """Named with the line that asks for it, and with machines that are there."""
    google = Google({"list": LISTED})
    said = found(google, tmp_path, text, region)
    assert google.asked == [("list", {"project": "acme-ml"})]
    assert len(said) == bool(words)
    assert words.format(file=tmp_path / "mlflow.yaml") in "".join(said)


@pytest.mark.parametrize(
    ("plus", "way_out"),
    [
        (
            [],
            "write database.edition: enterprise with database.tier: db-custom-CPUS-MEMORY, or choose another",
        ),
        (["db-perf-optimized-N-4"], "write database.tier: db-perf-optimized-N-4, or choose another"),
    ],
)
def test_what_is_proposed_is_there(tmp_path: Path, plus: list[str], way_out: str) -> None:
    """A machine of the same edition, else the other edition."""
    more = [{"tier": tier, "region": ["europe-north2"]} for tier in plus]
    google = Google({"list": {"items": [*LISTED["items"], *more]}})
    assert way_out in "".join(found(google, tmp_path, PLUS, "europe-north2"))


def test_a_list_without_tiers_is_left_to_google(tmp_path: Path) -> None:
    """Nothing is known from no answer."""
    assert found(Google({"list": {}}), tmp_path, PLUS, "europe-north2") == []


def test_only_a_change_of_machine_is_asked_about(tmp_path: Path) -> None:
    """Another disk of an instance that is there needs no machine."""
    change = of(from_nothing(deployed(tmp_path)), "sqladmin.instance")
    cloud = Google().cloud()
    disk = at_action(change, Action.UPDATE, "settings.dataDiskSizeGb")
    assert list(tiers.questions(cloud, [disk, at_action(change, Action.DELETE)])) == []
    for field in ("settings.tier", "settings.edition"):
        assert len(list(tiers.questions(cloud, [at_action(change, Action.UPDATE, field)]))) == 1
