"""What Cloud Run fills in and leaves out of templates, and that its v1 loses nothing of them."""

from copy import deepcopy
from typing import Any

import pytest

from reconciler.sandbox.services import knative, knative_jobs
from reconciler.sandbox.services.run_templates import completed_job, completed_service

PLACE = "projects/p/locations/r-w1"
ACCOUNT = "x@p.iam.gserviceaccount.com"
DEFAULTS: dict[str, Any] = {
    "ingress": "INGRESS_TRAFFIC_ALL",
    "launchStage": "GA",
    "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
}
COMMON: dict[str, Any] = {
    "creator": "c", "lastModifier": "c", "createTime": "t", "updateTime": "t", "uid": "u", "generation": "1",
    "etag": '"e"', "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": "t"},
}  # fmt: skip
VOLUMES: list[dict[str, Any]] = [
    {"name": "s", "secret": {"secret": "projects/other/secrets/key", "defaultMode": 256,
                             "items": [{"path": "v", "version": "1", "mode": 292}]}},
    {"name": "e", "emptyDir": {"medium": "MEMORY", "sizeLimit": "64Mi"}},
    {"name": "d", "emptyDir": {"sizeLimit": "1Gi"}},
    {"name": "b", "gcs": {"bucket": "files", "readOnly": True, "mountOptions": ["implicit-dirs"]}},
    {"name": "n", "nfs": {"server": "10.0.0.2", "path": "/share", "readOnly": True}},
    {"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r-w1:i"]}},
]  # fmt: skip
MOUNTS = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in VOLUMES]
SECRET: dict[str, Any] = {
    "name": "K",
    "valueSource": {"secretKeyRef": {"secret": "projects/other/secrets/password", "version": "latest"}},
}
NETWORK: dict[str, Any] = {
    "egress": "ALL_TRAFFIC",
    "networkInterfaces": [{"network": "net", "subnetwork": "sub", "tags": ["a", "b"]}],
}
BINARIES = {"useDefault": True, "breakglassJustification": "now"}
KEY = "projects/p/locations/r-w1/keyRings/k/cryptoKeys/c"


def _container(sent: dict[str, Any]) -> dict[str, Any]:
    """What becomes of one container of a service."""
    template = completed_service({"template": {"containers": [{"image": "i", **sent}]}}, ACCOUNT)["template"]
    return template["containers"][0]


def test_a_services_own_defaults_are_filled_in() -> None:
    """Ingress, stage and traffic, where nothing was sent."""
    found = completed_service({"template": {"containers": [{"image": "i"}]}}, ACCOUNT)
    assert {key: found[key] for key in DEFAULTS} == DEFAULTS
    assert set(found) == {*DEFAULTS, "template"}


@pytest.mark.parametrize(
    "nothing",
    [
        {"labels": {}}, {"description": ""}, {"customAudiences": []}, {"invokerIamDisabled": False},
        {"defaultUriDisabled": False}, {"client": ""}, {"ingress": "INGRESS_TRAFFIC_UNSPECIFIED"},
        {"launchStage": "LAUNCH_STAGE_UNSPECIFIED"}, {"launchStage": "BETA"},
        {"scaling": {"minInstanceCount": 0, "scalingMode": "SCALING_MODE_UNSPECIFIED"}},
    ],
)  # fmt: skip
def test_what_says_nothing_is_not_shown(nothing: dict[str, Any]) -> None:
    """Empty, false, zero and unspecified are as good as not sent; an empty message is one that was sent."""
    sent = {"template": {"containers": [{"image": "i"}]}}
    found = completed_service({**sent, **nothing}, ACCOUNT)
    if "scaling" in nothing:
        assert found.pop("scaling") == {}
    assert found == completed_service(sent, ACCOUNT)


def test_the_callers_own_maps_stay_to_the_letter() -> None:
    """A label or an annotation may be empty."""
    sent = {"labels": {"a": ""}, "annotations": {"x.example/b": ""}, "template": {"labels": {"c": ""}}}
    found = completed_service(sent, ACCOUNT)
    assert (found["labels"], found["annotations"]) == ({"a": ""}, {"x.example/b": ""})
    assert found["template"]["labels"] == {"c": ""}


def test_manual_scaling_to_nothing_is_shown() -> None:
    """The field has presence: zero is a number of instances."""
    scaling = {"scalingMode": "MANUAL", "manualInstanceCount": 0}
    assert completed_service({"scaling": scaling}, ACCOUNT)["scaling"] == scaling


@pytest.mark.parametrize(
    ("cpu", "concurrency"), [("1", 80), ("4", 80), ("500m", 1), ("0.5", 1), ("1000m", 80)]
)
def test_less_than_a_cpu_serves_one_request_at_a_time(cpu: str, concurrency: int) -> None:
    """Where the caller says nothing else."""
    container = {"image": "i", "resources": {"limits": {"cpu": cpu}}}
    template = completed_service({"template": {"containers": [container]}}, ACCOUNT)["template"]
    assert template["maxInstanceRequestConcurrency"] == concurrency


def test_who_sends_resources_decides_about_idle_cpu_himself() -> None:
    """With nothing sent cpuIdle and startupCpuBoost are true; with limits alone they are false."""
    limits = {"cpu": "1000m", "memory": "512Mi"}
    assert _container({})["resources"] == {"limits": limits, "cpuIdle": True, "startupCpuBoost": True}
    assert _container({"resources": {"limits": {"memory": "1Gi"}}})["resources"] == {
        "limits": {"cpu": "1000m", "memory": "1Gi"}
    }
    idle = {"cpuIdle": True, "startupCpuBoost": False}
    assert _container({"resources": idle})["resources"] == {"limits": limits, "cpuIdle": True}


@pytest.mark.parametrize(
    ("probe", "found"),
    [
        ({}, {"tcpSocket": {"port": 9}, "timeoutSeconds": 240, "periodSeconds": 240, "failureThreshold": 1}),
        ({"tcpSocket": {}, "periodSeconds": 2},
         {"tcpSocket": {"port": 9}, "timeoutSeconds": 1, "periodSeconds": 2, "failureThreshold": 3}),
        ({"httpGet": {}, "initialDelaySeconds": 0},
         {"httpGet": {"path": "/", "port": 9}, "timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3}),
        ({"httpGet": {"path": "/up", "port": 7, "httpHeaders": [{"name": "A", "value": ""}]}, "timeoutSeconds": 5},
         {"httpGet": {"path": "/up", "port": 7, "httpHeaders": [{"name": "A"}]}, "timeoutSeconds": 5,
          "periodSeconds": 10, "failureThreshold": 3}),
        ({"grpc": {"service": "s"}, "failureThreshold": 9},
         {"grpc": {"service": "s", "port": 9}, "timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 9}),
    ],
)  # fmt: skip
def test_probes_are_completed(probe: dict[str, Any], found: dict[str, Any]) -> None:
    """Without a start-up probe the port is waited for; one that was sent gets what it leaves out."""
    assert _container({"ports": [{"containerPort": 9}], "startupProbe": probe})["startupProbe"] == found


def test_only_the_entrance_has_a_port_and_a_probe() -> None:
    """A container beside it has neither, and its probes name their ports."""
    beside: dict[str, Any] = {"name": "b", "image": "i", "livenessProbe": {"httpGet": {"port": 5}}}
    entrance: dict[str, Any] = {"name": "a", "image": "i", "ports": [{"containerPort": 8080}]}
    found = completed_service({"template": {"containers": [beside, entrance]}}, ACCOUNT)["template"]
    assert [{"ports", "startupProbe"} & set(one) for one in found["containers"]] == [
        set(),
        {"ports", "startupProbe"},
    ]
    assert found["containers"][0]["livenessProbe"]["httpGet"] == {"port": 5, "path": "/"}
    assert found["containers"][1]["ports"] == [{"name": "http1", "containerPort": 8080}]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"connector": "c"}, {"connector": "c", "egress": "PRIVATE_RANGES_ONLY"}),
        ({"connector": "c", "egress": "VPC_EGRESS_UNSPECIFIED"}, {"connector": "c", "egress": "PRIVATE_RANGES_ONLY"}),
        ({"networkInterfaces": [{"network": "projects/p/global/networks/net"}]},
         {"networkInterfaces": [{"network": "projects/p/global/networks/net", "subnetwork": "net"}],
          "egress": "PRIVATE_RANGES_ONLY"}),
        (NETWORK, NETWORK),
    ],
)  # fmt: skip
def test_the_way_into_a_network_is_completed(sent: dict[str, Any], found: dict[str, Any]) -> None:
    """Of services as of jobs: private ranges go through it, and the subnetwork has its network's name."""
    service = completed_service({"template": {"vpcAccess": sent}}, ACCOUNT)
    job = completed_job({"template": {"template": {"vpcAccess": sent}}}, ACCOUNT)
    assert service["template"]["vpcAccess"] == job["template"]["template"]["vpcAccess"] == found


def test_a_jobs_zeroes_are_kept_where_they_were_sent() -> None:
    """No retries are none; no tasks are one, no parallelism is none of the fields that are shown."""
    sent = {"template": {"taskCount": 0, "parallelism": 0, "template": {"maxRetries": 0, "timeout": ""}}}
    found = completed_job(sent, ACCOUNT)["template"]
    assert found["template"]["maxRetries"] == 0
    assert (found["taskCount"], "parallelism" in found) == (1, False)
    assert (
        completed_job({}, ACCOUNT)["template"]["template"]["maxRetries"],
        found["template"]["timeout"],
    ) == (
        3,
        "600s",
    )


def test_what_was_sent_is_not_changed() -> None:
    """Completion works on a copy."""
    sent: dict[str, Any] = {"template": {"containers": [{"image": "i", "ports": [{}]}], "vpcAccess": {}}}
    before = deepcopy(sent)
    completed_service(sent, ACCOUNT)
    assert sent == before


SERVICE: dict[str, Any] = {
    "description": "what it is for",
    "client": "cli",
    "clientVersion": "1",
    "defaultUriDisabled": True,
    "binaryAuthorization": BINARIES,
    "scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 3},
    "template": {
        "revision": "web-2",
        "annotations": {"own.example/x": "y"},
        "vpcAccess": NETWORK,
        "encryptionKey": KEY,
        "encryptionKeyRevocationAction": "SHUTDOWN",
        "encryptionKeyShutdownDuration": "3600s",
        "sessionAffinity": True,
        "healthCheckDisabled": True,
        "volumes": VOLUMES,
        "containers": [
            {"name": "a", "image": "i", "ports": [{"containerPort": 8080}], "env": [SECRET], "dependsOn": ["b"],
             "workingDir": "/work", "livenessProbe": {"grpc": {"service": "s"}}, "volumeMounts": MOUNTS},
            {"name": "b", "image": "j", "args": ["x"], "volumeMounts": [MOUNTS[1], MOUNTS[-1]],
             "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "cpuIdle": True, "startupCpuBoost": True}},
        ],
    },
}  # fmt: skip
JOB: dict[str, Any] = {
    "labels": {"a": ""},
    "annotations": {"own.example/x": "y"},
    "client": "cli",
    "binaryAuthorization": BINARIES,
    "template": {
        "labels": {"b": "c"},
        "annotations": {"own.example/z": "y"},
        "taskCount": 5,
        "parallelism": 2,
        "template": {
            "maxRetries": 0,
            "timeout": "7200s",
            "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
            "vpcAccess": {"connector": f"{PLACE}/connectors/c", "egress": "ALL_TRAFFIC"},
            "encryptionKey": KEY,
            "volumes": VOLUMES,
            "containers": [
                {"image": "i", "command": ["c"], "args": ["a"], "env": [SECRET, {"name": "A", "value": "1"}],
                 "workingDir": "/work", "volumeMounts": MOUNTS}
            ],
        },
    },
}  # fmt: skip


def test_a_service_comes_back_from_v1_as_it_went() -> None:
    """Whatever its containers, volumes, networks, keys, probes and scaling."""
    fields = completed_service(SERVICE, ACCOUNT)
    resource = {**fields, **COMMON, "name": f"{PLACE}/services/web", "urls": ["https://u"]}
    back = knative.service_fields(knative.service(resource, "123"), PLACE)
    assert completed_service(back, ACCOUNT) == fields


def test_a_job_comes_back_from_v1_as_it_went() -> None:
    """Its tasks with their volumes, secrets of other projects and connector; its zero of retries, too."""
    fields = completed_job(JOB, ACCOUNT)
    resource = {**fields, **COMMON, "name": f"{PLACE}/jobs/job"}
    back = knative_jobs.job_fields(knative_jobs.job(resource, "123"), PLACE)
    assert completed_job(back, ACCOUNT) == fields
