"""Instances: probed while they live, restarted, stopped when idle, full, and made of several containers."""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.runtime.engine import Engine, engine_of
from reconciler.sandbox.server import Server, build_world
from tests.sandbox.calls import APIS, Cloud, new_project
from tests.sandbox.conftest import free_port
from tests.sandbox.services.pushed import finished, local
from tests.sandbox.serving import served

PLACE = "/v2/projects/{P}/locations/europe-west1"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
JOB = "us-docker.pkg.dev/cloudrun/container/job"
SERVER = """
import http.server, os, sys, time
broken = []
class Serve(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/break":
            broken.append(1)
        if self.path == "/slow":
            time.sleep(3)
        self.send_response(500 if broken and self.path == "/alive" else 200)
        self.end_headers()
        said = open(sys.argv[1]).read() if len(sys.argv) > 1 else str(os.getpid())
        self.wfile.write(said.encode())
    def log_message(self, *args):
        pass
port = int(os.environ.get("PORT") or os.environ["LISTEN"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Serve).serve_forever()
"""


def _container(code: str = SERVER, **fields: Any) -> dict[str, Any]:
    return {"image": IMAGE, "command": ["python", "-c", code], **fields}


def _deploy(cloud: Cloud, *containers: dict[str, Any], **template: Any) -> dict[str, Any]:
    """Create the service web, open to everybody; the operation, done."""
    body = {"invokerIamDisabled": True, "template": {"containers": list(containers), **template}}
    return finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId=web", body))


def _until(enough: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not enough():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _said(cloud: Cloud, text: str) -> list[str]:
    body = {"resourceNames": [f"projects/{cloud.project}"], "filter": f'textPayload:"{text}"'}
    return [one["textPayload"] for one in cloud.ok("POST", "/v2/entries:list", body).get("entries", [])]


def test_a_container_that_fails_its_liveness_probe_is_restarted(cloud: Cloud) -> None:
    """Without a request; the log says why, in Cloud Run's words."""
    probe = {"httpGet": {"path": "/alive"}, "periodSeconds": 1, "failureThreshold": 2}
    _deploy(cloud, _container(livenessProbe=probe))
    before = local(cloud, "web", "/break").body
    ended = (
        'LIVENESS HTTP probe failed 2 times consecutively for container "hello-1" on port 8080 path "/alive".'
    )
    _until(lambda: f"{ended} The instance has been shut down." in _said(cloud, "LIVENESS"))
    after = local(cloud, "web").body
    assert after.isdigit()
    assert after != before


def test_several_containers_share_an_instance(cloud: Cloud) -> None:
    """They start in order, on one machine, with one volume; requests go to the one with a port."""
    writer = "import os, sys; open('/shared/word', 'w').write('from beside'); sys.argv[1:] = []\n" + SERVER
    port = free_port()
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    beside = _container(
        writer,
        name="beside",
        env=[{"name": "LISTEN", "value": str(port)}],
        startupProbe={"tcpSocket": {"port": port}},
        volumeMounts=mounts,
    )
    front = _container(
        name="front",
        args=["/shared/word"],
        ports=[{"containerPort": 8080}],
        dependsOn=["beside"],
        volumeMounts=mounts,
    )
    done = _deploy(cloud, front, beside, volumes=[{"name": "shared", "emptyDir": {}}])
    assert "error" not in done, done["error"]
    assert local(cloud, "web").body == b"from beside"
    template = cloud.ok("GET", f"{PLACE}/services/web")["template"]
    assert "ports" not in template["containers"][1]
    assert template["containers"][0]["dependsOn"] == ["beside"]


def test_a_container_beside_the_entrance_may_have_a_port_variable(cloud: Cloud) -> None:
    """PORT is the platform's own in the entrance alone; Google's sample image listens where it says."""
    port = free_port()
    env = [{"name": "PORT", "value": str(port)}]
    beside = {"image": IMAGE, "name": "b", "env": env, "startupProbe": {"httpGet": {"port": port}}}
    front = _container(name="a", ports=[{"containerPort": 8080}], dependsOn=["b"])
    assert "error" not in _deploy(cloud, front, beside)
    refused = cloud.call(
        "PATCH", f"{PLACE}/services/web", {"template": {"containers": [{**front, "env": env}]}}
    )
    assert refused.status == 400
    assert "reserved env names were provided: PORT" in refused.error["message"]


def test_a_task_is_over_when_all_its_containers_are(cloud: Cloud) -> None:
    """The one that fails fails it, and ends the others."""
    patient = {"image": JOB, "name": "patient", "env": [{"name": "SLEEP_MS", "value": "600000"}]}
    failing = {"image": JOB, "name": "failing", "env": [{"name": "FAIL_RATE", "value": "1"}]}
    task = {"maxRetries": 0, "containers": [patient, failing]}
    finished(cloud, cloud.ok("POST", f"{PLACE}/jobs?jobId=job", {"template": {"template": task}}))
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/jobs/job:run"))
    assert "The container exited with an error" in done["error"]["message"]
    assert done["metadata"]["failedCount"] == 1


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        (
            [{"ports": [{"containerPort": 1}]}, {"ports": [{"containerPort": 2}]}],
            "exactly one container with an exposed port",
        ),
        ([{"name": "a"}, {"name": "a"}], "Duplicate container name: a."),
        ([{"name": "a", "dependsOn": ["b"]}], "There is no other container named b."),
    ],
)
def test_containers_that_cannot_be_together_are_refused(
    cloud: Cloud, containers: list[dict[str, Any]], words: str
) -> None:
    """Before anything is made."""
    body = {"template": {"containers": [{"image": "i", **one} for one in containers]}}
    refused = cloud.post(f"{PLACE}/services?serviceId=web", body)
    assert refused.status == 400
    assert words in refused.error["message"]


@dataclass(frozen=True)
class _Own:
    """A sandbox in this process, whose runtime can be reached."""

    cloud: Cloud
    engine: Engine


@pytest.fixture(name="own")
def _own(home: Path) -> Generator[_Own]:
    world = build_world(home, 0)
    with served(Server(world, strict=True)) as port:
        yield _Own(new_project(port, *APIS), engine_of(world))


def test_an_idle_instance_is_stopped_and_started_again_by_a_request(own: _Own) -> None:
    """After its time only, and not where a minimum is asked for; the request waits for the start."""
    _deploy(own.cloud, _container())
    before = local(own.cloud, "web").body
    assert local(own.cloud, "web").body == before
    own.engine.serving.idle_seconds = 0.1
    _until(lambda: own.engine.serving.running() == [])
    own.engine.serving.idle_seconds = 900
    after = local(own.cloud, "web").body
    assert after.isdigit()
    assert after != before
    kept = {
        "template": {"containers": [_container()], "scaling": {"minInstanceCount": 1}},
        "invokerIamDisabled": True,
    }
    finished(own.cloud, own.cloud.ok("PATCH", f"{PLACE}/services/web", kept))
    kept_one = local(own.cloud, "web").body
    own.engine.serving.idle_seconds = 0
    own.engine.serving.tend()
    assert local(own.cloud, "web").body == kept_one


def test_a_minimum_of_instances_is_kept_when_one_dies(own: _Own) -> None:
    """It is started again without a request."""
    _deploy(own.cloud, _container("import sys\n" + SERVER), scaling={"minInstanceCount": 1})
    before = local(own.cloud, "web").body
    (running,) = own.engine.serving.running()
    running.group.process.kill()
    _until(lambda: _said(own.cloud, "terminated") == ["Container terminated on signal 9."])
    _until(lambda: [one.alive for one in own.engine.serving.running()] == [True])
    assert local(own.cloud, "web").body != before


def test_more_requests_than_all_instances_take_are_turned_away(own: _Own) -> None:
    """After a while: 429, which the request log shows."""
    own.engine.serving.pending_seconds = 0.3
    _deploy(own.cloud, _container(), scaling={"maxInstanceCount": 1}, maxInstanceRequestConcurrency=1)
    slow: list[int] = []
    held = threading.Thread(target=lambda: slow.append(local(own.cloud, "web", "/slow").status))
    held.start()
    _until(lambda: local(own.cloud, "web").status == 429)
    refused = local(own.cloud, "web")
    assert (refused.status, refused.body) == (429, b"Rate exceeded.")
    held.join(20)
    assert slow == [200]
    assert local(own.cloud, "web").status == 200
    assert "The request was aborted because there was no available instance." in _said(own.cloud, "aborted")


def test_a_service_without_instances_by_hand_answers_nobody(own: _Own) -> None:
    """Manual scaling to none is 503; back to automatic it serves."""
    _deploy(own.cloud, _container())
    manual = {"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 0}}
    finished(own.cloud, own.cloud.ok("PATCH", f"{PLACE}/services/web?updateMask=scaling", manual))
    assert own.cloud.ok("GET", f"{PLACE}/services/web")["scaling"] == manual["scaling"]
    assert local(own.cloud, "web").status == 503
    finished(own.cloud, own.cloud.ok("PATCH", f"{PLACE}/services/web?updateMask=scaling", {}))
    assert local(own.cloud, "web").status == 200
