"""What a caller who lacks a permission is told, per API, and what each method asks for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from reconciler.sandbox.iam import permissions, roles
from reconciler.sandbox.server import build_world
from reconciler.sandbox.web.dispatch import load_services
from tests.sandbox.calls import Answered, Cloud

REGION = "europe-west1"
BEFORE_NAME = "on resource '//artifactregistry.googleapis.com/"


@pytest.fixture(name="nobody")
def _nobody(cloud: Cloud) -> Cloud:
    """The project as a service account sees it that was granted nothing."""
    return cloud.bearer(cloud.account("nobody-at-all"))


def _details(answered: Answered, kind: str) -> dict[str, object]:
    return next(d for d in answered.error["details"] if d["@type"].endswith(kind))


def test_every_method_that_is_served_has_its_line() -> None:
    """The table says what each asks for; a new method without a line shows up here."""
    world = build_world(Path(tempfile.mkdtemp(prefix="ms", dir="/tmp")), 0)
    _, methods = load_services(world)
    without: list[str] = []
    for api, _, method_id in methods:
        try:
            permissions.permission_of(api, method_id)
        except KeyError as missing:
            without.append(str(missing))
    assert not without


def test_what_is_asked_for_can_be_granted() -> None:
    """Every permission of the table is held by a predefined role that was not put together from guesses."""
    listed = [name for name in roles.ROLES if name not in roles.BASIC]
    wanted = {one for one in permissions.PERMISSIONS.values() if one} | {
        one for more in permissions.BESIDES.values() for one in more
    }
    assert {one for one in wanted if not any(roles.grants(role, one) for role in listed)} == {
        # What nothing here calls, in roles that no deployment meets.
        "logging.links.create",
        "logging.links.delete",
        "logging.links.get",
        "resourcemanager.projects.undelete",
        "servicenetworking.services.getConsumerConfig",
    }


def test_secret_manager_names_permission_and_resource(nobody: Cloud) -> None:
    """In the text and, for programs, in ErrorInfo."""
    answered = nobody.get("/v1/projects/{P}/secrets/s/versions/1:access")
    name = f"projects/{nobody.project}/secrets/s/versions/1"
    permission = "secretmanager.versions.access"
    assert answered.status == 403
    assert answered.error["status"] == "PERMISSION_DENIED"
    assert (
        answered.error["message"]
        == f"Permission '{permission}' denied for resource '{name}' (or it may not exist)."
    )
    info = _details(answered, "ErrorInfo")
    assert info["reason"] == "IAM_PERMISSION_DENIED"
    assert info["metadata"] == {"permission": permission, "resource": name}


def test_artifact_registry_names_the_full_resource(nobody: Cloud) -> None:
    """With its host before it."""
    name = f"projects/{nobody.project}/locations/{REGION}/repositories/r"
    message = nobody.get(f"/v1/{name}").error["message"]
    permission = "artifactregistry.repositories.get"
    assert (
        message
        == f"Permission '{permission}' denied {BEFORE_NAME.removesuffix('/')}/{name}' (or it may not exist)."
    )


def test_iam_names_the_permission_alone(nobody: Cloud) -> None:
    """It carries the classic errors, too."""
    error = nobody.post("/v1/projects/{P}/serviceAccounts", {"accountId": "another-one"}).error
    assert (
        error["message"]
        == "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist)."
    )
    assert error["errors"][0]["reason"] == "forbidden"
    assert error["details"][0]["metadata"] == {"permission": "iam.serviceAccounts.create"}


def test_cloud_run_speaks_of_the_resource_that_may_not_exist(nobody: Cloud) -> None:
    """The newer API names it by project, the older one by namespace; what is to be made is named as if it were."""
    place = f"projects/{nobody.project}/locations/{REGION}"
    read = nobody.get(f"/v2/{place}/services/s").error["message"]
    assert (
        read
        == f"Permission 'run.services.get' denied on resource '{place}/services/s' (or resource may not exist)."
    )
    old = nobody.get("/apis/serving.knative.dev/v1/namespaces/{P}/services/s").error["message"]
    assert f"'namespaces/{nobody.project}/services/s'" in old
    made = nobody.post(f"/v2/{place}/jobs?jobId=j", {"template": {}}).error["message"]
    assert f"Permission 'run.jobs.create' denied on resource '{place}/jobs/j'" in made


def test_cloud_sql_has_its_own_way(nobody: Cloud) -> None:
    """It says "possibly", and has no status."""
    error = nobody.get("/v1/projects/{P}/instances/db").error
    assert error["message"] == (
        "boss::NOT_AUTHORIZED: Not authorized to access resource. "
        "Possibly missing permission cloudsql.instances.get on resource instances/db."
    )
    assert "status" not in error
    assert error["errors"][0]["reason"] == "forbidden"


def test_cloud_storage_names_the_caller(cloud: Cloud, nobody: Cloud) -> None:
    """Who, what, and on which kind of thing."""
    bucket = f"{cloud.project}-b"
    cloud.ok("POST", "/storage/v1/b?project={P}", {"name": bucket})
    error = nobody.get(f"/storage/v1/b/{bucket}").error
    email = f"nobody-at-all@{cloud.project}.iam.gserviceaccount.com"
    assert error["message"] == (
        f"{email} does not have storage.buckets.get access to the Google Cloud Storage bucket. "
        "Permission 'storage.buckets.get' denied on resource (or it may not exist)."
    )


def test_resource_manager_says_little(nobody: Cloud) -> None:
    """The older API names no permission at all."""
    read = nobody.post("/v1/projects/{P}:getIamPolicy").error
    assert read["message"] == "The caller does not have permission"
    written = nobody.post("/v1/projects/{P}:setIamPolicy", {"policy": {}}).error
    assert written["message"] == "Policy update access denied."
    named = nobody.get("/v3/projects/{P}").error["message"]
    assert "Permission 'resourcemanager.projects.get' denied on resource '//cloudresourcemanager" in named


def test_service_usage_gives_a_token_for_support(nobody: Cloud) -> None:
    """With the project's number, and a reason of its own."""
    answered = nobody.get("/v1/projects/{P}/services")
    first, second = answered.error["message"].split("\n")
    assert first == f"Permission denied to list services for consumer container [projects/{nobody.number}]"
    assert second.startswith("Help Token: ")
    assert _details(answered, "ErrorInfo")["reason"] == "AUTH_PERMISSION_DENIED"
    assert _details(answered, "PreconditionFailure")["violations"] == [
        {"type": "googleapis.com", "subject": "110002"}
    ]


def test_whom_to_charge_has_to_agree(cloud: Cloud, nobody: Cloud) -> None:
    """x-goog-user-project asks for serviceusage.services.use there, and names the role that holds it."""
    charged = {"x-goog-user-project": cloud.project}
    answered = nobody.get("/v1/projects/{P}/secrets", headers=charged)
    assert answered.status == 403
    assert "Grant the caller the roles/serviceusage.serviceUsageConsumer role" in answered.error["message"]
    assert _details(answered, "ErrorInfo")["reason"] == "USER_PROJECT_DENIED"
    assert cloud.get("/v1/projects/{P}/secrets", headers=charged).status == 200


def test_forbidden_comes_before_missing(cloud: Cloud, nobody: Cloud) -> None:
    """Who may not look is not told whether it is there; a bucket is the exception: its name is everybody's."""
    assert cloud.get("/v1/projects/{P}/secrets/none").status == 404
    assert nobody.get("/v1/projects/{P}/secrets/none").status == 403
    assert nobody.get(f"/storage/v1/b/{cloud.project}-none").status == 404


def test_what_was_asked_is_remembered(cloud: Cloud, nobody: Cloud) -> None:
    """By whom, for which permission, on what, and whether it was granted."""
    nobody.get("/v1/projects/{P}/secrets/s")
    cloud.get("/v1/projects/{P}/secrets/s")
    asked = cloud.ok("GET", "/sandbox/v1/permissions")["asked"]
    mine = [one for one in asked if one["resource"] == f"projects/{cloud.project}/secrets/s"]
    assert [(one["permission"], one["granted"]) for one in mine] == [
        ("secretmanager.secrets.get", False),
        ("secretmanager.secrets.get", True),
    ]


def test_networks_are_compute_engines_and_service_networkings_to_guard(cloud: Cloud, nobody: Cloud) -> None:
    """Compute Engine names permission and path; a connection asks in the network's project, in words of its own."""
    cloud.enable("compute", "servicenetworking", "vpcaccess")
    path = "/compute/v1/projects/{P}/global/networks"
    made = nobody.post(path, {"name": "n", "autoCreateSubnetworks": False}).error
    name = f"projects/{nobody.project}/global/networks/n"
    assert made["message"] == f"Required 'compute.networks.create' permission for '{name}'"
    assert made["errors"][0]["reason"] == "forbidden"
    cloud.ok("POST", path, {"name": "n", "autoCreateSubnetworks": False})
    network = f"projects/{cloud.number}/global/networks/n"
    connect = "/v1/services/servicenetworking.googleapis.com/connections"
    refused = nobody.post(connect, {"network": network, "reservedPeeringRanges": ["r"]}).error
    assert refused["message"].startswith("Permission denied to add peering for service 'servicenetworking.")
    connectors = nobody.get(f"/v1/projects/{{P}}/locations/{REGION}/connectors/c").error["message"]
    assert (
        "Permission 'vpcaccess.connectors.get' denied on resource '//vpcaccess.googleapis.com/" in connectors
    )


def test_cloud_monitoring_leaves_the_resource_out(cloud: Cloud, nobody: Cloud) -> None:
    """It names the permission alone, without quotes."""
    refused = nobody.get("/v3/projects/{P}/alertPolicies").error
    assert (
        refused["message"]
        == "Permission monitoring.alertPolicies.list denied (or the resource may not exist)."
    )
    assert cloud.get("/v3/projects/{P}/alertPolicies").status == 200
