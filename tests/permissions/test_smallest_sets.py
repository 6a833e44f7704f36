"""The smallest role sets: found from what the sandbox asked for, written down in one place, and enough."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.gcp.granting import DEPLOYER, READER
from reconciler.permissions import ASKED, ASKED_BEFORE
from reconciler.registry import BY_NAME
from reconciler.sandbox.iam import roles
from tests.permissions.people import Place
from tests.permissions.smallest import held, smallest
from tests.resources.test_every_kind import KIND_NAMES
from tests.scenarios.command import Bench, Ended, sandbox

OWNER = "user:operator@sandbox.example"
DEPLOYS = "user:deployer@sandbox.example"
LACKS = "user:nearly@sandbox.example"
REVIEWS = "user:reviewer@sandbox.example"
DEPLOYER_ROLES = frozenset(role for role, _ in DEPLOYER)
READER_ROLES = frozenset(role for role, _ in READER)
CHARGED = frozenset({"serviceusage.services.use"})
"""What every call of a person asks for, whose project is charged."""
LOOKED_FOR = frozenset(
    f"monitoring.{word}.list" for word in ("alertPolicies", "notificationChannels", "uptimeCheckConfigs")
) | frozenset(ASKED_BEFORE)
"""Asked for where monitoring is off, to find what was left of it; whoever may not look has made none.

And by the guards, which are a courtesy.
"""
RARE = {
    "iam.serviceAccounts.enable": "an account that somebody switched off",
    "iam.serviceAccounts.update": "an account that somebody renamed",
    "secretmanager.versions.enable": "a version that somebody switched off",
    "cloudsql.users.update": "a password that was changed",
    "storage.objects.get": "the context of a build that an earlier run has left",
    "cloudsql.backupRuns.create": "a new version of MLflow on a database with data",
}


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        yield bench


@pytest.fixture(scope="module", name="place")
def _place(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A project whose deployer has the deployer's roles, whose reviewer has the reader's, and nobody more."""
    place = Place.made(bench, tmp_path_factory.mktemp("specs"), "people-project", "mlflow-people")
    place.enable(["cloudresourcemanager"])
    place.grant(DEPLOYS, DEPLOYER_ROLES)
    place.grant(REVIEWS, READER_ROLES)
    place.switched_off("cloudresourcemanager")
    return place


def _ok(ended: Ended, *codes: int) -> None:
    assert ended.code in (codes or (0,)), ended.said


def _larger(place: Place) -> None:
    """Change what the spec says of nearly everything."""
    text = (
        place.spec.read_text().replace("memory: 512Mi", "memory: 1Gi").replace("db-f1-micro", "db-g1-small")
    )
    place.spec.write_text(f"{text}\nlabels: {{team: people}}\nlifecycle: {{nearline_after_days: 40}}\n")


def test_the_deployers_roles_are_enough_for_a_whole_life(place: Place) -> None:
    """From a project in which nothing is enabled: apply, prove, change, look, take away with all data."""
    spec = str(place.spec)
    _ok(place.run("apply", "--yes", spec, member=DEPLOYS))
    _ok(place.run("verify", spec, member=DEPLOYS))
    _larger(place)
    _ok(place.run("apply", "--yes", spec, member=DEPLOYS))
    for command in ("plan", "drift", "status", "login"):
        _ok(place.run(command, spec, member=DEPLOYS))
    assert place.refused(DEPLOYS) <= LOOKED_FOR


def test_the_readers_roles_are_enough_to_plan_and_to_look_for_drift(place: Place) -> None:
    """With a change in the spec, and without; and no secret's payload is asked for."""
    spec = place.spec
    for command in ("plan", "drift", "status"):
        _ok(place.run(command, str(spec), member=REVIEWS))
    changed = spec.with_name("changed.yaml")
    changed.write_text(spec.read_text().replace("max_instances: 1", "max_instances: 2"))
    planned = place.run("plan", str(changed), member=REVIEWS)
    assert planned.code == 2, planned.said
    assert place.refused(REVIEWS) <= LOOKED_FOR
    assert "secretmanager.versions.access" not in place.asked(REVIEWS)


def test_a_shorter_list_reads_as_well(place: Place) -> None:
    """Wider roles, fewer lines: what the page offers for who prefers that."""
    member = "user:wider@sandbox.example"
    wider = ("viewer", "iam.securityReviewer", "storage.bucketViewer", "serviceusage.serviceUsageConsumer")
    place.grant(member, [f"roles/{role}" for role in wider])
    _ok(place.run("plan", str(place.spec), member=member))
    assert place.refused(member) == frozenset()


def test_a_reader_gets_no_password(place: Place) -> None:
    """login needs the secret's payload, and says which permission that is."""
    ended = place.run("login", str(place.spec), member=REVIEWS)
    assert ended.code == 4
    assert f"{REVIEWS} lacks secretmanager.versions.access" in ended.err
    assert "FRONT_PASSWORD" not in ended.said


@pytest.mark.parametrize("role", sorted(READER_ROLES))
def test_no_role_of_the_readers_can_be_left_out(place: Place, role: str) -> None:
    """Without it planning ends with exit code 4, the permission, who lacks it, and the line that grants it."""
    member = f"user:without-{role.rpartition('.')[2].lower()}@sandbox.example"
    place.grant(member, READER_ROLES - {role})
    _refused(place.run("plan", str(place.spec), member=member), place.project, member, role)
    place.grant(member, ())


def _refused(ended: Ended, project: str, member: str, role: str) -> None:
    """It was refused for want of *role*: with a gcloud line of a role that holds what is named."""
    assert ended.code == 4, ended.said
    assert f"{member} lacks" in ended.err
    lines = [line for line in ended.err.splitlines() if f"add-iam-policy-binding {project}" in line]
    offered = [line.rpartition("--role=")[2] for line in lines if f"--member={member} " in line]
    named = {one for one in held(role) if one in ended.err}
    assert named
    assert {one for one in named if any(roles.grants(offer, one) for offer in offered)}


@pytest.mark.parametrize("role", sorted(DEPLOYER_ROLES))
def test_no_role_of_the_deployers_can_be_left_out(bench: Bench, tmp_path: Path, role: str) -> None:
    """Without it apply says so before anything is made, with the line that grants it."""
    short = role.rpartition(".")[2].lower()[:14]
    place = Place.made(bench, tmp_path, f"no-{short}-here", "mlflow-less")
    place.enable()
    place.grant(LACKS, DEPLOYER_ROLES - {role})
    _refused(place.run("apply", "--yes", str(place.spec), member=LACKS), place.project, LACKS, role)
    assert place.contents() == []


def test_conditional_roles_go_on_without_the_check(bench: Bench, tmp_path: Path) -> None:
    """What only a condition grants is not seen beforehand; told so, apply tries, and is refused call by call."""
    place = Place.made(bench, tmp_path, "conditional-project", "mlflow-less")
    place.enable()
    place.grant(LACKS, DEPLOYER_ROLES - {"roles/run.admin"} | {"roles/run.viewer"})
    spec = str(place.spec)
    stopped = place.run("apply", "--yes", spec, member=LACKS)
    assert stopped.code == 4
    assert "--skip-permission-check" in stopped.err
    assert place.contents() == []
    tried = place.run("apply", "--yes", "--skip-permission-check", spec, member=LACKS)
    assert tried.code == 7
    assert (
        f"{LACKS} lacks run.jobs.create. Whoever administers {place.project} grants that with:" in tried.err
    )
    assert place.contents() != []


def test_on_a_new_project_only_its_apis_come_before_the_refusal(bench: Bench, tmp_path: Path) -> None:
    """While Resource Manager is disabled nobody can tell what we may do; as soon as it is not, we are told."""
    place = Place.made(bench, tmp_path, "brand-new-project", "mlflow-less")
    place.enable(["cloudresourcemanager"])
    place.grant(LACKS, DEPLOYER_ROLES - {"roles/run.admin"})
    place.switched_off("cloudresourcemanager")
    ended = place.run("apply", "--yes", str(place.spec), member=LACKS)
    _refused(ended, place.project, LACKS, "roles/run.admin")
    assert "nothing that needs them was begun" in ended.err
    assert place.contents() == []


def test_the_line_in_the_refusal_can_be_copied(bench: Bench, tmp_path: Path) -> None:
    """Whoever administers the project runs it in gcloud, and apply goes on."""
    place = Place.made(bench, tmp_path, "copied-line-project", "mlflow-less")
    place.enable()
    place.grant(LACKS, DEPLOYER_ROLES - {"roles/run.admin"})
    refused = place.run("apply", "--yes", str(place.spec), member=LACKS)
    line = next(one.strip() for one in refused.err.splitlines() if one.strip().startswith("gcloud "))
    granted = bench.gcloud(*line.split()[1:], project=place.project)
    assert granted.code == 0, granted.said
    _ok(place.run("apply", "--yes", str(place.spec), member=LACKS))
    _ok(place.run("destroy", "--delete-data", "--confirm", "mlflow-less", str(place.spec), member=LACKS))


def test_acting_as_the_two_accounts_may_be_granted_on_them_alone(place: Place) -> None:
    """Once they exist: the check beforehand asks the accounts themselves, and Cloud Run does, too."""
    member = "user:on-accounts@sandbox.example"
    place.grant(member, DEPLOYER_ROLES - {"roles/iam.serviceAccountUser"})
    text = place.spec.read_text()
    place.spec.write_text(text.replace("max_instances: 1", "max_instances: 2"))
    refused = place.run("apply", "--yes", str(place.spec), member=member)
    _refused(refused, place.project, member, "roles/iam.serviceAccountUser")
    policy = {"bindings": [{"role": "roles/iam.serviceAccountUser", "members": [member]}]}
    for account in ("run", "build"):
        name = f"serviceAccounts/mlflow-people-{account}@{place.project}.iam.gserviceaccount.com"
        place.owner.ok("POST", f"/v1/projects/{{P}}/{name}:setIamPolicy", {"policy": policy})
    _ok(place.run("apply", "--yes", str(place.spec), member=member))


def test_the_running_server_asks_for_three_things(place: Place) -> None:
    """To connect to its database, to read its secrets, to work with its objects: the roles that it is granted."""
    server = f"serviceAccount:mlflow-people-run@{place.project}.iam.gserviceaccount.com"
    # Google's library for Cloud Storage wants to know the bucket for its tracing, and does without.
    assert place.refused(server) <= {"storage.buckets.get"}
    asked = place.asked(server) - place.refused(server)
    by_service = {
        service: {one for one in asked if one.startswith(f"{service}.")}
        for service in ("cloudsql", "secretmanager", "storage")
    }
    assert set().union(*by_service.values()) == set(asked)
    assert smallest(by_service["cloudsql"]) == {"roles/cloudsql.client"}
    assert smallest(by_service["secretmanager"]) == {"roles/secretmanager.secretAccessor"}
    assert smallest(by_service["storage"]) == {"roles/storage.objectUser"}


def test_the_builder_asks_for_two(place: Place) -> None:
    """To read the context and to push the image; that it may write its log is asked by the real service alone."""
    builder = f"serviceAccount:mlflow-people-build@{place.project}.iam.gserviceaccount.com"
    asked = place.asked(builder)
    assert smallest(one for one in asked if one.startswith("storage.")) == {"roles/storage.objectViewer"}
    assert smallest(one for one in asked if not one.startswith("storage.")) == {
        "roles/artifactregistry.writer"
    }


def test_taking_it_away_asks_for_nothing_more(place: Place) -> None:
    """The last of a whole life, and with it everything that the deployer was ever asked for."""
    _ok(place.run("destroy", "--delete-data", "--confirm", "mlflow-people", str(place.spec), member=DEPLOYS))
    assert place.refused(DEPLOYS) <= LOOKED_FOR


def test_the_table_is_what_was_asked_for(place: Place) -> None:
    """Nothing was asked for that it does not hold; what it holds beyond that belongs to rare days, named above."""
    table = frozenset[str]().union(*(ASKED[kind].all for kind in KIND_NAMES))
    asked = place.asked(DEPLOYS) - CHARGED - LOOKED_FOR
    assert asked <= table
    assert table - asked == set(RARE)


def test_the_readers_part_of_the_table_is_what_planning_asked_for(place: Place) -> None:
    """The same for who only looks."""
    table = frozenset[str]().union(*(ASKED[kind].read for kind in KIND_NAMES))
    assert place.asked(REVIEWS) - CHARGED - LOOKED_FOR - {"secretmanager.versions.access"} == table


def test_every_kind_is_in_the_table() -> None:
    """A new kind says what it asks for."""
    assert {name.partition("/")[0] for name in ASKED} == set(BY_NAME)


def test_no_smaller_set_of_predefined_roles_would_do() -> None:
    """Of all sets that hold the table, the ones that the deployer and the reader are told of are the smallest."""
    everything = frozenset[str]().union(CHARGED, *(ASKED[kind].all for kind in KIND_NAMES))
    reading = frozenset[str]().union(CHARGED, *(ASKED[kind].read for kind in KIND_NAMES))
    assert smallest(everything) == DEPLOYER_ROLES
    assert smallest(reading) == READER_ROLES
