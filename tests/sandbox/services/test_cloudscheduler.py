"""Cloud Scheduler: what it fills in and refuses, and that its jobs really fire, as somebody who may or may not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.sandbox.scheduling.cron import Schedule
from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud
from tests.sandbox.services.pushed import finished

REGION = "europe-west1"
JOBS = f"/v1/projects/{{P}}/locations/{REGION}/jobs"
RUN = f"/v2/projects/{{P}}/locations/{REGION}/jobs"
IMAGE = "us-docker.pkg.dev/cloudrun/container/job"


@pytest.fixture(name="cloud")
def _cloud(cloud: Cloud) -> Cloud:
    cloud.enable("cloudscheduler", "logging")
    return cloud


def _target(cloud: Cloud, email: str = "", what: str = "") -> dict[str, Any]:
    """An HTTP target that runs the Cloud Run job `nightly`, or asks for *what*."""
    path = what or f"v2/projects/{cloud.project}/locations/{REGION}/jobs/nightly:run"
    token = {"oauthToken": {"serviceAccountEmail": email}} if email else {}
    return {"uri": f"https://run.googleapis.com/{path}", **token}


def _body(cloud: Cloud, name: str = "cron", **fields: Any) -> dict[str, Any]:
    full = f"projects/{cloud.project}/locations/{REGION}/jobs/{name}"
    return {"name": full, "schedule": "0 3 * * 0", "httpTarget": _target(cloud), **fields}


def _refused(cloud: Cloud, **fields: Any) -> str:
    answered = cloud.post(JOBS, _body(cloud, **fields))
    assert (answered.status, answered.error["status"]) == (400, "INVALID_ARGUMENT")
    return answered.error["message"]


def _until(look: Callable[[], Any]) -> Any:
    """What *look* finds, asked until it finds something."""
    end = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def _ran(cloud: Cloud) -> dict[str, Any]:
    """Have `cron` fired, and return its status."""
    cloud.ok("POST", f"{JOBS}/cron:run", {})
    return _until(lambda: [job["status"] for job in [cloud.ok("GET", f"{JOBS}/cron")] if "status" in job])[0]


def test_a_job_gets_googles_defaults(cloud: Cloud) -> None:
    """Time zone, deadline, retries, method, user agent; the token's scope; a path for an address without one."""
    email = cloud.account("cron-caller")
    target = {"uri": "https://run.googleapis.com", "oauthToken": {"serviceAccountEmail": email}}
    made = cloud.ok("POST", JOBS, _body(cloud, httpTarget=target))
    assert made == cloud.ok("GET", f"{JOBS}/cron")
    assert cloud.ok("GET", JOBS) == {"jobs": [made]}
    due = datetime.fromisoformat(made.pop("scheduleTime"))
    assert (due.weekday(), due.hour, due.minute) == (6, 3, 0)
    assert made.pop("userUpdateTime")
    retries = {
        "maxRetryDuration": "0s",
        "minBackoffDuration": "5s",
        "maxBackoffDuration": "3600s",
        "maxDoublings": 5,
    }
    assert made == {
        "name": f"projects/{cloud.project}/locations/{REGION}/jobs/cron",
        "schedule": "0 3 * * 0",
        "timeZone": "Etc/UTC",
        "state": "ENABLED",
        "attemptDeadline": "180s",
        "retryConfig": retries,
        "httpTarget": {
            "uri": "https://run.googleapis.com/",
            "httpMethod": "POST",
            "headers": {"User-Agent": "Google-Cloud-Scheduler"},
            "oauthToken": {
                "serviceAccountEmail": email,
                "scope": "https://www.googleapis.com/auth/cloud-platform",
            },
        },
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": ""}, "Schedule or time zone is invalid."),
        ({"schedule": "0 3 * *"}, "Schedule or time zone is invalid."),
        ({"schedule": "60 3 * * *"}, "Schedule or time zone is invalid."),
        ({"schedule": "0 3 31 2 *"}, "Schedule or time zone is invalid."),
        ({"timeZone": "Europe/Pari"}, "Schedule or time zone is invalid."),
        ({"attemptDeadline": "5s"}, "attempt_deadline"),
        ({"retryConfig": {"retryCount": 6}}, "retry_count"),
        ({"httpTarget": {"uri": "ftp://a"}}, "HttpTarget.uri"),
        ({"httpTarget": {"uri": "https://a/", "httpMethod": "GET", "body": "YQ=="}}, "HttpTarget.body"),
        ({"httpTarget": {}}, "HttpTarget.uri"),
        ({"name": "cron"}, "Job name must be formatted"),
    ],
)
def test_what_cannot_be_is_refused(cloud: Cloud, fields: dict[str, Any], message: str) -> None:
    """In Google's words where they are known."""
    answered = cloud.post(JOBS, {**_body(cloud), **fields})
    assert (answered.status, answered.error["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answered.error["message"]


def test_an_oauth_token_goes_to_google_alone(cloud: Cloud) -> None:
    """An OpenID token may go anywhere; its audience is the address unless somebody says otherwise."""
    email = cloud.account("caller")
    own = {"uri": "https://a.example/x", "oauthToken": {"serviceAccountEmail": email}}
    assert "googleapis.com" in _refused(cloud, httpTarget=own)
    target = {"uri": "https://a.example/x", "oidcToken": {"serviceAccountEmail": email}}
    made = cloud.ok("POST", JOBS, _body(cloud, httpTarget=target))
    assert made["httpTarget"]["oidcToken"]["audience"] == "https://a.example/x"


def test_names_are_taken_once_and_places_are_known(cloud: Cloud) -> None:
    """409 for the second, 404 for none, and for a location that is none what IAM says."""
    cloud.ok("POST", JOBS, _body(cloud))
    again = cloud.post(JOBS, _body(cloud))
    assert (again.status, again.error["message"].endswith("/jobs/cron already exists.")) == (409, True)
    missing = cloud.get(f"{JOBS}/other")
    assert (missing.status, missing.error["message"]) == (404, "Job not found.")
    elsewhere = cloud.post(JOBS.replace(REGION, "mars-west1"), _body(cloud))
    assert elsewhere.status == 403
    assert 'lacks IAM permission "cloudscheduler.jobs.create"' in elsewhere.error["message"]
    assert REGION in {one["locationId"] for one in cloud.ok("GET", "/v1/projects/{P}/locations")["locations"]}


def test_a_change_without_mask_replaces_and_with_one_does_not(cloud: Cloud) -> None:
    """What a PATCH without mask does not say goes back to its default."""
    cloud.ok("POST", JOBS, _body(cloud, description="d", timeZone="Europe/Paris"))
    masked = cloud.ok("PATCH", f"{JOBS}/cron?updateMask=schedule", {"schedule": "0 4 * * *"})
    assert (masked["schedule"], masked["timeZone"], masked["description"]) == (
        "0 4 * * *",
        "Europe/Paris",
        "d",
    )
    assert cloud.call("PATCH", f"{JOBS}/cron?updateMask=state", {}).status == 400
    whole = cloud.ok("PATCH", f"{JOBS}/cron", {"schedule": "0 5 * * *", "httpTarget": masked["httpTarget"]})
    assert (whole["schedule"], whole["timeZone"], whole.get("description")) == ("0 5 * * *", "Etc/UTC", None)


def test_a_paused_job_is_not_due(cloud: Cloud) -> None:
    """Until it is resumed; pausing twice is refused."""
    cloud.ok("POST", JOBS, _body(cloud))
    paused = cloud.ok("POST", f"{JOBS}/cron:pause", {})
    assert (paused["state"], "scheduleTime" in paused) == ("PAUSED", False)
    assert cloud.post(f"{JOBS}/cron:pause").status == 400
    resumed = cloud.ok("POST", f"{JOBS}/cron:resume", {})
    assert (resumed["state"], "scheduleTime" in resumed) == ("ENABLED", True)
    assert cloud.ok("DELETE", f"{JOBS}/cron") == {}
    assert cloud.get(f"{JOBS}/cron").status == 404


def test_whoever_writes_a_job_must_be_allowed_to_act_as_its_account(cloud: Cloud) -> None:
    """An account that is not there reads like one that the caller may not use."""
    email, writer = cloud.account("caller"), cloud.account("writer")
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    role = {"role": "roles/cloudscheduler.admin", "members": [f"serviceAccount:{writer}"]}
    cloud.ok(
        "POST",
        "/v1/projects/{P}:setIamPolicy",
        {"policy": {**policy, "bindings": [*policy["bindings"], role]}},
    )
    alike = [
        cloud.bearer(writer).post(JOBS, _body(cloud, httpTarget=_target(cloud, email))),
        cloud.post(
            JOBS,
            _body(cloud, httpTarget=_target(cloud, f"nobody@{cloud.project}.iam.gserviceaccount.com")),
        ),
    ]
    for answered in alike:
        assert answered.status == 403
        assert 'lacks IAM permission "iam.serviceAccounts.actAs"' in answered.error["message"]
    assert cloud.bearer(writer).post(JOBS, _body(cloud)).status == 200
    assert cloud.bearer(email).get(f"{JOBS}/cron").status == 403


def test_a_job_calls_as_its_account_and_needs_the_grant(cloud: Cloud) -> None:
    """Without the role on the job: PERMISSION_DENIED, kept with the job and in the log. With it: an execution."""
    email = cloud.account("caller")
    template = {"template": {"template": {"containers": [{"image": IMAGE}]}}}
    finished(cloud, cloud.ok("POST", f"{RUN}?jobId=nightly", template))
    cloud.ok("POST", JOBS, _body(cloud, httpTarget=_target(cloud, email)))
    assert _ran(cloud) == {"code": 7}
    assert "executions" not in cloud.ok("GET", f"{RUN}/nightly/executions")
    asked = {
        "resourceNames": [f"projects/{cloud.project}"],
        "filter": 'resource.type="cloud_scheduler_job"',
    }
    (entry,) = cloud.ok("POST", "/v2/entries:list", asked)["entries"]
    assert (entry["severity"], entry["jsonPayload"]["status"]) == ("ERROR", "PERMISSION_DENIED")
    executor = {"role": "roles/run.jobsExecutor", "members": [f"serviceAccount:{email}"]}
    cloud.ok("POST", f"{RUN}/nightly:setIamPolicy", {"policy": {"bindings": [executor]}})
    cloud.ok("POST", f"{JOBS}/cron:run", {})
    (execution,) = _until(lambda: cloud.ok("GET", f"{RUN}/nightly/executions").get("executions"))
    assert execution["creator"] == email
    assert _until(lambda: cloud.ok("GET", f"{JOBS}/cron")["status"] == {})


def test_the_agent_of_the_service_mints_the_token(cloud: Cloud) -> None:
    """Who takes its role away stops every job that carries a token."""
    email = cloud.account("caller")
    cloud.ok("POST", JOBS, _body(cloud, httpTarget=_target(cloud, email, "v2/x")))
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"] = [
        one for one in policy["bindings"] if one["role"] != "roles/cloudscheduler.serviceAgent"
    ]
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    assert _ran(cloud) == {"code": 7}


def test_what_fails_is_tried_again(cloud: Cloud) -> None:
    """With a retry count the next time is that of the next attempt; nobody outside of this machine is called."""
    far = {"uri": "https://far.example/"}
    retry = {"retryCount": 3, "minBackoffDuration": "30s"}
    cloud.ok("POST", JOBS, _body(cloud, httpTarget=far, retryConfig=retry))
    assert _ran(cloud) == {"code": 14}
    job = cloud.ok("GET", f"{JOBS}/cron")
    wait = datetime.fromisoformat(job["scheduleTime"]) - datetime.fromisoformat(job["lastAttemptTime"])
    assert 29 < wait.total_seconds() < 40


def test_a_job_fires_when_it_is_due(cloud: Cloud) -> None:
    """Every minute: the first time comes by itself."""
    cloud.ok(
        "POST", JOBS, _body(cloud, schedule="* * * * *", httpTarget={"uri": f"{cloud.url}/sandbox/v1/none"})
    )
    end = time.monotonic() + 70
    while "status" not in (job := cloud.ok("GET", f"{JOBS}/cron")):
        assert time.monotonic() < end
        time.sleep(0.5)
    assert job["status"] == {"code": 5}
    assert job["scheduleTime"] > job["lastAttemptTime"]


@pytest.mark.parametrize(
    ("text", "zone", "after", "due"),
    [
        ("0 3 * * 0", "Etc/UTC", "2026-11-20T10:00", "2026-11-22T03:00"),
        ("0 3 * * 7", "utc", "2026-11-22T03:00", "2026-11-29T03:00"),
        ("*/20 9-10 * * mon-fri", "Etc/UTC", "2026-11-20T10:40", "2026-11-23T09:00"),
        ("0 3 1 * MON", "Etc/UTC", "2026-11-20T10:00", "2026-11-23T03:00"),
        ("30 0 29 2 *", "Etc/UTC", "2026-11-20T10:00", "2028-02-29T00:30"),
        ("0 3 * * *", "Europe/Paris", "2026-07-01T00:00", "2026-07-01T01:00"),
        ("0 3 * * *", "Europe/Paris", "2026-12-01T00:00", "2026-12-01T02:00"),
        ("5,35 * * JAN *", "Etc/UTC", "2026-11-20T10:00", "2027-01-01T00:05"),
    ],
)
def test_schedules_are_those_of_cron(text: str, zone: str, after: str, due: str) -> None:
    """Steps, ranges, names, both kinds of days, leap years, and summer time."""
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule(text, zone).after(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_works_jobs_from_their_making_to_their_end(gcloud: Gcloud, cloud: Cloud) -> None:
    """create, describe, list, update, pause, resume, run, delete, and the locations."""
    email = cloud.account("caller")
    place = f"--location={REGION}"
    uri = f"--uri={_target(cloud)['uri']}"
    gcloud.ok(
        "scheduler", "jobs", "create", "http", "cron", place, "--schedule=0 3 * * 0", uri, "--http-method=POST",
        f"--oauth-service-account-email={email}", "--message-body={}", "--headers=X-A=b",
    )  # fmt: skip
    made = gcloud.json("scheduler", "jobs", "describe", "cron", place)
    assert made["httpTarget"]["body"] == "e30="
    assert made["httpTarget"]["headers"]["Content-Type"] == "application/octet-stream"
    gcloud.ok(
        "scheduler",
        "jobs",
        "update",
        "http",
        "cron",
        place,
        "--schedule=5 4 * * *",
        "--time-zone=Europe/Paris",
    )
    changed = gcloud.json("scheduler", "jobs", "describe", "cron", place)
    assert (changed["schedule"], changed["timeZone"]) == ("5 4 * * *", "Europe/Paris")
    assert changed["httpTarget"] == made["httpTarget"]
    gcloud.ok("scheduler", "jobs", "pause", "cron", place)
    assert [one["state"] for one in gcloud.json("scheduler", "jobs", "list", place)] == ["PAUSED"]
    gcloud.ok("scheduler", "jobs", "resume", "cron", place)
    gcloud.ok("scheduler", "jobs", "run", "cron", place)
    assert _until(lambda: cloud.ok("GET", f"{JOBS}/cron").get("status")) == {"code": 7}
    gcloud.ok("scheduler", "jobs", "delete", "cron", place)
    assert gcloud.json("scheduler", "jobs", "list", place) == []
    assert gcloud.json("scheduler", "locations", "list")
