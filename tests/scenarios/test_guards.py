"""What Google would refuse half-way is found before the first write, and told all at once."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from reconciler.gcp.granting import DEPLOYER, WITH_OPTIONS
from tests.permissions.people import ALL, Place
from tests.scenarios.command import Bench, sandbox

LACKS = "user:nearly@sandbox.example"
SPEC = """\
version: 1
name: mlflow-guarded
project: PROJECT
region: europe-north2
auth: {mode: basic}
networking: {database_ip: private, egress: connector}
database: {edition: enterprise-plus, tier: db-perf-optimized-N-2}
budget: {billing_account: 012345-6789AB-CDEF01, amount: 90}
"""
FOUND = (
    "- a policy of the organisation, iam.allowedPolicyMemberDomains, forbids letting everybody call the server",
    "- a policy of the organisation, run.allowedIngress, forbids ingress all",
    "- the quota GLOBAL_INTERNAL_ADDRESSES of PROJECT has 0 left",
    "- the quota CPUS of PROJECT in europe-north2 has 1 left, and vpcaccess.connector/",
    "- europe-north2 has no machine db-perf-optimized-N-2 (",
    "- a budget of 90 does not hold the about $",
)


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    with sandbox() as bench:
        conditions = {
            "organization_policies": [
                "iam.allowedPolicyMemberDomains",
                "run.allowedIngress",
                "sql.restrictPublicIp",
            ],
            "limits": {"GLOBAL_INTERNAL_ADDRESSES": 0, "CPUS": 1},
        }
        answer = httpx.put(f"{bench.endpoint}/sandbox/v1/conditions", json=conditions)
        assert answer.status_code == 200, answer.text
        yield bench


def _place(bench: Bench, folder: Path, project: str) -> Place:
    place = Place.made(bench, folder, project, "mlflow-guarded")
    place.spec.write_text(SPEC.replace("PROJECT", project))
    return place


def test_everything_is_found_at_once_and_nothing_is_written(bench: Bench, tmp_path: Path) -> None:
    """The permissions that the caller lacks, what the organisation forbids, and what does not fit or is not there."""
    place = _place(bench, tmp_path, "guarded-project")
    place.spec.write_text(
        place.spec.read_text().partition("budget")[0]
    )  # its account is not the project's to grant
    place.enable([*ALL, "vpcaccess", "servicenetworking"])
    roles = {role for book in (DEPLOYER, WITH_OPTIONS) for role, _ in book}
    place.grant(LACKS, roles - {"roles/run.admin"} | {"roles/run.viewer"})
    refused = place.run("apply", "--yes", str(place.spec), member=LACKS)
    assert refused.code == 5, refused.said
    assert [line for line in FOUND[:-1] if line.replace("PROJECT", place.project) not in refused.err] == []
    assert f"- {LACKS} lacks " in refused.err
    assert "  - run.services.create, to create run.service/mlflow-guarded" in refused.err
    assert "sql.restrictPublicIp" not in refused.said  # the database is private
    assert place.contents() == []


def test_on_a_new_project_only_its_apis_come_first(bench: Bench, tmp_path: Path) -> None:
    """Nobody tells of tiers and policies before; what needs nobody to tell it is refused at once."""
    place = _place(bench, tmp_path, "brand-new-guarded")
    at_once = place.run("apply", "--yes", str(place.spec))
    assert (at_once.code, FOUND[-1] in at_once.err, "has no machine" in at_once.err) == (5, True, False)
    place.spec.write_text(place.spec.read_text().partition("budget")[0])
    refused = place.run("apply", "--yes", str(place.spec))
    assert refused.code == 5, refused.said
    assert [line for line in FOUND[:-1] if line.replace("PROJECT", place.project) not in refused.err] == []
    assert place.contents() == []
