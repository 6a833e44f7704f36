"""Jobs by the real gcloud, which writes them through v1: made, run, read, changed, replaced, cancelled, deleted."""

import shutil
from pathlib import Path

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
REGION = "europe-west1"
PLACE = f"--region={REGION}"
IMAGE = "--image=us-docker.pkg.dev/cloudrun/container/job"
JOB = f"/v2/projects/{{P}}/locations/{REGION}/jobs/nightly"


def test_a_job_from_its_making_to_its_end(gcloud: Gcloud, cloud: Cloud) -> None:
    """Create, execute and wait, look at execution and tasks, update, delete."""
    settings = (
        "--tasks=2",
        "--parallelism=2",
        "--max-retries=1",
        "--task-timeout=5m",
        "--set-env-vars=A=b,C=",
    )
    gcloud.ok("run", "jobs", "create", "nightly", IMAGE, PLACE, *settings, "--memory=1Gi", "--labels=a=b")
    made = cloud.ok("GET", JOB)
    task = made["template"]["template"]
    assert (made["template"]["taskCount"], task["maxRetries"], task["timeout"]) == (2, 1, "300s")
    assert task["containers"][0]["env"] == [{"name": "A", "value": "b"}, {"name": "C"}]
    assert task["containers"][0]["resources"] == {"limits": {"cpu": "1000m", "memory": "1Gi"}}
    assert (made["labels"], made["client"]) == ({"a": "b"}, "gcloud")
    said = gcloud.said("run", "jobs", "execute", "nightly", PLACE, "--wait", "--update-env-vars=SLEEP_MS=1")
    assert "has successfully completed" in said
    (execution,) = gcloud.json("run", "jobs", "executions", "list", "--job=nightly", PLACE)
    assert execution["status"]["succeededCount"] == 2
    tasks = gcloud.json(
        "run", "jobs", "executions", "tasks", "list", f"--execution={execution['metadata']['name']}", PLACE
    )
    assert [one["metadata"]["labels"]["run.googleapis.com/runningState"] for one in tasks] == [
        "Succeeded"
    ] * 2
    gcloud.ok("run", "jobs", "update", "nightly", PLACE, "--tasks=1", "--remove-env-vars=C")
    changed = cloud.ok("GET", JOB)
    assert (changed["generation"], changed["template"]["taskCount"]) == ("2", 1)
    assert changed["template"]["template"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]
    gcloud.ok("run", "jobs", "delete", "nightly", PLACE)
    assert gcloud.json("run", "jobs", "list") == []


def test_a_job_that_fails_says_so(gcloud: Gcloud) -> None:
    """gcloud ends with an error, and shows what the task said of itself."""
    gcloud.ok(
        "run", "jobs", "create", "nightly", IMAGE, PLACE, "--max-retries=0", "--set-env-vars=FAIL_RATE=1"
    )
    ended = gcloud.run("run", "jobs", "execute", "nightly", PLACE, "--wait")
    assert ended.returncode == 1
    assert "The execution failed." in ended.stderr
    (execution,) = gcloud.json("run", "jobs", "executions", "list", "--job=nightly", PLACE)
    completed = execution["status"]["conditions"][0]
    assert (completed["type"], completed["status"], completed["reason"]) == (
        "Completed",
        "False",
        "NonZeroExitCode",
    )
    assert "failed with message: The container exited with an error" in completed["message"]


def test_an_execution_is_cancelled_and_deleted(gcloud: Gcloud, cloud: Cloud) -> None:
    """While it runs; afterwards it can be deleted."""
    gcloud.ok("run", "jobs", "create", "nightly", IMAGE, PLACE, "--set-env-vars=SLEEP_MS=600000")
    gcloud.ok("run", "jobs", "execute", "nightly", PLACE, "--async")
    (execution,) = gcloud.json("run", "jobs", "executions", "list", "--job=nightly", PLACE)
    name = execution["metadata"]["name"]
    gcloud.ok("run", "jobs", "executions", "cancel", name, PLACE)
    shown = gcloud.json("run", "jobs", "executions", "describe", name, PLACE)
    assert (shown["status"]["cancelledCount"], shown["status"]["conditions"][0]["reason"]) == (1, "Cancelled")
    gcloud.ok("run", "jobs", "executions", "delete", name, PLACE)
    assert cloud.get(f"{JOB}/executions/{name}").status == 404


def test_a_job_is_replaced_by_a_file_and_given_a_policy(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """What gcloud exports, it takes back; the job's policy is its own."""
    gcloud.ok("run", "jobs", "deploy", "nightly", IMAGE, PLACE)
    text = gcloud.ok("run", "jobs", "describe", "nightly", PLACE, "--format=export")
    (tmp_path / "job.yaml").write_text(text.replace("maxRetries: 3", "maxRetries: 7"))
    gcloud.ok("run", "jobs", "replace", str(tmp_path / "job.yaml"), PLACE)
    assert cloud.ok("GET", JOB)["template"]["template"]["maxRetries"] == 7
    member = f"serviceAccount:{cloud.account('runner')}"
    binding = (f"--member={member}", "--role=roles/run.invoker")
    gcloud.ok("run", "jobs", "add-iam-policy-binding", "nightly", PLACE, *binding)
    policy = cloud.ok("GET", f"{JOB}:getIamPolicy")
    assert policy["bindings"] == [{"role": "roles/run.invoker", "members": [member]}]
