"""Cloud Run v1, and the real gcloud on it, on Cloud SQL and on Cloud Build."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from reconciler.sandbox.services import knative
from reconciler.sandbox.services.run_templates import completed_service
from tests.sandbox.calls import Cloud
from tests.sandbox.services.pushed import REGION, finished, local, tiny_image

Gcloud = Callable[..., Any]
WEB = f"/v2/projects/{{P}}/locations/{REGION}/services/web"
HOST = {"Host": f"{REGION}-run.googleapis.com"}
SERVICES = "/apis/serving.knative.dev/v1/namespaces/{P}/services"


@pytest.fixture(name="web")
def _web(cloud: Cloud) -> Cloud:
    """A project with the service web, open to everybody, and the job job."""
    image = tiny_image(cloud)
    place = f"/v2/projects/{{P}}/locations/{REGION}"
    container = {"image": image, "env": [{"name": "A", "value": "1"}]}
    finished(
        cloud, cloud.ok("POST", f"{place}/services?serviceId=web", {"template": {"containers": [container]}})
    )
    everybody = {"role": "roles/run.invoker", "members": ["allUsers"]}
    cloud.ok("POST", f"{WEB}:setIamPolicy", {"policy": {"bindings": [everybody]}})
    finished(
        cloud,
        cloud.ok(
            "POST", f"{place}/jobs?jobId=job", {"template": {"template": {"containers": [{"image": image}]}}}
        ),
    )
    return cloud


@pytest.fixture(name="gcloud")
def _gcloud(running: Running, cloud: Cloud) -> Gcloud:
    """Run the real gcloud on the project; its answer as JSON."""
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    environment = {
        **os.environ,
        **control.environment(running, cloud.project),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    }

    def run(*words: str) -> Any:
        command = ["gcloud", *words, "--format=json"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    return run


FULL: dict[str, Any] = {
    "labels": {"a": "b"},
    "annotations": {"own.example/x": "y"},
    "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "invokerIamDisabled": True,
    "customAudiences": ["https://x.example"],
    "scaling": {"minInstanceCount": 1},
    "traffic": [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-1", "percent": 90, "tag": "old"},
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 10},
    ],
    "template": {
        "labels": {"c": "d"},
        "scaling": {"minInstanceCount": 1, "maxInstanceCount": 4},
        "serviceAccount": "x@p.iam.gserviceaccount.com",
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "timeout": "60s",
        "maxInstanceRequestConcurrency": 7,
        "volumes": [
            {"name": "s", "secret": {"secret": "key", "items": [{"path": "v", "version": "1"}]}},
            {"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r-w1:i", "p:r-w1:j"]}},
        ],
        "containers": [
            {
                "image": "i",
                "command": ["c"],
                "args": ["a"],
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "K", "valueSource": {"secretKeyRef": {"secret": "key", "version": "2"}}},
                ],
                "ports": [{"name": "h2c", "containerPort": 9000}],
                "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "startupCpuBoost": True},
                "volumeMounts": [{"name": "s", "mountPath": "/k"}, {"name": "cloudsql", "mountPath": "/cloudsql"}],
                "startupProbe": {"httpGet": {"path": "/up", "port": 9000}, "timeoutSeconds": 1, "periodSeconds": 2,
                                 "failureThreshold": 5},
            }
        ],
    },
}  # fmt: skip


def test_nothing_is_lost_between_the_two_shapes() -> None:
    """A full service through v1 and back is the same service."""
    fields = completed_service(FULL, "x@p.iam.gserviceaccount.com")
    resource = {
        **fields,
        "name": f"projects/p/locations/{REGION}/services/web", "uid": "u", "generation": "1", "etag": '"e"',
        "createTime": "t", "updateTime": "t", "creator": "c", "lastModifier": "c", "urls": ["https://u"],
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": "t"},
    }  # fmt: skip
    back = completed_service(
        knative.service_fields(knative.service(resource, "123")), "x@p.iam.gserviceaccount.com"
    )
    assert back == fields


def test_the_region_is_in_the_hosts_name(web: Cloud) -> None:
    """Another region does not have the service; without one all are listed."""
    assert web.get(f"{SERVICES}/web", headers=HOST).status == 200
    assert web.get(f"{SERVICES}/web", headers={"Host": "us-central1-run.googleapis.com"}).status == 404
    assert len(web.ok("GET", SERVICES)["items"]) == 1


def test_replacing_needs_the_version_that_was_read(web: Cloud) -> None:
    """409 where somebody was faster."""
    read = web.get(f"{SERVICES}/web", headers=HOST).json
    read["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "2"}]
    first = web.call("PUT", f"{SERVICES}/web", read, headers=HOST)
    assert first.status == 200
    assert first.json["status"]["conditions"][0]["status"] in ("Unknown", "True")
    assert web.call("PUT", f"{SERVICES}/web", read, headers=HOST).status == 409


def test_revisions_are_found_by_their_labels(web: Cloud) -> None:
    """As gcloud looks for its own nonce."""
    path = "/apis/serving.knative.dev/v1/namespaces/{P}/revisions?labelSelector=serving.knative.dev%2Fservice"
    assert len(web.get(f"{path}+%3D+web", headers=HOST).json["items"]) == 1
    assert "items" not in web.get(f"{path}%3Dother", headers=HOST).json


def test_gcloud_describes_lists_and_updates_services(web: Cloud, gcloud: Gcloud) -> None:
    """What it changes is what v2 shows, and what the container gets."""
    shown = gcloud("run", "services", "describe", "web", f"--region={REGION}")
    assert shown["status"]["url"] == f"https://web-{web.number}.{REGION}.run.app"
    assert [one["metadata"]["name"] for one in gcloud("run", "services", "list")] == ["web"]
    gcloud(
        "run",
        "services",
        "update",
        "web",
        f"--region={REGION}",
        "--memory=1Gi",
        "--update-env-vars=B=2",
        "--max-instances=3",
    )
    template = web.ok("GET", WEB)["template"]
    assert template["containers"][0]["resources"]["limits"] == {"cpu": "1000m", "memory": "1Gi"}
    assert template["scaling"] == {"maxInstanceCount": 3}
    seen = local(web, "web").json["env"]
    assert (seen["A"], seen["B"]) == ("1", "2")


def test_gcloud_deploys_and_deletes(web: Cloud, gcloud: Gcloud) -> None:
    """A new service with a policy of its own; afterwards it is gone."""
    image = web.ok("GET", WEB)["template"]["containers"][0]["image"]
    place = f"--region={REGION}"
    gcloud(
        "run",
        "deploy",
        "other",
        f"--image={image}",
        place,
        "--no-allow-unauthenticated",
        "--set-env-vars=A=b",
        "--port=8080",
    )
    assert local(web, "other").status == 403
    gcloud(
        "run",
        "services",
        "add-iam-policy-binding",
        "other",
        place,
        "--member=allUsers",
        "--role=roles/run.invoker",
    )
    assert local(web, "other").json["env"]["A"] == "b"
    gcloud("run", "services", "delete", "other", place)
    assert len(gcloud("run", "services", "list", place)) == 1


def test_gcloud_lists_jobs_and_builds(web: Cloud, gcloud: Gcloud) -> None:
    """Also their details."""
    assert [one["metadata"]["name"] for one in gcloud("run", "jobs", "list", f"--region={REGION}")] == ["job"]
    shown = gcloud("run", "jobs", "describe", "job", f"--region={REGION}")
    assert shown["spec"]["template"]["spec"]["taskCount"] == 1
    assert [one["status"] for one in gcloud("builds", "list", f"--region={REGION}")] == ["SUCCESS"]
    assert web.project


def test_gcloud_creates_patches_and_lists_databases(gcloud: Gcloud, cloud: Cloud) -> None:
    """Through v1beta4, with all the fields that gcloud sends."""
    backup = ("--backup", "--backup-start-time=02:00", "--availability-type=zonal")
    disk = ("--storage-size=20", "--storage-auto-increase")
    kind = (
        "--database-version=POSTGRES_16",
        "--tier=db-f1-micro",
        "--edition=enterprise",
        f"--region={REGION}",
    )
    gcloud("sql", "instances", "create", "db1", *kind, *disk, *backup)
    gcloud("sql", "instances", "patch", "db1", "--tier=db-g1-small", "--backup-start-time=03:00")
    shown = gcloud("sql", "instances", "describe", "db1")
    assert (shown["state"], shown["settings"]["tier"]) == ("RUNNABLE", "db-g1-small")
    assert shown["settings"]["backupConfiguration"]["startTime"] == "03:00"
    assert [one["name"] for one in gcloud("sql", "databases", "list", "--instance=db1")] == ["postgres"]
    assert [one["name"] for one in gcloud("sql", "users", "list", "--instance=db1")] == ["postgres"]
    assert cloud.ok("GET", "/v1/projects/{P}/instances/db1")["settings"]["dataDiskSizeGb"] == "20"
