"""Projects, their APIs and their policy."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Answered, Cloud, new_project

OWNER = {"role": "roles/owner", "members": ["user:operator@sandbox.example"]}


def test_a_fresh_project_has_what_google_gives_it(fresh: Cloud) -> None:
    """The default APIs are on, ours are off, and Service Usage answers without having been enabled by anybody."""
    enabled = fresh.ok("GET", "/v1/projects/{P}/services?filter=state:ENABLED&pageSize=200")["services"]
    names = {one["config"]["name"] for one in enabled}
    assert {"storage.googleapis.com", "logging.googleapis.com", "bigquery.googleapis.com"} <= names
    assert not {"run.googleapis.com", "sqladmin.googleapis.com", "compute.googleapis.com"} & names
    one = fresh.ok("GET", "/v1/projects/{P}/services/run.googleapis.com")
    assert (one["name"], one["state"]) == (f"projects/{fresh.number}/services/run.googleapis.com", "DISABLED")


def test_a_disabled_api_is_not_a_missing_resource(fresh: Cloud) -> None:
    """403 with SERVICE_DISABLED, the consumer and the page that enables it; after enabling, the real answer."""
    error = fresh.get("/v1/projects/{P}/secrets/s").error
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    info = error["details"][0]
    assert (info["reason"], info["metadata"]["consumer"]) == ("SERVICE_DISABLED", f"projects/{fresh.number}")
    assert info["metadata"]["service"] == "secretmanager.googleapis.com"
    assert f"has not been used in project {fresh.number} before or it is disabled" in error["message"]
    fresh.enable("secretmanager")
    assert fresh.get("/v1/projects/{P}/secrets/s").status == 404


def test_the_classic_apis_say_the_same_in_both_shapes(fresh: Cloud) -> None:
    """What stands before Cloud SQL speaks: with a status, and with the classic reason and its help."""
    error = fresh.get("/sql/v1beta4/projects/{P}/instances").error
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    entry = error["errors"][0]
    assert (entry["domain"], entry["reason"]) == ("usageLimits", "accessNotConfigured")
    assert entry["extendedHelp"] == "https://console.developers.google.com"


def test_a_missing_project_is_forbidden_not_missing(fresh: Cloud) -> None:
    """Google does not say whether a project of somebody else exists."""
    assert fresh.get("/v1/projects/no-such-project").error["message"] == "The caller does not have permission"
    assert fresh.get("/v1/projects/no-such-project/secrets").status == 403
    assert (
        fresh.get("/sql/v1beta4/projects/no-such-project/instances").error["errors"][0]["reason"]
        == "notAuthorized"
    )
    assert (
        fresh.get("/storage/v1/b?project=no-such-project").error["message"]
        == "Unknown project id: no-such-project"
    )


def test_enabling_is_an_operation_that_names_services_by_number(fresh: Cloud) -> None:
    """One or many; what depends on others brings them along; a second time it is over at once."""
    one = fresh.ok("POST", "/v1/projects/{P}/services/run.googleapis.com:enable", {})
    assert one["name"].startswith("operations/acat.p2-")
    assert "done" not in one
    done = fresh.wait(one)["response"]
    assert done["service"]["name"] == f"projects/{fresh.number}/services/run.googleapis.com"
    assert fresh.ok("GET", "/v1/projects/{P}/services/artifactregistry.googleapis.com")["state"] == "ENABLED"
    again = fresh.ok("POST", "/v1/projects/{P}/services/run.googleapis.com:enable", {})
    assert (again["name"], again["done"]) == ("operations/noop.DONE_OPERATION", True)


@pytest.mark.parametrize(
    ("services", "status"),
    [
        ([], 400),
        ([f"a{number}.googleapis.com" for number in range(21)], 400),
        (["nonsense.googleapis.com"], 403),
    ],
)
def test_a_batch_holds_one_to_twenty_known_services(fresh: Cloud, services: list[str], status: int) -> None:
    """Everything else is refused before anything happens."""
    assert fresh.post("/v1/projects/{P}/services:batchEnable", {"serviceIds": services}).status == status


def test_a_service_in_use_is_not_disabled_by_accident(fresh: Cloud) -> None:
    """Its dependants are named; with disableDependentServices they go with it."""
    fresh.enable("run")
    path = "/v1/projects/{P}/services/artifactregistry.googleapis.com:disable"
    error = fresh.post(path, {}).error
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert "run.googleapis.com" in error["message"]
    fresh.wait(fresh.ok("POST", path, {"disableDependentServices": True}))
    assert fresh.ok("GET", "/v1/projects/{P}/services/run.googleapis.com")["state"] == "DISABLED"


def test_services_are_listed_in_pages(fresh: Cloud) -> None:
    """Every service comes once, whatever the page size; batchGet answers in the order asked."""
    seen: list[str] = []
    token = ""
    while True:
        page = fresh.ok("GET", f"/v1/projects/{{P}}/services?pageSize=7&pageToken={token}")
        seen += [one["config"]["name"] for one in page["services"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert len(seen) == len(set(seen)) > 30
    names = "&".join(
        f"names=projects/{fresh.project}/services/{api}.googleapis.com" for api in ("run", "iam")
    )
    found = fresh.ok("GET", f"/v1/projects/{{P}}/services:batchGet?{names}")["services"]
    assert [one["config"]["name"] for one in found] == ["run.googleapis.com", "iam.googleapis.com"]


def test_a_batch_of_services_is_of_one_project(fresh: Cloud) -> None:
    """The parent's, by its id or its number; a name of another project is a 400."""
    path = "/v1/projects/{P}/services:batchGet?names=projects/"
    assert fresh.get(f"{path}{fresh.number}/services/run.googleapis.com").status == 200
    other = new_project(fresh.port)
    for foreign in (other.project, other.number, "no-such-project"):
        refused = fresh.get(
            f"{path}{fresh.project}/services/run.googleapis.com&names=projects/{foreign}/services/x"
        )
        assert (refused.status, refused.error["status"]) == (400, "INVALID_ARGUMENT")


def test_a_project_by_id_by_number_and_in_both_versions(cloud: Cloud) -> None:
    """v1 and v3 show the same project."""
    old = cloud.ok("GET", "/v1/projects/{P}")
    assert (old["projectNumber"], old["lifecycleState"]) == (cloud.number, "ACTIVE")
    assert cloud.ok("GET", f"/v1/projects/{cloud.number}") == old
    new = cloud.ok("GET", "/v3/projects/{P}")
    assert (new["name"], new["projectId"], new["state"]) == (
        f"projects/{cloud.number}",
        cloud.project,
        "ACTIVE",
    )
    assert [one["projectId"] for one in cloud.ok("GET", "/v1/projects?filter=id:{P}")["projects"]] == [
        cloud.project
    ]


def test_the_policy_of_a_project_is_read_merged_and_written(cloud: Cloud) -> None:
    """With its etag; a stale one is a 409 ABORTED; both versions see the same policy."""
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    assert OWNER in policy["bindings"]
    email = cloud.account("runner-account")
    policy["bindings"].append({"role": "roles/cloudsql.client", "members": [f"serviceAccount:{email}"]})
    written = cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    assert cloud.ok("POST", "/v3/projects/{P}:getIamPolicy", {}) == written
    stale = cloud.post("/v1/projects/{P}:setIamPolicy", {"policy": policy}).error
    assert (stale["code"], stale["status"], stale["errors"][0]["reason"]) == (409, "ABORTED", "aborted")


def test_nobody_makes_a_whole_project_public(cloud: Cloud) -> None:
    """allUsers has no place in a project's policy."""
    policy = {"bindings": [{"role": "roles/viewer", "members": ["allUsers"]}]}
    assert cloud.post("/v1/projects/{P}:setIamPolicy", {"policy": policy}).status == 400


def test_a_caller_without_the_permission_is_told_its_name(cloud: Cloud) -> None:
    """A service account may what its roles say: nothing, then reading, never writing."""
    email = cloud.account("reader-account")
    reader = cloud.bearer(email)
    error = reader.get("/v3/projects/{P}").error
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert "resourcemanager.projects.get" in error["message"]
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/viewer", "members": [f"serviceAccount:{email}"]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    assert reader.get("/v1/projects/{P}").status == 200
    refused = reader.post("/v1/projects/{P}/services/run.googleapis.com:enable").error
    assert refused["message"].startswith("Permission denied to enable service [run.googleapis.com]")
    asked = {"permissions": ["resourcemanager.projects.get", "resourcemanager.projects.delete"]}
    held = reader.ok("POST", "/v1/projects/{P}:testIamPermissions", asked)
    assert held == {"permissions": ["resourcemanager.projects.get"]}


def test_an_unknown_token_is_a_401(cloud: Cloud) -> None:
    """It is not taken for the operator."""
    stranger = Cloud(cloud.port, cloud.project, token="made-up")
    error = stranger.get("/v1/projects/{P}").error
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")


def test_what_is_not_emulated_says_so(cloud: Cloud) -> None:
    """A 404 that names method and path, known to Google's document or not; never a 5xx, never a silent success."""
    known = cloud.post("/v1/projects/{P}:listOrgPolicies").error
    assert "cloudresourcemanager.projects.listOrgPolicies" in known["message"]
    assert known["details"][0]["reason"] == "sandboxNotEmulated"
    unknown = cloud.get("/v9/nothing/{P}").error
    assert unknown["code"] == 404
    assert f"GET /v9/nothing/{cloud.project}" in unknown["message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "/v1/projects/{P}:getIamPolicy",
            {"options": {"version": 3}},
            "Unknown name \"version\" at 'options'",
        ),
        ("/v1/projects/{P}:getIamPolicy?verbose=1", {}, 'Unknown name "verbose"'),
        ("/v1/projects/{P}:getIamPolicy", [], "Root element must be a message"),
    ],
)
def test_what_google_would_not_take_is_refused(cloud: Cloud, path: str, body: object, said: str) -> None:
    """Unknown fields and parameters are 400s."""
    error = cloud.post(path, body).error
    assert error["code"] == 400
    assert said in error["message"]


def test_a_body_that_is_no_json_is_refused(cloud: Cloud) -> None:
    """It is a 400, not a fault."""
    assert cloud.post("/v1/projects/{P}:getIamPolicy", raw=b"{").status == 400


def test_two_activations_at_once_are_one_too_many_where_they_take_time(fresh: Cloud) -> None:
    """The later call is refused while the earlier one goes on, and is taken once that is over."""
    path = "/v1/projects/{P}/services/"

    def enable(api: str) -> Answered:
        return fresh.post(f"{path}{api}.googleapis.com:enable")

    fresh.ok("PUT", "/sandbox/v1/conditions", {"operations": {"serviceusage.*": 1}})
    try:
        with ThreadPoolExecutor() as pool:
            first, second = sorted(pool.map(enable, ("run", "dns")), key=lambda one: one.status)
    finally:
        fresh.ok("PUT", "/sandbox/v1/conditions", {})
    assert (first.status, second.status) == (200, 400)
    assert second.error["status"] == "FAILED_PRECONDITION"
    assert "Another activation or deactivation is in progress" in second.error["message"]
    fresh.wait(first.json)
    for api in ("run", "dns"):
        fresh.wait(enable(api).json)
    assert fresh.ok("GET", f"{path}dns.googleapis.com")["state"] == "ENABLED"


def test_activations_that_take_no_time_are_never_in_each_others_way(fresh: Cloud) -> None:
    """Where no time is asked for, any number of them may be sent at once."""
    apis = ("run", "dns", "iap", "pubsub", "sqladmin", "vpcaccess")
    paths = [f"/v1/projects/{{P}}/services/{api}.googleapis.com:enable" for api in apis]
    with ThreadPoolExecutor() as pool:
        assert {one.status for one in pool.map(fresh.post, paths)} == {200}


def test_the_request_log_counts_calls_and_keeps_no_token(running: Running, fresh: Cloud) -> None:
    """One line per API call, with its method and status; what would let a reader in is left out."""
    assert fresh.get("/v1/projects/{P}?access_token=made-up-token").status == 401
    lines = (running.home / "logs" / "requests.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert (last["api"], last["method_id"], last["status"]) == ("cloudresourcemanager", "projects.get", 401)
    assert "made-up-token" not in lines[-1]
