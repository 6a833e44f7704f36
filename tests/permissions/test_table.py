"""What each kind asks for when it is read, as the table says, kind by kind."""

from __future__ import annotations

import pytest

from reconciler import pipeline
from reconciler.change import Action
from reconciler.expand import expand
from reconciler.gcp.cloud import Cloud
from reconciler.permissions import ASKED, Asked
from reconciler.registry import BY_NAME, KINDS
from reconciler.resources import serviceusage_services
from reconciler.sandbox import acting
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.scenarios.command import ROOT, Bench

SPEC = ROOT / "specs" / "quickstart.yaml"
KIND_NAMES = sorted(
    {d.ref.kind for kind in KINDS for d in kind.desired(load(SPEC), names_of(load(SPEC), "1")) if d.wanted}
)
OPERATOR = "user:operator@sandbox.example"


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_reading_a_kind_asks_for_what_the_table_says(settled: Bench, kind: str) -> None:
    """Nothing else; what the table has beyond it is asked for on bad days, and for another kind as well."""
    deployment = load(SPEC)
    cloud = Cloud(deployment.project, settled.endpoint)
    names = names_of(deployment, pipeline.look_at_project(cloud).number)
    wanted = expand(deployment, names, KINDS, serviceusage_services.ref(deployment.project))
    cloud.forget()
    acting.forget(settled.home)
    for desired in wanted:
        if desired.ref.kind == kind:
            BY_NAME[kind].observe(cloud, desired.ref)
    asked = {one["permission"] for one in acting.asked(settled.home) if one["member"] == OPERATOR}
    beyond = set(ASKED[kind].read) - asked
    assert asked <= set(ASKED[kind].read)
    assert beyond <= {"cloudsql.instances.get"}


def test_whoever_writes_reads_first() -> None:
    """A replacement deletes and makes anew; keeping is reading."""
    asked = Asked(("r",), ("c",), ("u",), ("d",))
    assert asked.by(Action.KEEP) == ("r",)
    assert asked.by(Action.CREATE) == ("r", "c")
    assert asked.by(Action.UPDATE) == ("r", "u")
    assert asked.by(Action.DELETE) == ("r", "d")
    assert set(asked.by(Action.REPLACE)) == {"r", "d", "c"}
    assert asked.all == {"r", "c", "u", "d"}
