"""The real gcloud and Cloud Monitoring: alert policies, the channels they notify, uptime checks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud, new_project
from tests.sandbox.test_gcloud import Gcloud

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
CPU = 'metric.type="compute.googleapis.com/instance/cpu/utilization" resource.type="gce_instance"'


@pytest.fixture(name="watched")
def _watched(running: Running) -> tuple[Gcloud, Cloud]:
    cloud = new_project(running.port, "monitoring")
    return Gcloud(running, cloud.project), cloud


def test_a_policy_and_the_channel_that_it_notifies(watched: tuple[Gcloud, Cloud], tmp_path: Path) -> None:
    """Made, changed, looked at; a channel that is in use goes only where that is forced."""
    gcloud, cloud = watched
    channel = gcloud.json(
        "alpha", "monitoring", "channels", "create", "--display-name=mail", "--type=email",
        "--channel-labels=email_address=a@example.com",
    )["name"]  # fmt: skip
    above = {"filter": CPU, "comparison": "COMPARISON_GT", "thresholdValue": 0.9, "duration": "60s"}
    policy = {
        "displayName": "busy",
        "combiner": "OR",
        "conditions": [{"displayName": "cpu", "conditionThreshold": above}],
    }
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    file = f"--policy-from-file={tmp_path / 'policy.json'}"
    name = gcloud.json("alpha", "monitoring", "policies", "create", file)["name"]
    changes = ["--no-enabled", "--update-user-labels=a=b", f"--add-notification-channels={channel}"]
    gcloud.ok("alpha", "monitoring", "policies", "update", name, *changes)
    found = gcloud.json("alpha", "monitoring", "policies", "describe", name)
    assert (found["enabled"], found["userLabels"], found["notificationChannels"]) == (
        False,
        {"a": "b"},
        [channel],
    )
    assert found["conditions"][0]["name"].startswith(f"projects/{cloud.project}/alertPolicies/")
    refused = gcloud.run("alpha", "monitoring", "channels", "delete", channel)
    assert "because it is still being referenced by" in refused.stderr
    gcloud.ok("alpha", "monitoring", "channels", "delete", channel, "--force")
    gcloud.ok("alpha", "monitoring", "policies", "delete", name)
    assert gcloud.json("alpha", "monitoring", "policies", "list") == []


def test_a_channel_is_changed(watched: tuple[Gcloud, Cloud]) -> None:
    """Found by a filter, switched off, and pointed elsewhere."""
    gcloud, _ = watched
    channel = gcloud.json(
        "alpha", "monitoring", "channels", "create", "--display-name=mail", "--type=email",
        "--channel-labels=email_address=a@example.com",
    )["name"]  # fmt: skip
    gcloud.ok(
        "alpha", "monitoring", "channels", "update", channel, "--no-enabled",
        "--update-channel-labels=email_address=b@example.com",
    )  # fmt: skip
    (found,) = gcloud.json("alpha", "monitoring", "channels", "list", "--type=email")
    assert (found["name"], found["enabled"], found["labels"]) == (
        channel,
        False,
        {"email_address": "b@example.com"},
    )


def test_an_uptime_check_from_its_making_to_its_end(watched: tuple[Gcloud, Cloud]) -> None:
    """Create, update, describe, delete."""
    gcloud, cloud = watched
    labels = f"--resource-labels=host=example.com,project_id={cloud.project}"
    made = gcloud.json(
        "monitoring", "uptime", "create", "up", "--resource-type=uptime-url", labels, "--path=/health",
        "--protocol=https", "--period=5",
    )  # fmt: skip
    gcloud.ok("monitoring", "uptime", "update", made["name"], "--period=1", "--display-name=other")
    found = gcloud.json("monitoring", "uptime", "describe", made["name"])
    assert (found["displayName"], found["period"], found["httpCheck"]["useSsl"]) == ("other", "60s", True)
    gcloud.ok("monitoring", "uptime", "delete", made["name"])
    assert gcloud.json("monitoring", "uptime", "list-configs") == []
