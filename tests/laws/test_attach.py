"""Whoever begins a long-running operation may die: the next run finds it, waits for it, and begins no second one."""

from __future__ import annotations

from collections.abc import Collection, Generator
from pathlib import Path

import pytest

from reconciler.model import Desired
from reconciler.pipeline import survey, survey_removal
from reconciler.registry import BY_NAME
from reconciler.resources import run_migration
from reconciler.spec.load import load
from tests.laws.beginnings import AT_ONCE, BEGINS, Life, Lived, life
from tests.sandbox.calls import Cloud, new_project
from tests.scenarios.command import Bench, sandbox

PROJECT, NAME = "life-project", "mlflow-life"
SECONDS = 0.6
"""How long each operation takes: longer than a run needs to see it, and to give up where it does not wait."""
PEERING_SECONDS = 4
BORN = f"""version: 1
name: {NAME}
project: {PROJECT}
region: europe-west1
networking: {{database_ip: private, egress: connector, network: ml}}
auth: {{mode: basic}}
database: {{deletion_protection: false, tier: db-g1-small}}
"""
GROWN = (
    BORN.replace("egress: connector", "egress: connector, connector: {max_instances: 4}")
    + "labels: {team: life}\n"
)
OPEN = GROWN.replace("database_ip: private", "database_ip: public")
ROWS = [(kind, verb) for kind, verbs in BEGINS.items() for verb in verbs]


@pytest.fixture(scope="module", name="lived")
def _lived(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[tuple[str, str], Lived]]:
    """A deployment is made, changed, moved and destroyed: changed by the interrupted, all else by the killed."""
    folder = tmp_path_factory.mktemp("life")
    with sandbox() as bench, life(bench.endpoint, bench.home, PROJECT) as one:
        own = _prepared(bench)
        lived = _step(one, folder, BORN, BY_NAME, kill=True)
        lived["run.migration", "update"] = _migrated_again(one)
        lived |= _step(one, folder, GROWN, BEGINS.keys() - {"run.migration"}, kill=False)
        own.ok(
            "POST", f"/v1/projects/{{P}}/secrets/{NAME}-db-password:addVersion", {"payload": {"data": "bmV3"}}
        )
        lived |= _step(one, folder, OPEN, ("sqladmin.user", "sqladmin.public_address"), kill=False)
        plan = survey_removal(
            one.cloud, load(str(folder / "spec.yaml")), delete_data=True, options=("peering",)
        )
        yield lived | one.live(plan, BEGINS, kill=True)


def _prepared(bench: Bench) -> Cloud:
    own = new_project(int(bench.endpoint.rpartition(":")[2]), project=PROJECT)
    own.enable("compute", "servicenetworking", "vpcaccess")
    body = {"name": "ml", "autoCreateSubnetworks": False}
    own.ok("POST", "/compute/v1/projects/{P}/global/networks", body)
    peering = "servicenetworking.services.connections"
    # Nothing lists what goes on with a peering: it lasts until the second run's first look and write are over.
    slow = {f"{peering}.{verb}": PEERING_SECONDS for verb in ("create", "deleteConnection")}
    operations = {f"{peering}.release": 0, **slow, "*": SECONDS}
    own.ok("PUT", "/sandbox/v1/conditions", {"operations": operations})
    return own


def _step(
    one: Life, folder: Path, text: str, kinds: Collection[str], *, kill: bool
) -> dict[tuple[str, str], Lived]:
    """From what is there to the spec *text*."""
    spec = folder / "spec.yaml"
    spec.write_text(text)
    one.cloud.forget()
    return one.live(survey(one.cloud, load(str(spec))), kinds, kill=kill)


def _migrated_again(one: Life) -> Lived:
    """The schema for another image: backed up, then migrated. The image stays: a second one would have to be built."""
    kind = run_migration.Migration()
    ref = next(ref for ref in one.observed if ref.kind == kind.name)

    def run() -> None:
        seen = kind.observe(one.cloud, ref)
        if seen is not None and not seen.busy:  # waiting for it is tried where it was made first
            kind.update(one.cloud, Desired(ref, {}), seen, ("image",))

    return one.change(run, ref, kill=True)


@pytest.mark.parametrize(("kind", "verb"), ROWS)
def test_no_second_operation_is_begun(lived: dict[tuple[str, str], Lived], kind: str, verb: str) -> None:
    """However often whoever began one is ended: each is begun once, and it all comes to its end without an error."""
    found = lived[kind, verb]
    assert found.wrong == ()
    assert found.begun == BEGINS[kind][verb]
    assert found.ended == len(found.begun)


def test_the_table_holds_what_there_is(lived: dict[tuple[str, str], Lived]) -> None:
    """Every kind is in one of the two tables; nothing begins an operation that the first does not know."""
    assert BEGINS.keys() | AT_ONCE == BY_NAME.keys()
    assert not BEGINS.keys() & AT_ONCE
    assert lived.keys() == set(ROWS)
