"""The real gcloud against the sandbox, led there by nothing but what `control.env` prints."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")


class Gcloud:
    """gcloud on one project of the sandbox."""

    def __init__(self, running: Running, project: str) -> None:
        self._lines = control.env(running.home, project)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What it did."""
        script = 'eval "$1"; shift; exec gcloud "$@"'
        command = ["bash", "-c", script, "gcloud", self._lines, *arguments, "--quiet"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def ok(self, *arguments: str) -> str:
        """What it printed; it must have succeeded."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def json(self, *arguments: str) -> Any:
        """What it printed, as data."""
        return json.loads(self.ok(*arguments, "--format=json"))


@pytest.fixture(name="gcloud")
def _gcloud(running: Running, cloud: Cloud) -> Gcloud:
    return Gcloud(running, cloud.project)


def test_services_are_enabled_and_listed(running: Running, fresh: Cloud) -> None:
    """One, several, and the list of those that are on."""
    gcloud = Gcloud(running, fresh.project)
    refused = gcloud.run("secrets", "list")
    assert refused.returncode == 1
    assert "has not been used in project" in refused.stderr
    gcloud.ok("services", "enable", "secretmanager.googleapis.com")
    gcloud.ok("services", "enable", "run.googleapis.com", "sqladmin.googleapis.com")
    listed = {one["config"]["name"] for one in gcloud.json("services", "list", "--enabled")}
    assert {f"{api}.googleapis.com" for api in ("secretmanager", "run", "sqladmin", "storage")} <= listed


def test_a_bucket_from_its_making_to_its_end(gcloud: Gcloud, cloud: Cloud) -> None:
    """Create, describe, update (which sends the whole bucket back), IAM, remove."""
    url = f"gs://{cloud.project}-bucket"
    gcloud.ok(
        "storage", "buckets", "create", url, "--location=us-central1", "--uniform-bucket-level-access",
        "--public-access-prevention",
    )  # fmt: skip
    gcloud.ok(
        "storage", "buckets", "update", url, "--versioning", "--update-labels=a=b,c=d", "--clear-soft-delete"
    )
    gcloud.ok("storage", "buckets", "update", url, "--remove-labels=a")
    found = gcloud.json("storage", "buckets", "describe", url, "--raw")
    assert (found["location"], found["labels"], found["versioning"]) == (
        "US-CENTRAL1",
        {"c": "d"},
        {"enabled": True},
    )
    assert found["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert found["softDeletePolicy"]["retentionDurationSeconds"] == "0"
    member = f"serviceAccount:{cloud.account('bucket-user')}"
    gcloud.ok(
        "storage",
        "buckets",
        "add-iam-policy-binding",
        url,
        f"--member={member}",
        "--role=roles/storage.objectUser",
    )
    policy = gcloud.json("storage", "buckets", "get-iam-policy", url)
    assert {"role": "roles/storage.objectUser", "members": [member]} in policy["bindings"]
    gcloud.ok("storage", "rm", "--recursive", url)
    assert gcloud.run("storage", "buckets", "describe", url).returncode == 1


def test_objects_go_up_come_back_and_go(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """Small ones in one request, large ones in steps; byte for byte, also where lines end oddly."""
    url = f"gs://{cloud.project}-objects"
    gcloud.ok("storage", "buckets", "create", url, "--uniform-bucket-level-access")
    for name, data in (("small.txt", b"line\r\n\n"), ("large.bin", bytes(range(256)) * 40_000)):
        (tmp_path / name).write_bytes(data)
        gcloud.ok("storage", "cp", str(tmp_path / name), f"{url}/dir/{name}")
        gcloud.ok("storage", "cp", f"{url}/dir/{name}", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == data
    gcloud.ok("storage", "cp", f"{url}/dir/small.txt", f"{url}/copy.txt")
    assert gcloud.ok("storage", "ls", f"{url}/").split() == [f"{url}/copy.txt", f"{url}/dir/"]
    assert gcloud.ok("storage", "cat", f"{url}/copy.txt") == "line\n\n"
    gcloud.ok("storage", "mv", f"{url}/copy.txt", f"{url}/moved.txt")
    gcloud.ok("storage", "objects", "update", f"{url}/moved.txt", "--update-custom-metadata=a=b")
    found = gcloud.json("storage", "objects", "describe", f"{url}/moved.txt", "--raw")
    assert (found["metadata"]["a"], found["metageneration"]) == ("b", "2")
    gcloud.ok("storage", "rm", f"{url}/moved.txt")
    assert gcloud.ok("storage", "ls", f"{url}/**").split() == [f"{url}/dir/large.bin", f"{url}/dir/small.txt"]


def test_a_secret_and_its_versions(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """gcloud sends a checksum, and insists that the server looked at it."""
    (tmp_path / "pw").write_text("hunter2")
    gcloud.ok("secrets", "create", "pw", "--replication-policy=automatic", "--labels=a=b")
    gcloud.ok("secrets", "versions", "add", "pw", f"--data-file={tmp_path / 'pw'}")
    assert gcloud.ok("secrets", "versions", "access", "latest", "--secret=pw") == "hunter2"
    gcloud.ok("secrets", "versions", "disable", "1", "--secret=pw")
    assert gcloud.json("secrets", "versions", "list", "pw")[0]["state"] == "DISABLED"
    assert gcloud.run("secrets", "versions", "access", "latest", "--secret=pw").returncode == 1
    member = f"serviceAccount:{cloud.account('secret-user')}"
    role = "--role=roles/secretmanager.secretAccessor"
    gcloud.ok("secrets", "add-iam-policy-binding", "pw", f"--member={member}", role)
    assert [one["name"] for one in gcloud.json("secrets", "list")] == [f"projects/{cloud.number}/secrets/pw"]
    changes = ["--update-labels=c=d", "--remove-labels=a", "--update-version-aliases=prod=1"]
    gcloud.ok("secrets", "update", "pw", *changes)
    found = gcloud.json("secrets", "describe", "pw")
    assert (found["labels"], found["versionAliases"]) == ({"c": "d"}, {"prod": "1"})
    gcloud.ok("secrets", "versions", "destroy", "1", "--secret=pw")
    stale = gcloud.run("secrets", "delete", "pw", '--etag="0"')
    assert "etag" in stale.stderr
    gcloud.ok("secrets", "delete", "pw")
    assert gcloud.run("secrets", "describe", "pw").returncode == 1


def test_a_repository_with_policies(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """gcloud writes an action as "Keep", which Google takes for KEEP."""
    place = "--location=europe-west9"
    gcloud.ok("artifacts", "repositories", "create", "mlflow", "--repository-format=docker", place)
    rule = {"name": "newest", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 3}}
    (tmp_path / "policies.json").write_text(json.dumps([rule]))
    policy = f"--policy={tmp_path / 'policies.json'}"
    gcloud.ok("artifacts", "repositories", "set-cleanup-policies", "mlflow", place, policy)
    found = gcloud.json("artifacts", "repositories", "describe", "mlflow", place)
    assert found["cleanupPolicies"]["newest"] == {
        "id": "newest",
        "action": "KEEP",
        "mostRecentVersions": {"keepCount": 3},
    }
    assert found["name"] == f"projects/{cloud.project}/locations/europe-west9/repositories/mlflow"


def test_accounts_and_the_projects_policy(gcloud: Gcloud, cloud: Cloud) -> None:
    """Make an account, find it in the list, give it a role, find that in the policy."""
    gcloud.ok("iam", "service-accounts", "create", "runner-gc", "--display-name=Runner")
    email = f"runner-gc@{cloud.project}.iam.gserviceaccount.com"
    assert email in {one["email"] for one in gcloud.json("iam", "service-accounts", "list")}
    binding = ["--member", f"serviceAccount:{email}", "--role", "roles/cloudsql.client"]
    gcloud.ok("projects", "add-iam-policy-binding", cloud.project, *binding, "--condition=None")
    policy = gcloud.json("projects", "get-iam-policy", cloud.project)
    assert {"role": "roles/cloudsql.client", "members": [f"serviceAccount:{email}"]} in policy["bindings"]
    gcloud.ok("projects", "remove-iam-policy-binding", cloud.project, *binding, "--condition=None")
    assert email not in json.dumps(gcloud.json("projects", "get-iam-policy", cloud.project))
    unknown = ["--member=serviceAccount:nobody@" + email.partition("@")[2], "--role=roles/cloudsql.client"]
    refused = gcloud.run("projects", "add-iam-policy-binding", cloud.project, *unknown, "--condition=None")
    assert "does not exist" in refused.stderr
