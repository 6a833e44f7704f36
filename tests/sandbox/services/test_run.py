"""Cloud Run v2: services, jobs, and what really runs."""

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Answered, Cloud
from tests.sandbox.services.pushed import REGION, finished, local, tiny_image
from tests.sandbox.test_conditions import under

PLACE = f"/v2/projects/{{P}}/locations/{REGION}"
WEB = f"{PLACE}/services/web"


@pytest.fixture(name="image")
def _image(cloud: Cloud) -> str:
    """The tiny image."""
    return tiny_image(cloud)


def _service(image: str, **template: Any) -> dict[str, Any]:
    container = {"image": image, **template.pop("container", {})}
    return {"template": {"containers": [container], **template}}


def _deploy(
    cloud: Cloud, body: dict[str, Any], *, service: str = "web", public: bool = True
) -> dict[str, Any]:
    """Create a service, let everybody in, and return the operation, done."""
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId={service}", body))
    if public:
        everybody = {"role": "roles/run.invoker", "members": ["allUsers"]}
        cloud.ok("POST", f"{PLACE}/services/{service}:setIamPolicy", {"policy": {"bindings": [everybody]}})
    return done


def _patch(cloud: Cloud, body: dict[str, Any], query: str = "") -> dict[str, Any]:
    return finished(cloud, cloud.ok("PATCH", f"{WEB}{query}", body))


def _env(**values: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in values.items()]}


def test_a_service_gets_the_recorded_defaults(cloud: Cloud, image: str) -> None:
    """What nobody sent is what the real service fills in; nothing false, zero or empty is shown."""
    done = _deploy(cloud, _service(image))
    shown = cloud.ok("GET", WEB)
    assert shown["template"] == {
        "scaling": {"maxInstanceCount": 100},
        "timeout": "300s",
        "serviceAccount": f"{cloud.number}-compute@developer.gserviceaccount.com",
        "containers": [
            {
                "image": image,
                "resources": {
                    "limits": {"cpu": "1000m", "memory": "512Mi"},
                    "cpuIdle": True,
                    "startupCpuBoost": True,
                },
                "ports": [{"name": "http1", "containerPort": 8080}],
                "startupProbe": {
                    "tcpSocket": {"port": 8080},
                    "timeoutSeconds": 240,
                    "periodSeconds": 240,
                    "failureThreshold": 1,
                },
            }
        ],
        "maxInstanceRequestConcurrency": 80,
    }
    assert shown["ingress"] == "INGRESS_TRAFFIC_ALL"
    assert shown["traffic"] == [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]
    assert shown["urls"] == [f"https://web-{cloud.number}.{REGION}.run.app", shown["uri"]]
    assert (shown["generation"], shown["observedGeneration"]) == ("1", "1")
    assert shown["latestReadyRevision"] == shown["latestCreatedRevision"]
    assert shown["terminalCondition"]["state"] == "CONDITION_SUCCEEDED"
    assert "reconciling" not in shown
    assert done["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Service"


def test_an_operation_is_not_done_before_the_revision_serves(cloud: Cloud, image: str) -> None:
    """Its metadata is the service as it is being made, without uid."""
    started = cloud.ok("POST", f"{PLACE}/services?serviceId=web", _service(image))
    assert "done" not in started
    assert started["metadata"]["reconciling"] is True
    assert "uid" not in started["metadata"]
    assert "uid" in finished(cloud, started)["response"]


def test_a_container_has_exactly_its_environment(cloud: Cloud, image: str) -> None:
    """The image's, the revision's, Cloud Run's own, and the stand-ins for its network."""
    _deploy(cloud, _service(image, container={**_env(A="1"), "args": ["python", "/app/main.py", "x"]}))
    seen = local(cloud, "web").json
    revision = cloud.ok("GET", WEB)["latestReadyRevision"].rsplit("/", 1)[-1]
    own = {"A", "IMAGE_SAYS", "PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "HOME", "TMPDIR", "PATH"}
    network = {
        "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
        "GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT", "LISTEN_ADDRESS",
    }  # fmt: skip
    assert set(seen["env"]) - {"LC_CTYPE"} == own | network
    assert (seen["env"]["K_SERVICE"], seen["env"]["K_REVISION"]) == ("web", revision)
    assert seen["argv"] == ["x"]


def test_nobody_gets_in_before_the_policy_says_so(cloud: Cloud, image: str) -> None:
    """On the service's own port and by its host name."""
    _deploy(cloud, _service(image), public=False)
    host = {"Host": f"web-{cloud.number}.{REGION}.run.app"}
    assert local(cloud, "web").status == 403
    assert cloud.get("/", headers=host).status == 403
    everybody = {"role": "roles/run.invoker", "members": ["allUsers"]}
    cloud.ok("POST", f"{WEB}:setIamPolicy", {"policy": {"bindings": [everybody]}})
    assert local(cloud, "web").status == 200
    assert cloud.get("/", headers=host).status == 200


def test_a_revision_that_exits_is_a_failed_revision_with_its_log(
    cloud: Cloud, image: str, running: Running
) -> None:
    """The service says so and goes on serving with the revision before."""
    _deploy(cloud, _service(image, container=_env(V="1")))
    first = cloud.ok("GET", WEB)["latestReadyRevision"]
    done = _patch(cloud, _service(image, container=_env(EXIT="3", GREETING="to the log")))
    shown = cloud.ok("GET", WEB)
    failed = shown["latestCreatedRevision"].rsplit("/", 1)[-1]
    assert done["error"]["code"] == 9
    assert f"Revision '{failed}' is not ready and cannot serve traffic." in done["error"]["message"]
    assert (
        "failed to start and listen on the port defined provided by the PORT=8080" in done["error"]["message"]
    )
    assert "hello from the container to the log" in done["error"]["message"]
    assert shown["terminalCondition"]["state"] == "CONDITION_FAILED"
    assert (shown["generation"], shown["latestReadyRevision"]) == ("2", first)
    assert local(cloud, "web").json["env"]["V"] == "1"
    assert "Container called exit(3)." in (running.home / "logs" / f"{failed}.log").read_text()
    state = cloud.ok("GET", f"/v2/{shown['latestCreatedRevision']}")["conditions"][0]["state"]
    assert state == "CONDITION_FAILED"


def test_the_same_template_again_makes_no_new_revision(cloud: Cloud, image: str) -> None:
    """Neither after a success, nor after a failure, which is reported again; forceNewRevision makes one."""
    body = _service(image)
    _deploy(cloud, body)
    first = cloud.ok("GET", WEB)
    _patch(cloud, body)
    assert cloud.ok("GET", WEB) == first
    _patch(cloud, body, "?forceNewRevision=true")
    assert cloud.ok("GET", WEB)["latestReadyRevision"] != first["latestReadyRevision"]
    bad = _service(f"{image}-none")
    errors = [_patch(cloud, bad)["error"]["message"] for _ in range(2)]
    assert errors[0] == errors[1]
    assert f"Image '{image}-none' not found." in errors[0]
    assert len(cloud.ok("GET", f"{WEB}/revisions")["revisions"]) == 3


def test_a_mask_changes_what_it_names_only(cloud: Cloud, image: str) -> None:
    """Labels alone make no revision; without a mask everything is replaced."""
    _deploy(cloud, {**_service(image, container=_env(A="1")), "labels": {"a": "b"}})
    first = cloud.ok("GET", WEB)
    _patch(cloud, {"labels": {"c": "d"}}, "?updateMask=labels")
    shown = cloud.ok("GET", WEB)
    assert shown["labels"] == {"c": "d"}
    assert (shown["template"], shown["latestReadyRevision"]) == (
        first["template"],
        first["latestReadyRevision"],
    )
    _patch(
        cloud,
        {"template": {"scaling": {"maxInstanceCount": 3}}},
        "?updateMask=template.scaling.maxInstanceCount",
    )
    shown = cloud.ok("GET", WEB)
    assert shown["template"]["scaling"] == {"maxInstanceCount": 3}
    assert shown["template"]["containers"] == first["template"]["containers"]
    _patch(cloud, _service(image))
    assert "labels" not in cloud.ok("GET", WEB)


def test_a_stale_etag_is_a_conflict(cloud: Cloud, image: str) -> None:
    """409 ABORTED, on change and on deletion."""
    _deploy(cloud, _service(image))
    old = cloud.ok("GET", WEB)["etag"]
    _patch(cloud, {**_service(image), "labels": {"a": "b"}, "etag": old})
    conflict = cloud.call("PATCH", WEB, {**_service(image), "etag": old})
    assert (conflict.status, conflict.error["status"]) == (409, "ABORTED")
    quoted = old.replace('"', "%22")
    assert cloud.call("DELETE", f"{WEB}?etag={quoted}").status == 409


def test_a_dry_run_changes_nothing(cloud: Cloud, image: str) -> None:
    """It answers as if it had, and finds the same mistakes."""
    done = cloud.ok("POST", f"{PLACE}/services?serviceId=web&validateOnly=true", _service(image))
    assert done["done"] is True
    assert cloud.get(WEB).status == 404
    bad = _service(image, timeout="4000s")
    assert cloud.post(f"{PLACE}/services?serviceId=web&validateOnly=true", bad).status == 400


def test_a_missing_service_is_made_where_that_is_allowed(cloud: Cloud, image: str) -> None:
    """PATCH with allowMissing creates; without it is a 404 in the recorded words."""
    missing = cloud.call("PATCH", WEB, _service(image))
    text = (
        f"Resource 'web' of kind 'SERVICE' in region '{REGION}' in project '{cloud.project}' does not exist."
    )
    assert (missing.status, missing.error["message"]) == (404, text)
    _patch(cloud, _service(image), "?allowMissing=true")
    assert cloud.ok("GET", WEB)["generation"] == "1"
    again = cloud.post(f"{PLACE}/services?serviceId=web", _service(image))
    assert (again.status, again.error["status"]) == (409, "ALREADY_EXISTS")


def _limits(cpu: str, memory: str) -> dict[str, Any]:
    return {"resources": {"limits": {"cpu": cpu, "memory": memory}, "cpuIdle": True}}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"container": _env(PORT="1")}, "The following reserved env names were provided: PORT."),
        ({"container": {"env": [{"name": "A"}, {"name": "A"}]}}, "Duplicate environment variable name: A."),
        ({"container": _limits("1", "8Gi")}, "memory must be between 128Mi and 4096Mi inclusive"),
        ({"container": _limits("3", "1Gi")}, "Invalid value specified for cpu: 3"),
        ({"container": _limits("500m", "512Mi"), "maxInstanceRequestConcurrency": 80}, "concurrency > 1"),
        ({"container": _limits("1", "lots")}, "'lots' is not a quantity"),
        ({"timeout": "3601s"}, "template.timeout: Must be between 1s and 3600s."),
        ({"maxInstanceRequestConcurrency": 1001}, "Must be between 1 and 1000."),
        (
            {"scaling": {"minInstanceCount": 3, "maxInstanceCount": 2}},
            "Must not be greater than max_instance_count.",
        ),
        (
            {"container": {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}},
            "No volume with the name x is declared.",
        ),
        ({"container": {"ports": [{"name": "http2", "containerPort": 1}]}}, "Must be either http1 or h2c."),
        ({"container": {"startupProbe": {"tcpSocket": {}, "httpGet": {}}}}, "one and only one of"),
        (
            {"container": {"startupProbe": {"tcpSocket": {}, "timeoutSeconds": 20}}},
            "not more than period_seconds",
        ),
        (
            {"container": {"startupProbe": {"tcpSocket": {}, "failureThreshold": 25}}},
            "must not be greater than 240 for startup probes",
        ),
        (
            {"container": {"livenessProbe": {"httpGet": {}, "periodSeconds": 3601}}},
            "period_seconds: Must be between 1 and 3600.",
        ),
        (
            {"container": _limits("500m", "512Mi"), "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2"},
            "resources.limits.cpu: Total cpu < 1 is not supported with the second generation",
        ),
        (
            {"container": _limits("1", "256Mi"), "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2"},
            "resources.limits.memory: The second generation execution environment needs at least 512Mi.",
        ),
        ({"labels": {"run.googleapis.com/x": "y"}}, "System labels are not allowed"),
    ],
)
def test_what_cloud_run_refuses_is_refused(cloud: Cloud, template: dict[str, Any], words: str) -> None:
    """400 with the field's path, before anything is made."""
    refused = cloud.post(f"{PLACE}/services?serviceId=web", _service("i", **dict(template)))
    assert refused.status == 400
    assert words in refused.error["message"]
    assert refused.error["status"] == "INVALID_ARGUMENT"
    assert "Violation in CreateServiceRequest.service." in refused.error["message"]


@pytest.mark.parametrize(
    "template",
    [
        {"container": _limits("500m", "256Mi"), "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN1"},
        {"container": _limits("500m", "256Mi")},
        {"container": {"startupProbe": {"tcpSocket": {}, "failureThreshold": 24}}},
        {"container": {"livenessProbe": {"httpGet": {}, "periodSeconds": 3600, "failureThreshold": 9}}},
    ],
)
def test_what_cloud_run_takes_is_taken(cloud: Cloud, template: dict[str, Any]) -> None:
    """The same fields within their bounds: only the image of nowhere could be in the way."""
    path = f"{PLACE}/services?serviceId=web&validateOnly=true"
    answered = cloud.post(path, _service("i", **dict(template)))
    assert answered.status == 200 or "Violation" not in answered.error["message"]


@pytest.mark.parametrize("name", ["Web", "1web", "web-", "w" * 50, ""])
def test_names_follow_the_rule(cloud: Cloud, name: str) -> None:
    """49 lowercase letters, digits and hyphens."""
    assert cloud.post(f"{PLACE}/services?serviceId={name}", _service("i")).status == 400


def test_a_service_account_must_exist_and_be_ours_to_use(cloud: Cloud, image: str) -> None:
    """403 in Google's words for both."""
    email = f"nobody@{cloud.project}.iam.gserviceaccount.com"
    refused = cloud.post(f"{PLACE}/services?serviceId=web", _service(image, serviceAccount=email))
    text = f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist)."
    assert (refused.status, refused.error["message"]) == (403, text)


def test_what_is_not_emulated_is_said(cloud: Cloud) -> None:
    """Never a silent success."""
    gpu = _service("i", nodeSelector={"accelerator": "nvidia-l4"})
    refused = cloud.post(f"{PLACE}/services?serviceId=web", gpu)
    assert refused.status == 400
    assert "does not emulate" in refused.error["message"]


def test_a_volume_that_cannot_be_reached_fails_the_revision(cloud: Cloud) -> None:
    """NFS: the service has it in its template, and says that the sandbox has none."""
    nfs = {"name": "n", "nfs": {"server": "10.0.0.2", "path": "/share"}}
    done = _deploy(cloud, _service("us-docker.pkg.dev/cloudrun/container/hello", volumes=[nfs]))
    assert "The sandbox does not emulate volumes of NFS" in done["error"]["message"]
    assert cloud.ok("GET", WEB)["template"]["volumes"] == [nfs]


def _secret(cloud: Cloud, value: bytes) -> None:
    cloud.ok("POST", "/v1/projects/{P}/secrets?secretId=key", {"replication": {"automatic": {}}})
    payload = {"payload": {"data": base64.b64encode(value).decode()}}
    cloud.ok("POST", "/v1/projects/{P}/secrets/key:addVersion", payload)


def test_a_secret_needs_the_accounts_right_and_arrives_as_variable_and_file(cloud: Cloud, image: str) -> None:
    """Without the right the revision fails in Google's words; the value is in no answer."""
    _secret(cloud, b"hunter2")
    email = cloud.account("server")
    key = {"secret": "key", "version": "1"}
    body = _service(
        image,
        serviceAccount=email,
        volumes=[
            {"name": "k", "secret": {"secret": "key", "items": [{"path": "deep/value", "version": "1"}]}}
        ],
        container={
            "env": [
                {"name": "KEY", "valueSource": {"secretKeyRef": key}},
                {"name": "FILE", "value": "/keys/deep/value"},
            ],
            "volumeMounts": [{"name": "k", "mountPath": "/keys"}],
        },
    )
    done = _deploy(cloud, body)
    version = f"projects/{cloud.number}/secrets/key/versions/1"
    text = f"Permission denied on secret: {version} for Revision service account {email}"
    assert text in done["error"]["message"]
    reader = {"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{email}"]}
    cloud.ok("POST", "/v1/projects/{P}/secrets/key:setIamPolicy", {"policy": {"bindings": [reader]}})
    assert "error" not in _patch(cloud, body, "?forceNewRevision=true")
    seen = local(cloud, "web").json
    assert (seen["env"]["KEY"], seen["file"]) == ("hunter2", "hunter2")
    assert b"hunter2" not in cloud.get(WEB).body


def test_a_database_is_there_for_who_may_connect(cloud: Cloud, image: str) -> None:
    """The mount has the socket's folder with roles/cloudsql.client, and is empty without."""
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    instance = {"name": "db", "region": REGION, "databaseVersion": "POSTGRES_16", "settings": settings}
    operation = cloud.ok("POST", "/v1/projects/{P}/instances", instance)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", f"/v1/projects/{{P}}/operations/{operation['name']}")
    email = cloud.account("server")
    connection = f"{cloud.project}:{REGION}:db"
    body = _service(
        image,
        serviceAccount=email,
        volumes=[{"name": "cloudsql", "cloudSqlInstance": {"instances": [connection]}}],
        container={
            **_env(FOLDER=f"/cloudsql/{connection}"),
            "volumeMounts": [{"name": "cloudsql", "mountPath": "/cloudsql"}],
        },
    )
    _deploy(cloud, body)
    assert local(cloud, "web").json["folder"] is None
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/cloudsql.client", "members": [f"serviceAccount:{email}"]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    _patch(cloud, body, "?forceNewRevision=true")
    assert ".s.PGSQL.5432" in local(cloud, "web").json["folder"]


def test_a_container_that_dies_is_started_by_the_next_request(cloud: Cloud, image: str) -> None:
    """The request that it died of is a 503."""
    _deploy(cloud, _service(image))
    before = local(cloud, "web").json["pid"]
    assert local(cloud, "web", "/exit").status == 503
    assert local(cloud, "web").json["pid"] != before


def test_more_memory_than_the_limit_ends_the_container(cloud: Cloud, image: str, running: Running) -> None:
    """The log says how much, in Cloud Run's words."""
    limits = {"resources": {"limits": {"cpu": "1", "memory": "128Mi"}, "cpuIdle": True}}
    _deploy(cloud, _service(image, container=limits))
    assert local(cloud, "web", "/grow").status == 503
    revision = cloud.ok("GET", WEB)["latestReadyRevision"].rsplit("/", 1)[-1]
    assert "Memory limit of 128 MiB exceeded with" in (running.home / "logs" / f"{revision}.log").read_text()


def test_deleting_ends_everything(cloud: Cloud, image: str) -> None:
    """The deletion's times are in the operation; afterwards there is nothing to get, list or reach."""
    _deploy(cloud, _service(image))
    done = finished(cloud, cloud.ok("DELETE", WEB))
    assert {"deleteTime", "expireTime"} <= set(done["response"])
    assert done["response"]["generation"] == "2"
    assert cloud.get(WEB).status == 404
    assert "services" not in cloud.ok("GET", f"{PLACE}/services")
    host = {"Host": f"web-{cloud.number}.{REGION}.run.app"}
    assert cloud.get("/", headers=host).status == 404
    assert not [
        one for one in cloud.ok("GET", "/sandbox/v1/status")["services"] if one["project"] == cloud.project
    ]


def test_a_deletion_is_seen_in_its_operation_alone(cloud: Cloud, image: str) -> None:
    """While it runs, the service is there, reconciles and says no more; the list of operations has it."""
    _deploy(cloud, _service(image))
    with under(cloud, operations={"run.*": 1}):
        started = cloud.ok("DELETE", WEB)
        shown = cloud.ok("GET", WEB)
        (running,) = cloud.ok("GET", f"{PLACE}/operations?filter=done:false")["operations"]
    assert shown["reconciling"] is True
    assert not {"deleteTime", "expireTime"} & set(shown)
    assert running["name"] == started["name"]
    assert running["metadata"]["name"] == shown["name"]
    assert {"deleteTime", "expireTime"} <= set(running["metadata"])
    finished(cloud, started)
    assert "operations" not in cloud.ok("GET", f"{PLACE}/operations?filter=done:false")
    assert len(cloud.ok("GET", f"{PLACE}/operations?filter=done:true")["operations"]) == 2
    assert cloud.get(f"{PLACE}/operations?filter=name:x").status == 400


def test_old_revisions_can_go_and_serving_ones_cannot(cloud: Cloud, image: str) -> None:
    """The list is newest first; images of revisions are digests."""
    _deploy(cloud, _service(image, container=_env(V="1")))
    _patch(cloud, _service(image, container=_env(V="2")))
    new, old = cloud.ok("GET", f"{WEB}/revisions")["revisions"]
    assert "@sha256:" in new["containers"][0]["image"]
    assert cloud.call("DELETE", f"/v2/{new['name']}").status == 400
    assert cloud.ok("DELETE", f"/v2/{old['name']}")["done"] is True
    assert len(cloud.ok("GET", f"{WEB}/revisions")["revisions"]) == 1


def test_traffic_can_be_pinned_to_a_revision(cloud: Cloud, image: str) -> None:
    """The newest one then waits; a revision that is not there is an error that leaves the traffic as it was."""
    _deploy(cloud, _service(image, container=_env(V="1")))
    first = cloud.ok("GET", WEB)["latestReadyRevision"].rsplit("/", 1)[-1]
    target = {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": first, "percent": 100}
    _patch(cloud, {**_service(image, container=_env(V="2")), "traffic": [target]})
    assert local(cloud, "web").json["env"]["V"] == "1"
    done = _patch(cloud, {**_service(image), "traffic": [{**target, "revision": "web-none"}]})
    assert done["error"]["code"] == 13
    assert "Revision 'web-none' does not exist or is deleted." in done["error"]["message"]
    assert local(cloud, "web").json["env"]["V"] == "1"


def _job(image: str, **task: Any) -> dict[str, Any]:
    container = {"image": image, **task.pop("container", {})}
    return {"template": {"template": {"maxRetries": 0, "containers": [container], **task}}}


def _make_job(cloud: Cloud, body: dict[str, Any]) -> None:
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/jobs?jobId=job", body))
    assert "error" not in done


def test_a_job_gets_the_recorded_defaults(cloud: Cloud, image: str) -> None:
    """Fields and values of the recorded real answer."""
    finished(
        cloud,
        cloud.ok(
            "POST", f"{PLACE}/jobs?jobId=job", {"template": {"template": {"containers": [{"image": image}]}}}
        ),
    )
    shown = cloud.ok("GET", f"{PLACE}/jobs/job")
    assert shown["template"] == {
        "taskCount": 1,
        "template": {
            "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
            "maxRetries": 3,
            "timeout": "600s",
            "serviceAccount": f"{cloud.number}-compute@developer.gserviceaccount.com",
            "containers": [{"image": image, "resources": {"limits": {"cpu": "1000m", "memory": "512Mi"}}}],
        },
    }
    assert set(shown) == {
        "name", "uid", "generation", "createTime", "updateTime", "creator", "lastModifier", "latestCreatedExecution",
        "etag", "launchStage", "template", "observedGeneration", "terminalCondition",
    }  # fmt: skip


def test_a_jobs_startup_probe_gets_the_recorded_defaults(cloud: Cloud, image: str) -> None:
    """Ten seconds, one second, three tries, as the real API answered."""
    probe = {"httpGet": {"path": "/", "port": 8080}}
    body = {"template": {"template": {"containers": [{"image": image, "startupProbe": probe}]}}}
    finished(cloud, cloud.ok("POST", f"{PLACE}/jobs?jobId=probed", body))
    (container,) = cloud.ok("GET", f"{PLACE}/jobs/probed")["template"]["template"]["containers"]
    times = {"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}
    assert container["startupProbe"] == {**probe, **times}


def test_a_run_is_over_when_its_tasks_are(cloud: Cloud, image: str, running: Running) -> None:
    """Execution, task and job say how it ended; the output is in the task's log."""
    _make_job(cloud, _job(image, container=_env(GREETING="task")))
    started = cloud.ok("POST", f"{PLACE}/jobs/job:run", {})
    assert "done" not in started
    execution = finished(cloud, started)["response"]
    assert (execution["succeededCount"], execution["taskCount"]) == (1, 1)
    assert execution["conditions"][0]["state"] == "CONDITION_SUCCEEDED"
    latest = cloud.ok("GET", f"{PLACE}/jobs/job")["latestCreatedExecution"]
    assert latest["completionStatus"] == "EXECUTION_SUCCEEDED"
    (task,) = cloud.ok("GET", f"/v2/{execution['name']}/tasks")["tasks"]
    log = (running.home / "logs" / f"{task['name'].rsplit('/', 1)[-1]}.log").read_text()
    assert "hello from the container task" in log
    assert cloud.ok("GET", f"{PLACE}/jobs/job/executions")["executions"] == [
        cloud.ok("GET", f"/v2/{execution['name']}")
    ]


def test_a_task_that_fails_is_tried_again_and_fails_the_execution(cloud: Cloud, image: str) -> None:
    """As often as the job says; the error carries the log's end."""
    _make_job(cloud, _job(image, maxRetries=2, container=_env(EXIT="5")))
    done = finished(cloud, cloud.ok("POST", f"{PLACE}/jobs/job:run", {}))
    assert "The container exited with an error: exit(5)." in done["error"]["message"]
    assert done["error"]["message"].count("hello from the container") == 3
    execution = done["metadata"]
    assert execution["failedCount"] == 1
    (task,) = cloud.ok("GET", f"/v2/{execution['name']}/tasks")["tasks"]
    assert (task["retried"], task["lastAttemptResult"]["exitCode"]) == (2, 5)
    assert (
        cloud.ok("GET", f"{PLACE}/jobs/job")["latestCreatedExecution"]["completionStatus"]
        == "EXECUTION_FAILED"
    )


def test_a_run_can_be_given_other_arguments_and_variables(cloud: Cloud, image: str) -> None:
    """For this once."""
    _make_job(cloud, _job(image, container=_env(EXIT="5")))
    overrides = {"containerOverrides": [{"env": [{"name": "EXIT", "value": ""}]}]}
    assert "error" not in finished(cloud, cloud.ok("POST", f"{PLACE}/jobs/job:run", {"overrides": overrides}))
    assert (
        cloud.ok("GET", f"{PLACE}/jobs/job")["template"]["template"]["containers"][0]["env"][0]["value"]
        == "5"
    )


def test_a_running_execution_can_be_cancelled(cloud: Cloud, image: str) -> None:
    """Its process ends, and its status says so."""
    _make_job(cloud, _job(image, container={"command": ["python", "-c", "import time; time.sleep(600)"]}))
    started = cloud.ok("POST", f"{PLACE}/jobs/job:run", {})
    name = started["metadata"]["name"]
    _until(lambda: cloud.get(f"/v2/{name}/tasks"), lambda answered: "tasks" in answered.json)
    _until(lambda: cloud.post(f"/v2/{name}:cancel"), lambda answered: answered.status == 200)
    done = finished(cloud, started)
    assert "cancelled" in done["error"]["message"]
    assert (
        cloud.ok("GET", f"{PLACE}/jobs/job")["latestCreatedExecution"]["completionStatus"]
        == "EXECUTION_CANCELLED"
    )


def _until(ask: Callable[[], Answered], enough: Callable[[Answered], bool]) -> None:
    deadline = time.monotonic() + 20
    while not enough(ask()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_deleted_job_is_missing_in_the_recorded_words(cloud: Cloud, image: str) -> None:
    """And its executions are gone, too."""
    _make_job(cloud, _job(image))
    finished(cloud, cloud.ok("POST", f"{PLACE}/jobs/job:run", {}))
    done = finished(cloud, cloud.ok("DELETE", f"{PLACE}/jobs/job"))
    assert done["response"]["generation"] == "2"
    missing = cloud.get(f"{PLACE}/jobs/job")
    text = f"Resource 'job' of kind 'JOB' in region '{REGION}' in project '{cloud.project}' does not exist."
    assert (missing.status, missing.error["message"]) == (404, text)
    assert "executions" not in cloud.ok("GET", f"{PLACE}/jobs/job/executions")


def test_googles_own_library_deploys_and_runs(cloud: Cloud, image: str) -> None:
    """google-cloud-run over REST: numbers for enums, operations polled, messages parsed."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import run_v2

    options: Any = {
        "credentials": AnonymousCredentials(),
        "transport": "rest",
        "client_options": {"api_endpoint": cloud.url},
    }
    parent = f"projects/{cloud.project}/locations/{REGION}"
    container = run_v2.Container(image=image)
    services: Any = run_v2.ServicesClient(**options)
    template = run_v2.RevisionTemplate(containers=[container])
    service = run_v2.Service(template=template, ingress=run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL)
    made = services.create_service(parent=parent, service=service, service_id="web").result()
    assert made.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED
    assert [one.name for one in services.list_services(parent=parent)] == [made.name]
    jobs: Any = run_v2.JobsClient(**options)
    task = run_v2.TaskTemplate(containers=[container])
    job = run_v2.Job(template=run_v2.ExecutionTemplate(template=task))
    jobs.create_job(parent=parent, job=job, job_id="job").result()
    assert jobs.run_job(name=f"{parent}/jobs/job").result().succeeded_count == 1
