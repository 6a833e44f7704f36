"""Cloud Build."""

from pathlib import Path

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


@pytest.mark.parametrize(
    ("source", "package", "reason"),
    [
        ("nothing.tgz", "images/tiny", "does not exist"),
        ("tiny.tgz", "elsewhere/tiny", 'denied on resource "projects/'),
    ],
)
def test_source_and_repository_must_be_there(ready: Cloud, source: str, package: str, reason: str) -> None:
    """A missing source, and a repository that is missing or not ours to write."""
    image = f"{REGION}-docker.pkg.dev/{ready.project}/{package}:1"
    done = build(ready, build_body(ready, image, source))
    assert reason in done["error"]["message"]


def test_the_builds_own_account_needs_the_right_to_read_the_source(ready: Cloud) -> None:
    """And a place for the log, or none, has to be named with it."""
    account = ready.account("builder")
    body = {
        **build_body(ready, reference(ready), "tiny.tgz"),
        "serviceAccount": f"projects/{ready.project}/serviceAccounts/{account}",
    }
    refused = ready.post(BUILDS, body)
    assert refused.status == 400
    assert "CLOUD_LOGGING_ONLY" in refused.error["message"]
    done = build(ready, {**body, "options": {"logging": "CLOUD_LOGGING_ONLY"}})
    assert "does not have storage.objects.get access" in done["error"]["message"]


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
