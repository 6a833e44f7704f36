"""Cloud Monitoring: alert policies, notification channels, uptime checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud

ROOT = "/v3/projects/{P}"
FILTER = 'metric.type="run.googleapis.com/request_count" AND resource.type="cloud_run_revision"'
EMAIL: dict[str, Any] = {"type": "email", "labels": {"email_address": "ops@acme.example"}}
CHECK: dict[str, Any] = {
    "displayName": "Front door",
    "monitoredResource": {"type": "uptime_url", "labels": {"host": "mlflow.example"}},
    "httpCheck": {"path": "health", "useSsl": True, "validateSsl": False},
    "timeout": "10s",
}


def threshold(**fields: Any) -> dict[str, Any]:
    """A condition on requests."""
    return {
        "displayName": "requests",
        "conditionThreshold": {"filter": FILTER, "comparison": "COMPARISON_GT", **fields},
    }


def policy(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body of a policy."""
    return {"displayName": "Policy", "conditions": list(conditions), "combiner": "OR", **fields}


@pytest.fixture(name="channel")
def _channel(fresh: Cloud) -> str:
    """The name of a channel, in a project where nothing was enabled."""
    return fresh.ok("POST", f"{ROOT}/notificationChannels", EMAIL)["name"]


def test_a_channel_is_numbered_by_the_server(fresh: Cloud, channel: str) -> None:
    """With the times of its making and of its last change, and without who made it; enabled unless said otherwise."""
    made = fresh.ok("GET", f"/v3/{channel}")
    assert channel.startswith(f"projects/{fresh.project}/notificationChannels/")
    assert channel.rpartition("/")[2].isdigit()
    assert set(made) == {"name", "type", "labels", "enabled", "creationRecord", "mutationRecords"}
    assert (made["enabled"], set(made["creationRecord"])) == (True, {"mutateTime"})
    off = fresh.ok("PATCH", f"/v3/{channel}?updateMask=enabled,userLabels", {"enabled": False})
    assert (off["enabled"], off["labels"], len(off["mutationRecords"])) == (False, EMAIL["labels"], 1)


def test_a_channels_secret_is_never_shown(fresh: Cloud) -> None:
    """It comes back as asterisks, and sending those back changes nothing."""
    sent = {"type": "pagerduty", "labels": {"service_key": "abcdef"}}
    made = fresh.ok("POST", f"{ROOT}/notificationChannels", sent)
    assert made["labels"] == {"service_key": "******"}
    again = fresh.ok("PATCH", f"/v3/{made['name']}", {**made, "displayName": "On call"})
    assert (again["displayName"], again["labels"]) == ("On call", made["labels"])


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "pigeon", "labels": {}},
        {"type": "email", "labels": {}},
        {**EMAIL, "labels": {**EMAIL["labels"], "colour": "red"}},
        {**EMAIL, "userLabels": {"Upper": "x"}},
        {**EMAIL, "typo": 1},
    ],
)
def test_an_impossible_channel_is_a_400(fresh: Cloud, sent: dict[str, Any]) -> None:
    """Types and their labels are known."""
    error = fresh.post(f"{ROOT}/notificationChannels", sent).error
    assert (error["code"], error["status"], "errors" in error) == (400, "INVALID_ARGUMENT", False)


def test_channel_types_say_which_labels_they_need(fresh: Cloud) -> None:
    """gcloud and consoles ask for them."""
    listed = fresh.ok("GET", f"{ROOT}/notificationChannelDescriptors")["channelDescriptors"]
    email = next(one for one in listed if one["type"] == "email")
    assert [label["key"] for label in email["labels"]] == ["email_address"]
    assert fresh.ok("GET", f"/v3/{email['name']}") == email


def test_a_policy_gets_names_records_and_defaults(fresh: Cloud, channel: str) -> None:
    """int64 as text; what is the zero of its type is left out; the caller is remembered."""
    sql = {
        "query": "SELECT 1",
        "hourly": {"periodicity": 1, "minuteOffset": 0},
        "rowCountTest": {"comparison": "COMPARISON_GT", "threshold": 10},
    }
    aggregation = {
        "alignmentPeriod": "60s",
        "crossSeriesReducer": "REDUCE_NONE",
        "perSeriesAligner": "ALIGN_RATE",
    }
    sent = policy(
        threshold(thresholdValue=0, duration="60s", aggregations=[aggregation], trigger={"count": 1}),
        {"displayName": "sql", "conditionSql": sql},
        notificationChannels=[channel],
        documentation={"content": "Look at the log."},
    )
    made = fresh.ok("POST", f"{ROOT}/alertPolicies", sent)
    first, second = made["conditions"]
    assert first["name"].startswith(f"{made['name']}/conditions/")
    assert first["conditionThreshold"] == {
        "filter": FILTER,
        "comparison": "COMPARISON_GT",
        "duration": "60s",
        "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_RATE"}],
        "trigger": {"count": 1},
    }
    assert second["conditionSql"]["hourly"] == {"periodicity": 1}
    assert second["conditionSql"]["rowCountTest"]["threshold"] == "10"
    assert made["enabled"] is True
    assert made["documentation"]["mimeType"] == "text/markdown"
    assert made["creationRecord"] == made["mutationRecord"]
    assert made["creationRecord"]["mutatedBy"] == "operator@sandbox.example"
    assert fresh.ok("GET", f"/v3/{made['name']}") == made


def test_a_mask_changes_its_fields_and_no_others(fresh: Cloud) -> None:
    """A condition that is named stays itself; without a mask everything is replaced."""
    made = fresh.ok("POST", f"{ROOT}/alertPolicies", policy(threshold(), severity="ERROR"))
    named = {**made["conditions"][0], "displayName": "renamed"}
    after = fresh.ok(
        "PATCH", f"/v3/{made['name']}?updateMask=conditions", policy(named, displayName="not asked")
    )
    assert after["conditions"][0]["name"] == made["conditions"][0]["name"]
    assert after["conditions"][0]["displayName"] == "renamed"
    assert (after["displayName"], after["severity"]) == ("Policy", "ERROR")
    assert after["mutationRecord"]["mutateTime"] > after["creationRecord"]["mutateTime"]
    whole = fresh.ok("PATCH", f"/v3/{made['name']}", policy(threshold(), enabled=False))
    assert (whole["enabled"], "severity" in whole) == (False, False)
    assert whole["creationRecord"] == made["creationRecord"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (policy(), "Field alert_policy.conditions had"),
        (policy({"displayName": "none"}), "Exactly one kind of condition"),
        (policy(threshold(), displayName=""), "Field alert_policy.display_name had"),
        (policy(threshold(filter='metric.type="x"')), 'must specify a restriction on "resource.type"'),
        (policy(threshold(duration="90s")), "multiple of a minute"),
        (policy(threshold(duration="86400s")), "Durations longer than 23h30m are not supported."),
        (
            policy(threshold(evaluationMissingData="EVALUATION_MISSING_DATA_ACTIVE")),
            "must have a non-zero duration",
        ),
        (policy(threshold(), notificationChannels=["ops"]), "Name must begin with"),
    ],
)
def test_an_impossible_policy_is_refused_in_googles_words(
    fresh: Cloud, sent: dict[str, Any], message: str
) -> None:
    """The field and what is wrong with it."""
    error = fresh.post(f"{ROOT}/alertPolicies", sent).error
    assert error["code"] == 400
    assert message in error["message"]


RUN = 'metric.type="run.googleapis.com/request_count" AND resource.type="cloud_run_revision"'
SLOW = 'metric.type="run.googleapis.com/request_latencies" AND resource.type="cloud_run_revision"'


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"filter": RUN.replace("_count", "_number")}, 404, "Cannot find metric(s) that match type"),
        (
            {"filter": RUN.replace("revision", "job")},
            400,
            "valid combination of metric and monitored resource",
        ),
        ({"filter": f'{RUN} AND resource.labels.database_id="x"'}, 400, "valid combination"),
        ({"filter": f'{RUN} AND metric.labels.result="x"'}, 400, "valid combination"),
        (
            {"filter": 'resource.type="cloud_run_revision"'},
            400,
            'must specify a restriction on "metric.type"',
        ),
        (
            {"filter": SLOW, "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_RATE"}]},
            400,
            "The aligner cannot be applied to metrics with kind DELTA and value type DISTRIBUTION.",
        ),
        (
            {
                "filter": RUN,
                "aggregations": [{"alignmentPeriod": "60s", "groupByFields": ["metric.labels.route"]}],
            },
            400,
            "An aggregation cannot have group-by fields without a reducer.",
        ),
        (
            {"filter": RUN, "aggregations": [{"alignmentPeriod": "30s", "perSeriesAligner": "ALIGN_RATE"}]},
            400,
            "at least 60 seconds",
        ),
        ({"filter": RUN, "comparison": "COMPARISON_GE"}, 400, "Only COMPARISON_LT and COMPARISON_GT"),
    ],
)
def test_a_condition_that_would_never_see_anything_is_refused(
    fresh: Cloud, fields: dict[str, Any], status: int, message: str
) -> None:
    """Unknown metrics, resources that do not have them, and aggregations that cannot be computed."""
    answer = fresh.post(f"{ROOT}/alertPolicies", policy(threshold(**fields)))
    assert answer.status == status
    assert message in answer.error["message"]


def test_a_filter_may_name_labels_in_both_spellings(fresh: Cloud) -> None:
    """label or labels, quoted or not, one of several, and what is beyond this sandbox is taken as it is."""
    for more in (
        'resource.label."service_name"="a"',
        'resource.labels.service_name=one_of("a","b")',
        "(x OR y)",
    ):
        fresh.ok("POST", f"{ROOT}/alertPolicies", policy(threshold(filter=f"{RUN} AND {more}")))


def test_monitorings_agent_is_made_with_the_first_check_that_shows_itself_as_it(fresh: Cloud) -> None:
    """Before that nobody can grant it anything; a login and a token at once are refused."""
    token = {"serviceAgentAuthentication": {"type": "OIDC_TOKEN"}}
    both = {
        **CHECK,
        "httpCheck": {**CHECK["httpCheck"], **token, "authInfo": {"username": "u", "password": "p"}},
    }
    assert fresh.post(f"{ROOT}/uptimeCheckConfigs", both).status == 400
    path = f"/v1/projects/{fresh.project}"
    fresh.ok("POST", f"{path}/services/cloudresourcemanager.googleapis.com:enable")
    member = f"serviceAccount:service-{fresh.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
    held = fresh.ok("POST", f"{path}:getIamPolicy")
    assert member not in str(held)
    fresh.ok("POST", f"{ROOT}/uptimeCheckConfigs", {**CHECK, "httpCheck": {**CHECK["httpCheck"], **token}})
    assert member in str(fresh.ok("POST", f"{path}:getIamPolicy"))


def test_a_channel_in_use_goes_only_by_force(fresh: Cloud, channel: str) -> None:
    """And then the policy is rid of it; a policy cannot name one that is not there."""
    made = fresh.ok("POST", f"{ROOT}/alertPolicies", policy(threshold(), notificationChannels=[channel]))
    error = fresh.call("DELETE", f"/v3/{channel}").error
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"] == (
        f'Could not delete "{channel}" because it is still being referenced by: "{made["name"]}"'
    )
    assert fresh.ok("DELETE", f"/v3/{channel}?force=true") == {}
    assert "notificationChannels" not in fresh.ok("GET", f"/v3/{made['name']}")
    refused = fresh.post(f"{ROOT}/alertPolicies", policy(threshold(), notificationChannels=[channel]))
    assert refused.status == 404
    assert fresh.ok("DELETE", f"/v3/{made['name']}") == {}
    assert fresh.get(f"/v3/{made['name']}").error["status"] == "NOT_FOUND"


def test_policies_are_listed_by_name_and_label(fresh: Cloud) -> None:
    """With their number; a filter that is not understood is refused, not ignored."""
    for name, label in (("one", "a"), ("two", "b")):
        fresh.ok(
            "POST", f"{ROOT}/alertPolicies", policy(threshold(), displayName=name, userLabels={"team": label})
        )
    assert fresh.ok("GET", f"{ROOT}/alertPolicies")["totalSize"] == 2
    for wanted in ("display_name%3D%22two%22", "user_labels.team%3D%22b%22"):
        found = fresh.ok("GET", f"{ROOT}/alertPolicies?filter={wanted}")["alertPolicies"]
        assert [one["displayName"] for one in found] == ["two"]
    assert fresh.get(f"{ROOT}/alertPolicies?filter=severity%3E1").status == 400


def test_an_uptime_check_gets_defaults_and_keeps_its_secrets(fresh: Cloud) -> None:
    """Port by scheme, a slash before the path, the project among the labels; what is secret is hidden."""
    login = {"username": "ops", "password": "hunter2"}
    http = {**CHECK["httpCheck"], "authInfo": login, "headers": {"X-Token": "t"}, "maskHeaders": True}
    made = fresh.ok("POST", f"{ROOT}/uptimeCheckConfigs", {**CHECK, "httpCheck": http})
    assert made["httpCheck"] == {
        "path": "/health",
        "useSsl": True,
        "port": 443,
        "requestMethod": "GET",
        "authInfo": {"username": "ops", "password": "******"},
        "headers": {"X-Token": "******"},
        "maskHeaders": True,
    }
    assert (made["checkerType"], made["period"]) == ("STATIC_IP_CHECKERS", "60s")
    assert made["monitoredResource"]["labels"]["project_id"] == fresh.project
    changed = fresh.ok(
        "PATCH", f"/v3/{made['name']}?updateMask=timeout,httpCheck", {**made, "timeout": "20s"}
    )
    assert (changed["timeout"], changed["httpCheck"]) == ("20s", made["httpCheck"])


def test_a_posted_body_is_counted(fresh: Cloud) -> None:
    """The service adds the header Content-Length."""
    http = {"requestMethod": "POST", "body": "aGVsbG8=", "contentType": "URL_ENCODED"}
    made = fresh.ok("POST", f"{ROOT}/uptimeCheckConfigs", {**CHECK, "httpCheck": http})
    assert made["httpCheck"]["headers"] == {"Content-Length": "5"}


@pytest.mark.parametrize(
    "change",
    [
        {"displayName": ""},
        {"timeout": "61s"},
        {"period": "120s"},
        {"httpCheck": {"body": "aGVsbG8="}},
        {"tcpCheck": {"port": 5432}},
        {"selectedRegions": ["EUROPE"]},
        {"monitoredResource": {"type": "uptime_url", "labels": {}}},
    ],
)
def test_an_impossible_uptime_check_is_a_400(fresh: Cloud, change: dict[str, Any]) -> None:
    """Times, places, one target and one way to ask it."""
    assert fresh.post(f"{ROOT}/uptimeCheckConfigs", {**CHECK, **change}).status == 400


def test_a_missing_uptime_check_is_a_404_in_googles_words(fresh: Cloud) -> None:
    """The message names check and project."""
    error = fresh.get(f"{ROOT}/uptimeCheckConfigs/nope").error
    assert error["message"] == f"Config not found for check nope in project {fresh.project}"
