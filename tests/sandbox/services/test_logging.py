"""Cloud Logging: what containers print, what they are asked, what clients write."""

import json
import shutil
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud
from tests.sandbox.services.pushed import finished, local

REGION = "europe-west1"
PLACE = f"/v2/projects/{{P}}/locations/{REGION}"
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
JOB = "us-docker.pkg.dev/cloudrun/container/job"


def _entries(cloud: Cloud, text: str = "", **fields: Any) -> list[dict[str, Any]]:
    body = {"resourceNames": [f"projects/{cloud.project}"], "filter": text, "pageSize": 100, **fields}
    return cloud.ok("POST", "/v2/entries:list", body).get("entries", [])


def _write(cloud: Cloud, *entries: dict[str, Any], **fields: Any) -> None:
    name = f"projects/{cloud.project}/logs/own%2Flog"
    body = {"logName": name, "resource": {"type": "global"}, "entries": list(entries), **fields}
    assert cloud.ok("POST", "/v2/entries:write", body) == {}


@pytest.fixture(name="web")
def _web(cloud: Cloud) -> Cloud:
    """A project with the service web, open to everybody, that was asked once in vain and once not."""
    body = {"template": {"containers": [{"image": HELLO}]}}
    finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId=web", body))
    assert local(cloud, "web").status == 403
    everybody = {"role": "roles/run.invoker", "members": ["allUsers"]}
    cloud.ok("POST", f"{PLACE}/services/web:setIamPolicy", {"policy": {"bindings": [everybody]}})
    trace = {"X-Cloud-Trace-Context": "105445aa7843bc8bf206b12000100000/1;o=1"}
    assert local(cloud, "web", "/there?a=b", trace).status == 200
    return cloud


def test_a_service_logs_what_it_prints_and_what_it_is_asked(web: Cloud) -> None:
    """Each under the log, the resource and the labels that Cloud Run gives them."""
    revision = web.ok("GET", f"{PLACE}/services/web")["latestReadyRevision"].rsplit("/", 1)[-1]
    resource = {
        "type": "cloud_run_revision",
        "labels": {
            "project_id": web.project,
            "location": REGION,
            "service_name": "web",
            "revision_name": revision,
            "configuration_name": "web",
        },
    }
    (printed,) = _entries(web, 'log_id("run.googleapis.com/stdout") textPayload:"Hello from Cloud Run!"')
    assert printed["resource"] == resource
    assert "severity" not in printed
    assert printed["labels"]["instanceId"]
    refused, answered = _entries(web, 'log_id("run.googleapis.com/requests")')
    assert (refused["severity"], refused["httpRequest"]["status"]) == ("WARNING", 403)
    request = answered["httpRequest"]
    assert (answered["severity"], request["status"], request["requestMethod"]) == ("INFO", 200, "GET")
    assert request["requestUrl"].endswith("/there?a=b")
    assert int(request["responseSize"]) > 100
    assert answered["trace"] == f"projects/{web.project}/traces/105445aa7843bc8bf206b12000100000"
    assert answered["resource"] == resource
    (probe,) = _entries(web, 'log_id("run.googleapis.com/varlog/system") textPayload:STARTUP')
    assert (
        probe["textPayload"]
        == 'Default STARTUP TCP probe succeeded after 1 attempt for container "hello-1" on port 8080.'
    )


def test_a_job_logs_by_execution_and_task(cloud: Cloud) -> None:
    """Its resource is the job; which task spoke is in the labels."""
    task = {"containers": [{"image": JOB}]}
    finished(
        cloud, cloud.ok("POST", f"{PLACE}/jobs?jobId=job", {"template": {"taskCount": 2, "template": task}})
    )
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/jobs/job:run"))
    execution = done["response"]["name"].rsplit("/", 1)[-1]
    found = _entries(cloud, f'labels."run.googleapis.com/execution_name"={execution} textPayload:Completed')
    said = {one["labels"]["run.googleapis.com/task_index"]: one["textPayload"] for one in found}
    assert said == {"0": "Completed Task #0.", "1": "Completed Task #1."}
    labels = {"project_id": cloud.project, "location": REGION, "job_name": "job"}
    assert {json.dumps(one["resource"]) for one in found} == {
        json.dumps({"type": "cloud_run_job", "labels": labels})
    }


def test_clients_write_entries_and_read_them_in_pages(cloud: Cloud) -> None:
    """Oldest first or newest first; what the request says of all is in each."""
    written = [{"textPayload": f"number {at}", "timestamp": f"2026-01-01T00:00:0{at}Z"} for at in range(5)]
    _write(cloud, *written, labels={"a": "b"})
    body = {"resourceNames": [f"projects/{cloud.number}"], "orderBy": "timestamp desc", "pageSize": 3}
    first = cloud.ok("POST", "/v2/entries:list", body)
    second = cloud.ok("POST", "/v2/entries:list", {**body, "pageToken": first["nextPageToken"]})
    assert [one["textPayload"][-1] for one in (*first["entries"], *second["entries"])] == [
        "4",
        "3",
        "2",
        "1",
        "0",
    ]
    assert "nextPageToken" not in second
    newest = first["entries"][0]
    assert newest["labels"] == {"a": "b"}
    assert newest["resource"] == {"type": "global", "labels": {"project_id": cloud.project}}
    assert newest["logName"] == f"projects/{cloud.project}/logs/own%2Flog"


def test_a_log_is_listed_and_deleted(cloud: Cloud) -> None:
    """With all its entries; the second time it is not there."""
    _write(cloud, {"jsonPayload": {"a": 1}, "severity": "ERROR"})
    name = f"projects/{cloud.project}/logs/own%2Flog"
    assert cloud.ok("GET", "/v2/projects/{P}/logs") == {"logNames": [name]}
    assert cloud.ok("DELETE", f"/v2/{name}") == {}
    assert _entries(cloud) == []
    assert cloud.call("DELETE", f"/v2/{name}").status == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"resourceNames": []}, 400, "At least one resource name"),
        ({"resourceNames": ["projects/no-such-project"]}, 404, "Project does not exist: no-such-project"),
        ({"resourceNames": ["projects/{P}"], "filter": "severity="}, 400, "Unparseable filter"),
        ({"resourceNames": ["projects/{P}"], "orderBy": "severity"}, 400, "Invalid order_by"),
        ({"resourceNames": ["folders/1"]}, 400, "has projects only"),
    ],
)
def test_what_cannot_be_read_is_said(cloud: Cloud, body: dict[str, Any], status: int, words: str) -> None:
    """In the query, in the order, in whose entries they are."""
    names = [name.replace("{P}", cloud.project) for name in body["resourceNames"]]
    refused = cloud.post("/v2/entries:list", {**body, "resourceNames": names})
    assert refused.status == status
    assert words in refused.error["message"]


def test_reading_and_writing_ask_for_rights(cloud: Cloud) -> None:
    """A stranger may do neither; who may write may not read."""
    stranger = cloud.bearer(cloud.account("stranger"))
    body = {"resourceNames": [f"projects/{cloud.project}"]}
    assert stranger.post("/v2/entries:list", body).status == 403
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    writer = f"serviceAccount:{cloud.account('writer')}"
    policy["bindings"].append({"role": "roles/logging.logWriter", "members": [writer]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    own = cloud.bearer(writer.partition(":")[2])
    _write(own, {"textPayload": "mine"})
    assert own.post("/v2/entries:list", body).status == 403
    assert [one["textPayload"] for one in _entries(cloud)] == ["mine"]


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_reads_the_logs(web: Cloud, running: Running) -> None:
    """Of a service, and with a filter; and writes an entry of its own."""
    gcloud = Gcloud(running, web.project)
    said = gcloud.ok("run", "services", "logs", "read", "web", f"--region={REGION}")
    assert "Hello from Cloud Run!" in said
    assert "GET 200 " in said
    gcloud.ok(
        "logging",
        "write",
        "own-log",
        '{"message": "by hand", "n": 3}',
        "--payload-type=json",
        "--severity=ERROR",
    )
    (entry,) = gcloud.json("logging", "read", "severity>=ERROR AND jsonPayload.n=3", "--limit=5")
    assert (entry["jsonPayload"], entry["severity"]) == ({"message": "by hand", "n": 3}, "ERROR")
    assert f"projects/{web.project}/logs/own-log" in gcloud.ok("logging", "logs", "list")
