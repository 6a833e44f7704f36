"""State that an older version of the sandbox left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.errors import SandboxError
from tests.sandbox.calls import new_project

AGENT = "roles/run.serviceAgent"


def _set_format(home: Path, number: int) -> None:
    with closing(sqlite3.connect(home / "state.db")) as database:
        database.execute(f"PRAGMA user_version = {number:d}")


def _roles(policy: Mapping[str, Any]) -> set[str]:
    return {binding["role"] for binding in policy["bindings"]}


def test_agents_of_an_older_state_get_their_roles(home: Path, port: int) -> None:
    """Without them Cloud Run could not pull an image after an upgrade, and every server would answer 503."""
    running = control.start(home, port, "older-project").running
    cloud = new_project(running.port, "run", "cloudresourcemanager", project="older-project")
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    assert AGENT in _roles(policy)
    older = {**policy, "bindings": [one for one in policy["bindings"] if one["role"] != AGENT]}
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": older})
    control.stop(home)
    _set_format(home, 0)
    control.start(home, port, "older-project")
    assert AGENT in _roles(cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {}))


def test_a_newer_state_is_refused_and_left_alone(home: Path, port: int) -> None:
    """The one who gets the message can go back to the newer version, or start anew."""
    control.start(home, port, "newer-project")
    control.stop(home)
    _set_format(home, 99)
    with pytest.raises(SandboxError) as refused:
        control.start(home, port, "newer-project")
    assert "newer version" in str(refused.value)
    assert "sandbox reset" in f"{refused.value} {refused.value.way_out}"
