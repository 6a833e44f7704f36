"""Cloud Build."""

import base64
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.services.pushed import (
    APP,
    DOCKERFILE,
    REGION,
    archive,
    build,
    build_body,
    prepare,
    reference,
    upload,
)

BUILDS = f"/v1/projects/{{P}}/locations/{REGION}/builds"


@pytest.fixture(name="ready")
def _ready(cloud: Cloud) -> Cloud:
    """A project in which builds can work, with the source of the tiny image."""
    prepare(cloud)
    upload(cloud, "tiny.tgz", archive({"main.py": APP, "Dockerfile": DOCKERFILE}))
    return cloud


def test_a_build_pushes_the_image_and_says_its_digest(ready: Cloud, running: Running) -> None:
    """The registry has it under tag and digest; context and log are kept."""
    done = build(ready, build_body(ready, reference(ready), "tiny.tgz"))
    made = done["response"]
    (image,) = made["results"]["images"]
    assert (made["status"], image["name"]) == ("SUCCESS", reference(ready))
    tag = ready.ok("GET", f"/v1/projects/{{P}}/locations/{REGION}/repositories/images/packages/tiny/tags/1")
    assert tag["version"].endswith(image["digest"])
    assert done["metadata"]["build"]["status"] == "SUCCESS"
    log = (running.home / "logs" / f"build-{made['id']}.log").read_text()
    assert "Step 3/5 : COPY main.py ." in log
    assert image["digest"] in log
    assert (running.home / "builds" / f"{made['id']}.tgz").exists()
    assert [one["id"] for one in ready.ok("GET", BUILDS)["builds"]] == [made["id"]]
    assert ready.ok("GET", f"{BUILDS}/{made['id']}")["status"] == "SUCCESS"
    assert ready.ok("GET", f"/v1/projects/{{P}}/builds/{made['id']}")["status"] == "SUCCESS"


def test_the_operation_is_not_done_at_first(ready: Cloud) -> None:
    """`done` is left out while it is false, and metadata.build shows where it is."""
    started = ready.ok("POST", BUILDS, build_body(ready, reference(ready), "tiny.tgz"))
    assert "done" not in started
    assert started["metadata"]["build"]["status"] == "QUEUED"
    assert started["metadata"]["@type"].endswith("BuildOperationMetadata")
    ready.wait(started)


def test_the_same_context_is_the_same_digest(ready: Cloud) -> None:
    """Content-addressed: building again changes nothing."""
    first, second = (build(ready, build_body(ready, reference(ready, tag), "tiny.tgz")) for tag in ("a", "b"))
    digests = {one["response"]["results"]["images"][0]["digest"] for one in (first, second)}
    assert len(digests) == 1


def test_a_failed_build_says_why(ready: Cloud) -> None:
    """In the build, in the operation and in the log."""
    upload(ready, "bad.tgz", archive({"Dockerfile": "FROM python:3\nRUN make it\n"}))
    done = build(ready, build_body(ready, reference(ready), "bad.tgz"))
    assert "the command make is not understood" in done["error"]["message"]
    failed = done["metadata"]["build"]
    assert (failed["status"], failed["failureInfo"]["type"]) == ("FAILURE", "USER_BUILD_STEP")
    assert "line 2" in failed["statusDetail"]


def _refusal(cloud: Cloud, body: dict[str, object]) -> str:
    """The message of builds.create's own 400."""
    refused = cloud.post(BUILDS, body)
    assert (refused.status, refused.error["status"]) == (400, "INVALID_ARGUMENT")
    return refused.error["message"]


def test_a_source_that_is_missing_is_refused_at_once(ready: Cloud) -> None:
    """The object, then the bucket: the call itself fails, and no build is made."""
    body = build_body(ready, reference(ready), "nothing.tgz")
    wanted = f"Error 404: No such object: {ready.project}-source/nothing.tgz, notFound"
    assert _refusal(ready, body) == f"could not resolve source: googleapi: {wanted}"
    body["source"] = {"storageSource": {"bucket": "not-there", "object": "x.tgz"}}
    assert "Error 404: The specified bucket does not exist., notFound" in _refusal(ready, body)
    assert ready.ok("GET", BUILDS) == {}


def test_a_push_without_the_right_to_it_fails_as_such(ready: Cloud) -> None:
    """The builder has to be let into the repository; elsewhere, the name is unknown."""
    image = f"{REGION}-docker.pkg.dev/{ready.project}/elsewhere/tiny:1"
    elsewhere = build(ready, build_body(ready, image, "tiny.tgz"))["metadata"]["build"]
    assert elsewhere["failureInfo"]["type"] == "PUSH_FAILED"
    email = ready.account("builder-account")
    policy = ready.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"] += [
        {"role": role, "members": [f"serviceAccount:{email}"]}
        for role in ("roles/storage.objectViewer", "roles/logging.logWriter")
    ]
    ready.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    body = build_body(ready, reference(ready), "tiny.tgz")
    body["serviceAccount"] = f"projects/{ready.project}/serviceAccounts/{email}"
    body["options"] = {"logging": "CLOUD_LOGGING_ONLY"}
    done = build(ready, body)
    failed = done["metadata"]["build"]
    assert (failed["status"], failed["failureInfo"]["type"]) == ("FAILURE", "PUSH_NOT_AUTHORIZED")
    assert 'denied on resource "projects/' in done["error"]["message"]


def test_an_image_that_no_step_made_cannot_be_pushed(ready: Cloud) -> None:
    """The failure is the push's, not the step's."""
    body = {**build_body(ready, reference(ready), "tiny.tgz"), "images": [reference(ready, package="other")]}
    assert build(ready, body)["metadata"]["build"]["failureInfo"]["type"] == "PUSH_IMAGE_NOT_FOUND"


def test_the_builds_own_account_needs_the_right_to_read_the_source(ready: Cloud) -> None:
    """The same 400 as for a missing object, until its role on the bucket is granted."""
    body, account = _own_account(ready)
    text = (
        f"Error 403: {account} does not have storage.objects.get access to the Google Cloud Storage object. "
        "Permission 'storage.objects.get' denied on resource (or it may not exist)., forbidden"
    )
    assert _refusal(ready, body) == f"could not resolve source: googleapi: {text}"
    path = f"/storage/v1/b/{ready.project}-source/iam"
    policy = ready.ok("GET", path)
    policy["bindings"].append(
        {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{account}"]}
    )
    ready.ok("PUT", path, policy)
    failed = build(ready, body)["metadata"]["build"]
    assert failed["failureInfo"]["type"] == "PUSH_NOT_AUTHORIZED"


def _own_account(cloud: Cloud) -> tuple[dict[str, Any], str]:
    account = cloud.account("builder")
    body = {
        **build_body(cloud, reference(cloud), "tiny.tgz"),
        "serviceAccount": f"projects/{cloud.project}/serviceAccounts/{account}",
        "options": {"logging": "CLOUD_LOGGING_ONLY"},
    }
    return body, account


@pytest.mark.parametrize("options", [{}, {"logging": "LEGACY"}, {"logging": "GCS_ONLY"}])
def test_a_build_with_its_own_account_says_where_its_log_goes(
    ready: Cloud, options: dict[str, object]
) -> None:
    """There is no default bucket for such a build."""
    body, _ = _own_account(ready)
    wanted = (
        "if 'build.service_account' is specified, the build must either (a) specify 'build.logs_bucket', (b) use the "
        "REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior option, or (c) use either "
        "CLOUD_LOGGING_ONLY / NONE logging options"
    )
    assert wanted in _refusal(ready, {**body, "options": options})


def test_a_builds_operation_has_no_location(ready: Cloud) -> None:
    """It is read by its own name, also by an account of the project, and is not among the location's operations."""
    started = ready.ok("POST", BUILDS, build_body(ready, reference(ready), "tiny.tgz"))
    identity = started["metadata"]["build"]["id"]
    encoded = base64.b64encode(identity.encode()).decode()
    assert started["name"] == f"operations/build/{ready.project}/{encoded}"
    ready.wait(started)
    located = f"/v1/projects/{{P}}/locations/{REGION}/operations"
    assert ready.get(f"{located}/{identity}").status == 404
    assert ready.get(f"{located}/{encoded}").status == 404
    compute = ready.bearer(f"{ready.number}-compute@developer.gserviceaccount.com")
    assert compute.ok("GET", f"/v1/{started['name']}")["done"]
    stranger = ready.bearer(ready.account("stranger"))
    assert stranger.get(f"/v1/{started['name']}").status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"name": "gcr.io/cloud-builders/gcloud", "args": ["version"]}]},
        {"steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["push", "x"]}]},
        {"steps": []},
        {"source": {"repoSource": {"repoName": "x"}}},
        {"images": ["docker.io/x"]},
        {"substitutions": {"_A": "b"}},
    ],
)
def test_what_is_not_emulated_is_refused_at_once(ready: Cloud, change: dict[str, object]) -> None:
    """Nothing is silently left out of a build."""
    body = {**build_body(ready, reference(ready), "tiny.tgz"), **change}
    assert ready.post(BUILDS, body).status == 400


def test_a_build_that_is_over_cannot_be_cancelled(ready: Cloud) -> None:
    """400, and it stays what it was."""
    done = build(ready, build_body(ready, reference(ready), "tiny.tgz"))
    path = f"{BUILDS}/{done['response']['id']}"
    assert ready.post(f"{path}:cancel").status == 400
    assert ready.ok("GET", path)["status"] == "SUCCESS"


def test_the_log_goes_into_the_bucket_that_the_build_names(ready: Cloud) -> None:
    """As log-ID.txt."""
    body = {
        **build_body(ready, reference(ready), "tiny.tgz"),
        "logsBucket": f"gs://{ready.project}-source/logs",
    }
    done = build(ready, body)
    name = f"logs/log-{done['response']['id']}.txt".replace("/", "%2F")
    answered = ready.get(f"/storage/v1/b/{ready.project}-source/o/{name}?alt=media")
    assert b"PUSH" in answered.body


def test_the_projects_own_image_builds_here() -> None:
    """Every instruction of image/Dockerfile is one that is understood, short of running pip."""
    from reconciler.sandbox.runtime.dockerfile import parse

    known = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "ARG", "LABEL"}
    found = parse((Path(__file__).parents[3] / "image" / "Dockerfile").read_text())
    assert {one.keyword for one in found} <= known


def test_a_build_that_names_no_bucket_logs_into_googles(ready: Cloud) -> None:
    """The people of the project read the log there; the bucket is nobody's to list."""
    done = build(ready, build_body(ready, reference(ready), "tiny.tgz"))["response"]
    bucket = done["logsBucket"].removeprefix("gs://")
    assert bucket == f"{ready.number}.cloudbuild-logs.googleusercontent.com"
    log = ready.get(f"/storage/v1/b/{bucket}/o/log-{done['id']}.txt?alt=media")
    assert b"FETCHSOURCE" in log.body
    assert log.body.rstrip().endswith(b"DONE")
    listed = ready.ok("GET", "/storage/v1/b?project={P}")["items"]
    assert bucket not in [one["name"] for one in listed]


def test_what_gcloud_builds_submit_asks_of_docker_is_understood(ready: Cloud) -> None:
    """Its one step names the build's network and wants no cache."""
    body = build_body(ready, reference(ready), "tiny.tgz")
    body["steps"][0]["args"] = ["build", "--network", "cloudbuild", "--no-cache", "-t", reference(ready), "."]
    assert build(ready, body)["response"]["status"] == "SUCCESS"
