"""The real gcloud on projects, services, service accounts, their keys and custom roles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.test_gcloud import Gcloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
IAM = ("iam", "service-accounts")


@pytest.fixture(name="gcloud")
def _gcloud(running: Running, cloud: Cloud) -> Gcloud:
    return Gcloud(running, cloud.project)


def test_a_project_and_its_services(running: Running) -> None:
    """Made, described, deleted and brought back; an API is enabled, disabled, and refused where it is none."""
    project = "made-by-gcloud"
    gcloud = Gcloud(running, project)
    gcloud.ok("projects", "create", project, "--name=Made by gcloud", "--labels=a=b")
    gcloud.ok("services", "enable", "cloudresourcemanager.googleapis.com", "run.googleapis.com")
    found = gcloud.json("projects", "describe", project)
    assert (found["name"], found["labels"], found["lifecycleState"]) == (
        "Made by gcloud",
        {"a": "b"},
        "ACTIVE",
    )
    gcloud.ok("projects", "update", project, "--name=Renamed")
    assert [one["name"] for one in gcloud.json("projects", "list", f"--filter=projectId={project}")] == [
        "Renamed"
    ]
    assert "is depended on by" in gcloud.run("services", "disable", "artifactregistry.googleapis.com").stderr
    gcloud.ok("services", "disable", "artifactregistry.googleapis.com", "--force")
    enabled = gcloud.ok("services", "list", "--enabled", "--format=value(config.name)").split()
    assert "run.googleapis.com" not in enabled
    assert "storage.googleapis.com" in enabled
    refused = gcloud.run("services", "enable", "nonsense.googleapis.com")
    assert "Not found or permission denied for service(s): nonsense.googleapis.com" in refused.stderr
    robot = gcloud.run("beta", "services", "identity", "create", "--service=secretmanager.googleapis.com")
    assert f"service-{found['projectNumber']}@gcp-sa-secretmanager" in robot.stderr
    gcloud.ok("projects", "delete", project)
    assert f"Permission denied on resource project {project}" in gcloud.run("run", "services", "list").stderr
    gcloud.ok("projects", "undelete", project)
    assert gcloud.json("projects", "describe", project)["lifecycleState"] == "ACTIVE"


def test_an_account_from_its_making_to_its_return(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """Create, describe, update, switch off and on, sign in its name, delete, bring back."""
    email = f"by-gcloud@{cloud.project}.iam.gserviceaccount.com"
    gcloud.ok(*IAM, "create", "by-gcloud", "--display-name=One", "--description=first")
    unique = gcloud.json(*IAM, "describe", email)["uniqueId"]
    gcloud.ok(*IAM, "update", email, "--display-name=Two")
    gcloud.ok(*IAM, "disable", email)
    found = gcloud.json(*IAM, "describe", email)
    assert (found["displayName"], found["description"], found["disabled"]) == ("Two", "first", True)
    gcloud.ok(*IAM, "enable", email)
    (tmp_path / "in").write_text("to be signed")
    gcloud.ok(*IAM, "sign-blob", str(tmp_path / "in"), str(tmp_path / "out"), f"--iam-account={email}")
    assert len((tmp_path / "out").read_bytes()) == 256
    binding = ["--member=user:ann@example.com", "--role=roles/iam.serviceAccountUser"]
    gcloud.ok(*IAM, "add-iam-policy-binding", email, *binding)
    assert gcloud.json(*IAM, "get-iam-policy", email)["bindings"][0]["members"] == ["user:ann@example.com"]
    gcloud.ok(*IAM, "remove-iam-policy-binding", email, *binding)
    assert "bindings" not in gcloud.json(*IAM, "get-iam-policy", email)
    gcloud.ok(*IAM, "delete", email)
    assert "does not exist" in gcloud.run(*IAM, "describe", email).stderr
    gcloud.ok("beta", *IAM, "undelete", unique)
    assert gcloud.json(*IAM, "describe", email)["uniqueId"] == unique


def test_keys_of_an_account(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """Create (a file that Google's libraries take), list, switch off and on, read the public half, delete."""
    account = f"--iam-account={cloud.account('keys-by-gcloud')}"
    keys, file = (*IAM, "keys"), tmp_path / "key.json"
    gcloud.ok(*keys, "create", str(file), account)
    key = json.loads(file.read_text())["private_key_id"]
    gcloud.ok(*keys, "disable", key, account)
    [own] = gcloud.json(*keys, "list", account, "--managed-by=user")
    assert (own["name"].rpartition("/")[2], own["disabled"]) == (key, True)
    gcloud.ok(*keys, "enable", key, account)
    public = tmp_path / "public.pem"
    gcloud.ok("beta", *keys, "get-public-key", key, account, f"--output-file={public}")
    assert public.read_text().startswith("-----BEGIN CERTIFICATE-----")
    gcloud.ok(*keys, "delete", key, account)
    assert gcloud.json(*keys, "list", account, "--managed-by=user") == []


def test_a_custom_role_and_a_condition(gcloud: Gcloud, cloud: Cloud) -> None:
    """Create, describe, add to, bind with a condition, delete, bring back."""
    project, role = f"--project={cloud.project}", f"projects/{cloud.project}/roles/looker"
    gcloud.ok("iam", "roles", "create", "looker", project, "--permissions=run.services.get", "--stage=GA")
    gcloud.ok("iam", "roles", "update", "looker", project, "--add-permissions=run.jobs.get")
    found = gcloud.json("iam", "roles", "describe", "looker", project)
    assert found["includedPermissions"] == ["run.jobs.get", "run.services.get"]
    member = f"--member=serviceAccount:{cloud.account('has-a-role')}"
    condition = '--condition=expression=request.time < timestamp("2030-01-01T00:00:00Z"),title=until'
    bind = ("projects", "add-iam-policy-binding", cloud.project, member, f"--role={role}", condition)
    gcloud.ok(*bind)
    policy = gcloud.json("projects", "get-iam-policy", cloud.project)
    [bound] = [one for one in policy["bindings"] if one["role"] == role]
    assert (policy["version"], bound["condition"]["title"]) == (3, "until")
    assert gcloud.json("iam", "roles", "delete", "looker", project)["deleted"] is True
    assert gcloud.json("iam", "roles", "list", project) == []
    gcloud.ok("iam", "roles", "undelete", "looker", project)
