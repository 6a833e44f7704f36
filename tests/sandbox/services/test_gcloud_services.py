"""Services by the real gcloud: deployed in every detail, split over revisions, replaced from a file, deleted."""

import re
import shutil
from pathlib import Path

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
REGION = "europe-west1"
PLACE = f"--region={REGION}"
HELLO = "--image=us-docker.pkg.dev/cloudrun/container/hello"
WEB = f"/v2/projects/{{P}}/locations/{REGION}/services/web"


def test_every_setting_of_a_deployment_arrives(gcloud: Gcloud, cloud: Cloud) -> None:
    """As v2 says it; and what an update does not name stays."""
    settings = (
        "--cpu=2", "--memory=1Gi", "--concurrency=7", "--timeout=60", "--min-instances=1", "--max-instances=3",
        "--no-cpu-throttling", "--session-affinity", "--execution-environment=gen2", "--ingress=all", "--labels=a=b",
        "--set-env-vars=X=1", "--args=one,two", "--port=9000", "--description=what it is for", "--min=1",
        "--liveness-probe=httpGet.path=/,periodSeconds=30", "--startup-probe=tcpSocket.port=9000,failureThreshold=5",
    )  # fmt: skip
    gcloud.ok("alpha", "run", "deploy", "web", HELLO, PLACE, "--no-allow-unauthenticated", *settings)
    gcloud.ok("run", "services", "update", "web", PLACE, "--update-labels=c=d", "--timeout=90")
    shown = cloud.ok("GET", WEB)
    template = shown["template"]
    (container,) = template["containers"]
    assert (shown["labels"], shown["description"], shown["scaling"]) == (
        {"a": "b", "c": "d"},
        "what it is for",
        {"minInstanceCount": 1},
    )
    assert (template["timeout"], template["maxInstanceRequestConcurrency"]) == ("90s", 7)
    assert template["scaling"] == {"minInstanceCount": 1, "maxInstanceCount": 3}
    assert (template["executionEnvironment"], template["sessionAffinity"]) == (
        "EXECUTION_ENVIRONMENT_GEN2",
        True,
    )
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert "cpuIdle" not in container["resources"]
    assert (container["args"], container["ports"]) == (
        ["one", "two"],
        [{"name": "http1", "containerPort": 9000}],
    )
    probe = {"periodSeconds": 30, "timeoutSeconds": 1, "failureThreshold": 3}
    assert container["livenessProbe"] == {"httpGet": {"path": "/", "port": 9000}, **probe}
    assert container["startupProbe"]["failureThreshold"] == 5


def test_traffic_goes_where_it_is_sent(gcloud: Gcloud, cloud: Cloud) -> None:
    """A tagged revision has an address of its own, gets a share, and can be deleted once nothing leads to it."""
    gcloud.ok("run", "deploy", "web", HELLO, PLACE, "--allow-unauthenticated", "--revision-suffix=one")
    gcloud.ok("run", "deploy", "web", HELLO, PLACE, "--revision-suffix=two", "--tag=green", "--no-traffic")
    service = gcloud.json("run", "services", "describe", "web", PLACE)
    (tagged,) = [one for one in service["status"]["traffic"] if one.get("tag") == "green"]
    assert tagged["revisionName"] == "web-two"
    assert (
        b"revision: web-two" in cloud.get("/", headers={"Host": tagged["url"].removeprefix("https://")}).body
    )
    own = service["status"]["url"].removeprefix("https://")
    assert b"revision: web-one" in cloud.get("/", headers={"Host": own}).body
    assert b"revision: web-two" in cloud.get("/", headers={"Host": f"green---{own}"}).body
    gcloud.ok("run", "services", "update-traffic", "web", PLACE, "--to-tags=green=100")
    assert b"revision: web-two" in cloud.get("/", headers={"Host": own}).body
    active = {one["metadata"]["name"]: _active(one) for one in gcloud.json("run", "revisions", "list", PLACE)}
    assert active == {"web-two": "True", "web-one": "False"}
    gcloud.ok("run", "revisions", "delete", "web-one", PLACE)
    refused = gcloud.run("run", "revisions", "delete", "web-two", PLACE)
    assert "it serves traffic, or is the latest revision" in refused.stderr
    gcloud.ok("run", "services", "delete", "web", PLACE)
    assert gcloud.json("run", "services", "list") == []


def _active(revision: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    return next(one["status"] for one in revision["status"]["conditions"] if one["type"] == "Active")


def test_a_service_is_replaced_by_what_gcloud_exported(gcloud: Gcloud, cloud: Cloud, tmp_path: Path) -> None:
    """With one line changed, and its revision's name left out as gcloud's guide says."""
    cloud.enable("cloudresourcemanager")
    gcloud.ok("run", "deploy", "web", HELLO, PLACE, "--no-allow-unauthenticated", "--set-env-vars=X=1")
    text = gcloud.ok("run", "services", "describe", "web", PLACE, "--format=export")
    (tmp_path / "web.yaml").write_text(
        re.sub(r"\n      name: web-\S+", "", text).replace("value: '1'", "value: '2'")
    )
    gcloud.ok("run", "services", "replace", str(tmp_path / "web.yaml"), PLACE)
    shown = cloud.ok("GET", WEB)
    assert shown["template"]["containers"][0]["env"] == [{"name": "X", "value": "2"}]
    assert shown["generation"] == "2"


def test_a_revision_that_does_not_start_is_explained(gcloud: Gcloud) -> None:
    """Deploy fails with Google's words; the revision before goes on."""
    gcloud.ok("run", "deploy", "web", HELLO, PLACE, "--allow-unauthenticated", "--revision-suffix=one")
    broken = ("--command=python", "--args=-c,raise SystemExit(3)")
    ended = gcloud.run("run", "services", "update", "web", PLACE, *broken)
    assert ended.returncode == 1
    assert (
        "is not ready and cannot serve traffic. The user-provided container failed to start" in ended.stderr
    )
    assert "#container-failed-to-start" in ended.stderr
    service = gcloud.json("run", "services", "describe", "web", PLACE)
    conditions = {one["type"]: one for one in service["status"]["conditions"]}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == (
        "False",
        "HealthCheckContainerError",
    )
    assert conditions["RoutesReady"]["status"] == "True"
    assert service["status"]["latestReadyRevisionName"] == "web-one"
    (said,) = gcloud.json("logging", "read", 'log_id("run.googleapis.com/varlog/system") textPayload:exit')
    assert said["textPayload"] == "Container called exit(3)."
