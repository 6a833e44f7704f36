"""From a deployment to what is wanted of every resource, and to nothing wanted at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.expand import expand, nothing
from reconciler.model import Desired
from reconciler.registry import KINDS
from reconciler.resources import serviceusage_services
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.builders import ref, want

START = "version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n"
NONE = "auth: {mode: none, acknowledge_public: true}\n"
IAM = "auth: {mode: iam, invokers: ['user:ada@acme.example']}\n"


def _wanted(folder: Path, text: str) -> tuple[Desired, ...]:
    path = folder / "mlflow.yaml"
    path.write_text(START + text, encoding="utf-8")
    deployment = load(path)
    names = names_of(deployment, "123456789012")
    return expand(deployment, names, KINDS, serviceusage_services.ref(names.project))


def test_everything_needs_the_apis_but_they_need_nothing(tmp_path: Path) -> None:
    """Nothing can be made before its API is enabled."""
    apis, *others = _wanted(tmp_path, NONE)
    assert apis.needs == ()
    assert all(one.needs[0] == apis.ref for one in others)


def test_no_resource_is_wanted_twice(tmp_path: Path) -> None:
    """One ref is one resource: the later of two would hide the earlier."""
    refs = [one.ref for one in _wanted(tmp_path, NONE)]
    assert len(refs) == len(set(refs))


@pytest.mark.parametrize("other", ["auth: {mode: basic}\n", IAM])
def test_every_spec_speaks_of_the_same_resources(tmp_path: Path, other: str) -> None:
    """What is off is wanted absent, so that turning it off removes it."""
    assert {one.ref for one in _wanted(tmp_path, other)} == {one.ref for one in _wanted(tmp_path, NONE)}


def test_every_need_is_itself_a_resource_of_the_deployment(tmp_path: Path) -> None:
    """A need that nobody fulfils would be a typing error in a name."""
    wanted = _wanted(tmp_path, "auth: {mode: basic}\n")
    refs = {one.ref for one in wanted}
    assert {needed for one in wanted for needed in one.needs} <= refs


def test_every_resource_says_who_asks_for_it(tmp_path: Path) -> None:
    """Plans name a spec line, or a default, for each."""
    assert [one.ref for one in _wanted(tmp_path, NONE) if "" not in one.origins] == []


def test_a_deployment_that_goes_wants_nothing_of_its_resources() -> None:
    """A resource that is not wanted has no body; its other facts stay."""
    (gone,) = nothing([want("a", {"x": 1}, holds_data=True, lane="sql")])
    assert gone == want("a", None, holds_data=True, lane="sql")


def test_a_policy_is_emptied_of_our_grants() -> None:
    """A policy cannot be deleted; our grants in it are unset."""
    (gone,) = nothing([want("a", {"r m": "granted", "r n": None}, empties=True)])
    assert gone.body == {"r m": None, "r n": None}


def test_what_is_part_of_something_goes_with_that() -> None:
    """A database is not deleted on its own when the deployment goes."""
    assert nothing([want("db", {"x": 1}, part_of=ref("sql"))]) == ()


def test_what_is_given_stays_and_what_was_asked_for_goes() -> None:
    """Destroying touches nothing that was there before, and lets go of a permanent thing only with its option."""
    wanted = [want("network", {}, given="make one"), want("range", {}, permanent=True, goes_with="peering")]
    (kept,) = nothing(wanted)
    (gone,) = nothing(wanted, ("peering",))
    assert (kept.body, kept.permanent) == (None, True)
    assert (gone.body, gone.permanent) == (None, False)


def test_everything_needs_what_is_given() -> None:
    """A missing network is found before anything is made."""
    deployment = load(Path(__file__).parents[1] / "specs" / "private.yaml")
    first = serviceusage_services.ref(deployment.project)
    wanted = expand(deployment, names_of(deployment, "1"), KINDS, first)
    (network,) = [desired.ref for desired in wanted if desired.given]
    assert [d.ref.address for d in wanted if d.ref not in (first, network) and network not in d.needs] == []
