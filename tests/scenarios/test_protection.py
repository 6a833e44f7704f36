"""What holds data, and what is not ours: no change of a spec deletes, replaces or takes over any of it unasked."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUICKSTART
from tests.relay import Relay, relay
from tests.sandbox.calls import new_project
from tests.scenarios.command import ROOT, Bench, Ended
from tests.scenarios.test_drift import needs_gcloud

NAME = "mlflow-quickstart"
OLD = f"mlflow-sandbox-{NAME}-artifacts"
SPEC = (ROOT / QUICKSTART).read_text()
KEY = "projects/mlflow-sandbox/locations/europe-west1/keyRings/r/cryptoKeys/k"


@dataclass(frozen=True)
class Edit:
    """A spec that was edited, how apply ends, and what it says; one that may go on is only planned."""

    text: str
    code: int
    told: tuple[str, ...]


def _with(old: str, new: str) -> str:
    assert old in SPEC
    return SPEC.replace(old, new)


RENAMED = _with(f"name: {NAME}", "name: mlflow-second")
EDITS = {
    "region": Edit(
        _with("region: europe-west1", "region: europe-west4"),
        5,
        (
            f"sqladmin.instance/{NAME} holds data and would have to be replaced, because region cannot change",
            f"storage.bucket/{OLD} holds data and would have to be replaced, because location cannot change",
        ),
    ),
    "the bucket's location": Edit(
        f"{SPEC}artifacts: {{location: us}}\n", 5, (f"storage.bucket/{OLD} holds data and would have",)
    ),
    "the database's key": Edit(
        f"{SPEC}  kms_key: {KEY}\n", 5, (f"sqladmin.instance/{NAME} holds data and would have to be",)
    ),
    "an older database": Edit(f"{SPEC}  version: 14\n", 5, ("databaseVersion cannot go down, POSTGRES_",)),
    "an edition that has no such tier": Edit(
        f"{SPEC}  edition: enterprise-plus\n", 3, ("db-f1-micro is not a tier of edition enterprise-plus",)
    ),
    "nothing in it": Edit("", 3, ("error: ",)),
    "a base that is gone": Edit(f"extends: gone.yaml\n{SPEC}", 3, ("gone.yaml",)),
    "another name": Edit(RENAMED, 2, (" to create, ", " 0 to delete, ")),
    "another name for the same bucket": Edit(
        f"{RENAMED}artifacts: {{bucket: {OLD}}}\n",
        5,
        (
            f"storage.bucket/{OLD} exists and is not ours: its labels.mlflow-deployment says that it is {NAME}'s, and "
            "adopting takes it from there; to take it over: mlflow-reconcile adopt ",
        ),
    ),
    "another bucket": Edit(
        f"{SPEC}artifacts: {{bucket: a-new-place-for-artifacts}}\n",
        2,
        ("artifacts logged so far stay in the old place", " 0 to delete, "),
    ),
}


@pytest.fixture(scope="module", name="through")
def _through(settled: Bench) -> Generator[Relay]:
    with relay(settled.endpoint) as passing:
        yield passing


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
def test_an_edit_deletes_nothing_that_holds_data(
    settled: Bench, through: Relay, tmp_path: Path, edit: Edit
) -> None:
    """Refused before any write, with every guard at once; what may go on leaves the old deployment alone."""
    spec = tmp_path / "edited.yaml"
    spec.write_text(edit.text)
    env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
    command = ("plan",) if edit.code == 2 else ("apply", "--yes")
    ended = settled.run(*command, str(spec), env=env)
    assert ended.code == edit.code, ended.said
    assert [told for told in edit.told if told not in ended.said] == []
    assert through.writes == []


@dataclass(frozen=True)
class Theirs:
    """A project in which things have our names already, and a spec that wants them."""

    bench: Bench
    project: str
    spec: Path
    through: Relay

    def run(self, *command: str) -> Ended:
        """Run our command, its requests counted."""
        return self.bench.run(*command, str(self.spec), env={"MLFLOW_RECONCILE_ENDPOINT": self.through.url})

    def shown(self, *words: str) -> Any:
        """What gcloud describes."""
        ended = self.bench.gcloud(*words, "--format=json", project=self.project)
        assert ended.code == 0, ended.said
        return json.loads(ended.out)


@pytest.fixture(scope="module", name="theirs")
def _theirs(settled: Bench, through: Relay, tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    apis = ("sqladmin", "storage", "secretmanager")
    project = new_project(int(settled.endpoint.rpartition(":")[2]), *apis).project
    bucket = f"gs://{project}-mlflow-theirs-artifacts"
    for command in (
        f"storage buckets create {bucket} --location=europe-west1",
        f"storage buckets update {bucket} --update-labels=team=theirs",
        "secrets create mlflow-theirs-db-password --replication-policy=automatic",
        "sql instances create mlflow-theirs --database-version=POSTGRES_15 --tier=db-g1-small --edition=enterprise "
        "--region=europe-west1 --storage-size=20 --database-flags=max_connections=50",
    ):
        made = settled.gcloud(*command.split(), project=project)
        assert made.code == 0, made.said
    spec = tmp_path_factory.mktemp("theirs") / "theirs.yaml"
    spec.write_text(SPEC.replace(f"name: {NAME}", "name: mlflow-theirs").replace("mlflow-sandbox", project))
    return Theirs(settled, project, spec, through)


@needs_gcloud
def test_what_others_made_under_our_names_is_adopted_or_left_alone(theirs: Theirs) -> None:
    """All are refused at once; adopting marks them and no more; then the rest is an ordinary plan."""
    bucket = f"{theirs.project}-mlflow-theirs-artifacts"
    before = theirs.shown("sql", "instances", "describe", "mlflow-theirs")
    refused = theirs.run("apply", "--yes")
    assert refused.code == 5, refused.said
    for address in (
        f"storage.bucket/{bucket}", "secretmanager.secret/mlflow-theirs-db-password", "sqladmin.instance/mlflow-theirs",
    ):  # fmt: skip
        assert f"- {address} exists and is not ours" in refused.err
    assert refused.err.count(f"mlflow-reconcile adopt {theirs.spec}") == 3
    shown = theirs.run("adopt", "--dry-run")
    assert (shown.code, "Adoption: 3 to adopt." in shown.out) == (2, True), shown.said
    assert theirs.through.writes == []
    adopted = theirs.run("adopt", "--yes")
    assert (adopted.code, len(theirs.through.writes)) == (0, 3), adopted.said
    assert "Next comes: Plan: " in adopted.out
    after = theirs.shown("sql", "instances", "describe", "mlflow-theirs")
    own = {"managed-by": "mlflow-reconcile", "mlflow-deployment": "mlflow-theirs"}
    assert after["settings"].pop("userLabels") == own
    for told in (before, after):
        del told["settings"]["settingsVersion"], told["etag"]
    assert before == after
    assert theirs.shown("storage", "buckets", "describe", f"gs://{bucket}")["labels"] == {
        **own,
        "team": "theirs",
    }
    _what_is_left_is_an_ordinary_plan(theirs)


def _what_is_left_is_an_ordinary_plan(theirs: Theirs) -> None:
    planned = theirs.run("plan", "--format", "json")
    assert planned.code == 2, planned.said
    changes = {c["address"]: c for c in json.loads(planned.out)["resource_changes"]}
    instance = changes["sqladmin.instance/mlflow-theirs"]
    fields = {f["path"]: f for f in instance["change"]["fields"]}
    assert (instance["change"]["actions"], instance["blocked"]) == (["update"], None)
    assert fields["settings.tier"]["origin"]["key"] == "database.tier"
    assert fields["settings.tier"]["origin"]["line"] > 0
    # Its disk is larger than the spec asks for, as one is that grows by itself; one that does not cannot be shrunk.
    assert "settings.dataDiskSizeGb" not in fields
    fixed = theirs.spec.with_name("fixed.yaml")
    fixed.write_text(f"{theirs.spec.read_text()}  disk_autoresize: false\n")
    shrunk = theirs.bench.run("plan", str(fixed), env={"MLFLOW_RECONCILE_ENDPOINT": theirs.through.url})
    assert shrunk.code == 5, shrunk.said
    assert (
        "settings.dataDiskSizeGb cannot go down, 20 -> 10; let database.disk_gb say what there is"
        in shrunk.out
    )
    again = theirs.run("adopt", "--yes")
    assert (again.code, len(theirs.through.writes)) == (0, 3), again.said
    assert "Nothing to adopt" in again.out


@needs_gcloud
def test_what_cannot_be_as_the_spec_wants_it_is_not_adopted(theirs: Theirs, tmp_path: Path) -> None:
    """A bucket elsewhere: with what is in the way, and the line that asks for it."""
    made = theirs.bench.gcloud(
        "storage",
        "buckets",
        "create",
        f"gs://{theirs.project}-elsewhere",
        "--location=us",
        project=theirs.project,
    )
    assert made.code == 0, made.said
    spec = tmp_path / "elsewhere.yaml"
    text = theirs.spec.read_text().replace("name: mlflow-theirs", "name: mlflow-other")
    spec.write_text(f"{text}artifacts: {{bucket: {theirs.project}-elsewhere}}\n")
    sent = len(theirs.through.writes)
    for command in ("adopt", "plan"):
        ended = theirs.bench.run(
            command, *(["--yes"] if command == "adopt" else []), str(spec),
            env={"MLFLOW_RECONCILE_ENDPOINT": theirs.through.url},
        )  # fmt: skip
        assert ended.code == 5, ended.said
        assert "cannot be adopted as it is: location cannot change, US -> EUROPE-WEST1" in ended.said
        assert f"({spec}:7 region)" in ended.said
    assert len(theirs.through.writes) == sent


@needs_gcloud
def test_what_was_adopted_becomes_a_deployment_like_any_other(theirs: Theirs) -> None:
    """One apply, after which nothing is left to do; destroy takes what was adopted as it takes the rest."""
    theirs.run("adopt", "--yes")
    applied = theirs.run("apply", "--yes")
    assert applied.code == 0, applied.said
    assert theirs.run("plan").code == 0
    ended = theirs.run("destroy", "--delete-data", "--confirm", "mlflow-theirs")
    assert ended.code == 0, ended.said
    left = theirs.bench.gcloud("storage", "buckets", "list", "--format=value(name)", project=theirs.project)
    assert "mlflow-theirs" not in left.out
