"""docs/permissions.md says what the program and the sandbox say, and what it says can be done as it stands."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.expand import expand
from reconciler.gcp.granting import DEPLOYER, READER
from reconciler.permissions import ASKED, ASKED_BEFORE
from reconciler.registry import KINDS
from reconciler.resources import serviceusage_services
from reconciler.sandbox.iam import roles
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.permissions.people import Place
from tests.scenarios.command import ROOT, Bench, sandbox

PAGE = (ROOT / "docs" / "permissions.md").read_text()
WORKFLOWS = ROOT / ".github" / "workflows"
CHARGED = "serviceusage.services.use"


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _first_lines(title: str) -> list[str]:
    """The roles of the first block of gcloud lines below *title*."""
    block = _section(title).split("```")[1]
    return re.findall(r"add-iam-policy-binding \$PROJECT --member=\$MEMBER --role=(\S+)", block)


def _custom(name: str) -> dict[str, Any]:
    """The YAML of a custom role."""
    return yaml.safe_load(PAGE.partition(f"`{name}`:\n\n```yaml\n")[2].partition("```")[0])


def test_the_gcloud_lines_grant_what_refusals_ask_for() -> None:
    """The page and the messages know one list for who reads and one for who deploys."""
    assert _first_lines("The reader") == [role for role, _ in READER]
    assert _first_lines("The deployer") == [role for role, _ in DEPLOYER]


def test_the_custom_roles_hold_what_is_asked_for_and_no_more() -> None:
    """Taken from the table that tests hold against the sandbox's record."""
    beside = {CHARGED, *ASKED_BEFORE}
    reading = {one for asked in ASKED.values() for one in asked.read} | beside
    everything = {one for asked in ASKED.values() for one in asked.all} | beside
    assert _custom("reader.yaml")["includedPermissions"] == sorted(reading)
    assert _custom("deployer.yaml")["includedPermissions"] == sorted(everything)


def test_the_servers_table_is_what_apply_grants() -> None:
    """Every role, to whom and on what kind of thing."""
    deployment = load(ROOT / "specs" / "public.yaml")
    names = names_of(deployment, "NUMBER")
    wanted = expand(deployment, names, KINDS, serviceusage_services.ref(deployment.project))
    granted = {
        (field.split(" ")[1].partition("@")[0].rpartition("-")[2], field.split(" ")[0])
        for desired in wanted
        if desired.ref.kind.endswith("_iam")
        for field, value in (desired.body or {}).items()
        if value is not None and field.split(" ")[1].startswith("serviceAccount:")
    }
    rows = re.findall(
        r"\| `(?:NAME-|service-)(run|build|cron|NUMBER)\S*` \| `(roles/\S+)` \|", _section("The server")
    )
    assert set(rows) == granted


def test_every_role_on_the_page_exists() -> None:
    """As far as the sandbox's table of Google's roles reaches."""
    named = set(re.findall(r"roles/[a-z]+(?:\.[A-Za-z]+)+|roles/viewer", PAGE))
    assert {role for role in named if not roles.exists(role)} == set()


@pytest.mark.parametrize(("workflow", "account"), [("plan", "PLAN"), ("drift", "PLAN"), ("apply", "APPLY")])
def test_the_workflows_send_their_readers_here(workflow: str, account: str) -> None:
    """Each names the page beside the account that it logs in as."""
    text = (WORKFLOWS / f"{workflow}.yml").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"#   GCP_{account}_SERVICE_ACCOUNT"))
    party = "reader" if account == "PLAN" else "deployer"
    assert f"the {party}'s roles of docs/permissions.md" in line
    assert f"`GCP_{account}_SERVICE_ACCOUNT`" in _section("In CI, without a key")


def test_the_readme_leads_here() -> None:
    """Nobody has to guess where it is written."""
    assert "(docs/permissions.md)" in (ROOT / "README.md").read_text()


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        yield bench


def test_the_custom_roles_are_enough(bench: Bench, tmp_path: Path) -> None:
    """Made by the real gcloud from the page's own YAML: one of them applies and destroys, the other one plans."""
    place = Place.made(bench, tmp_path, "custom-role-project", "mlflow-custom")
    place.enable()
    members: dict[str, str] = {}
    for name in ("reader", "deployer"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(_custom(f"{name}.yaml")))
        made = bench.gcloud(
            "iam", "roles", "create", f"mlflow{name.title()}", f"--project={place.project}", f"--file={file}",
            project=place.project,
        )  # fmt: skip
        assert made.code == 0, made.said
        members[name] = f"user:{name}@sandbox.example"
        place.grant(members[name], [f"projects/{place.project}/roles/mlflow{name.title()}"])
    spec = str(place.spec)
    applied = place.run("apply", "--yes", spec, member=members["deployer"])
    assert applied.code == 0, applied.said
    planned = place.run("plan", spec, member=members["reader"])
    assert planned.code == 0, planned.said
    gone = place.run(
        "destroy", "--delete-data", "--confirm", "mlflow-custom", spec, member=members["deployer"]
    )
    assert gone.code == 0, gone.said
    assert place.refused(members["reader"]) | place.refused(members["deployer"]) == frozenset()
