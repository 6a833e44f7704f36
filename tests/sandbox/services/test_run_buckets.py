"""Volumes of Cloud Run that show a bucket: what is read and written there is the bucket's."""

import time
from typing import Any

from tests.sandbox import gcs
from tests.sandbox.calls import Cloud
from tests.sandbox.services.pushed import REGION, finished, local
from tests.sandbox.services.test_run_instances import SERVER

PLACE = f"/v2/projects/{{P}}/locations/{REGION}"
HELLO = "us-docker.pkg.dev/cloudrun/container/hello"
JOB = f"{PLACE}/jobs/job"
MOUNTS = [{"name": "files", "mountPath": "/data"}]
CHANGES = """
import os
os.makedirs("/data/out", exist_ok=True)
open("/data/out/page.html", "w").write("by the job")
open("/data/kept", "a").write(" and more")
os.remove("/data/old")
"""


def _template(bucket: str, code: str, *words: str, **volume: Any) -> dict[str, Any]:
    container = {
        "image": HELLO,
        "command": ["python", "-c", code],
        "args": list(words),
        "volumeMounts": MOUNTS,
    }
    return {"containers": [container], "volumes": [{"name": "files", "gcs": {"bucket": bucket, **volume}}]}


def _run(cloud: Cloud, template: dict[str, Any]) -> dict[str, Any]:
    """Make a job of a template and run it once; the operation, done."""
    task = {**template, "maxRetries": 0}
    finished(cloud, cloud.ok("POST", f"{PLACE}/jobs?jobId=job", {"template": {"template": task}}))
    return finished(cloud, cloud.ok("POST", f"{JOB}:run"))


def _content(cloud: Cloud, bucket: str, name: str) -> bytes:
    return cloud.get(f"/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}?alt=media").body


def _names(cloud: Cloud, bucket: str) -> set[str]:
    return {one["name"] for one in cloud.ok("GET", f"/storage/v1/b/{bucket}/o").get("items", [])}


def test_what_a_task_writes_is_in_the_bucket(cloud: Cloud) -> None:
    """New files with their type, changed ones, and those that are gone; nothing else is touched."""
    bucket = gcs.made(cloud, "files")
    for name in ("old", "kept", "other/same"):
        gcs.put(cloud, bucket, name, b"here before")
    same = cloud.ok("GET", f"/storage/v1/b/{bucket}/o/other%2Fsame")
    done = _run(cloud, _template(bucket, CHANGES))
    assert "error" not in done, done["error"]
    assert _names(cloud, bucket) == {"kept", "other/same", "out/page.html"}
    assert _content(cloud, bucket, "kept") == b"here before and more"
    made = cloud.ok("GET", f"/storage/v1/b/{bucket}/o/out%2Fpage.html")
    assert (made["contentType"], made["size"]) == ("text/html", "10")
    assert cloud.ok("GET", f"/storage/v1/b/{bucket}/o/other%2Fsame") == same


def test_a_read_only_volume_leaves_the_bucket_as_it_is(cloud: Cloud) -> None:
    """Whatever a task does to its files."""
    bucket = gcs.made(cloud, "files")
    gcs.put(cloud, bucket, "old", b"here before")
    _run(cloud, _template(bucket, "import os; os.remove('/data/old'); open('/data/new', 'w')", readOnly=True))
    assert _names(cloud, bucket) == {"old"}


def test_a_folder_of_a_bucket_can_be_shown_alone(cloud: Cloud) -> None:
    """By Cloud Storage FUSE's option only-dir, which both ways adds the folder to the names."""
    bucket = gcs.made(cloud, "files")
    gcs.put(cloud, bucket, "in/word", b"within")
    gcs.put(cloud, bucket, "word", b"beside")
    code = "text = open('/data/word').read(); open('/data/again', 'w').write(text)"
    done = _run(cloud, _template(bucket, code, mountOptions=["implicit-dirs", "only-dir=in"]))
    assert "error" not in done, done["error"]
    assert _names(cloud, bucket) == {"in/word", "in/again", "word"}
    assert _content(cloud, bucket, "in/again") == b"within"


def test_a_service_sees_what_others_write_and_delete(cloud: Cloud) -> None:
    """While it runs, a little later."""
    bucket = gcs.made(cloud, "files")
    gcs.put(cloud, bucket, "word", b"first")
    body = {"invokerIamDisabled": True, "template": _template(bucket, SERVER, "/data/word")}
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId=web", body))
    assert "error" not in done, done["error"]
    assert local(cloud, "web").body == b"first"
    gcs.put(cloud, bucket, "word", b"second")
    _until_served(cloud, b"second")
    cloud.call("DELETE", f"/storage/v1/b/{bucket}/o/word")
    _until_served(cloud, b"")
    assert _names(cloud, bucket) == set()


def _until_served(cloud: Cloud, body: bytes) -> None:
    deadline = time.monotonic() + 20
    while local(cloud, "web").body != body:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_a_bucket_or_a_right_to_it_nothing_starts(cloud: Cloud) -> None:
    """The service is there and not ready, and says why; the same of a task."""
    body = {"template": _template(f"{cloud.project}-none", SERVER)}
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId=web", body))
    why = "failed to mount volume files: The specified bucket does not exist."
    assert done["error"]["code"] == 9
    assert why in done["error"]["message"]
    assert cloud.ok("GET", f"{PLACE}/services/web")["terminalCondition"]["state"] == "CONDITION_FAILED"
    account = cloud.ok("POST", "/v1/projects/{P}/serviceAccounts", {"accountId": "nobody"})["email"]
    bucket = gcs.made(cloud, "files")
    refused = _run(cloud, {**_template(bucket, "pass"), "serviceAccount": account})
    assert f"{account} does not have storage.objects.list access" in refused["error"]["message"]


def test_what_may_not_be_written_stays_with_the_container_and_is_said(cloud: Cloud) -> None:
    """A task with the right to read alone ends well; its log says what was not written."""
    account = cloud.ok("POST", "/v1/projects/{P}/serviceAccounts", {"accountId": "reader"})["email"]
    bucket = gcs.made(cloud, "files")
    gcs.put(cloud, bucket, "old", b"here before")
    reader = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{account}"]}
    cloud.ok("PUT", f"/storage/v1/b/{bucket}/iam", {"bindings": [reader]})
    code = "import os; os.remove('/data/old'); open('/data/new', 'w').write('x')"
    done = _run(cloud, {**_template(bucket, code), "serviceAccount": account})
    assert "error" not in done, done["error"]
    assert _names(cloud, bucket) == {"old"}
    body = {
        "resourceNames": [f"projects/{cloud.project}"],
        "filter": 'severity=WARNING AND textPayload:"bucket"',
    }
    said = [one["textPayload"] for one in cloud.ok("POST", "/v2/entries:list", body)["entries"]]
    assert any(text.startswith("new was not written to the bucket") for text in said)
    assert any(text.startswith("old was not deleted from the bucket") for text in said)
