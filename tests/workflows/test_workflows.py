"""The workflows: pinned, keyless, with the least rights, and made of commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import click
import pytest

from reconciler.cli.main import commands

PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")

USED = {
    ("plan", "validate", "--format"),
    ("plan", "plan", "--format"),
    ("apply", "apply", "--yes", "--format"),
    ("apply", "verify", "--format"),
    ("drift", "drift", "--format"),
}
"""Every call of mlflow-reconcile: workflow, command, options."""


def steps(workflow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every step of every job."""
    for job in workflow["jobs"].values():
        yield from job["steps"]


def invocations(workflows: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Workflow and words of every call of mlflow-reconcile in a script."""
    for name, workflow in workflows.items():
        for step in steps(workflow):
            for line in step.get("run", "").splitlines():
                if line.strip().startswith("mlflow-reconcile "):
                    yield name, shlex.split(re.split(r"[|>]", line)[0].rstrip(" 2"))[1:]


def test_there_is_a_workflow_for_reviews_merges_and_schedules(workflows: Mapping[str, Any]) -> None:
    """Three files, each with the event that it is for."""
    events = {
        name: set(workflow[True]) for name, workflow in workflows.items()
    }  # `on` is a boolean to YAML 1.1
    assert events == {
        "plan": {"pull_request"},
        "apply": {"push", "workflow_dispatch"},
        "drift": {"schedule", "workflow_dispatch"},
    }


def test_only_known_commands_are_called(workflows: Mapping[str, Any]) -> None:
    """The list above is what the command line must keep accepting."""
    found = {
        (name, words[0], *(word for word in words[1:] if word.startswith("-")))
        for name, words in invocations(workflows)
    }
    assert found == USED


def test_every_call_is_accepted_by_the_command_line(workflows: Mapping[str, Any]) -> None:
    """Each command exists and takes each option with its value; asked of the real command line."""
    top = click.Context(commands)
    for _, words in invocations(workflows):
        command = commands.get_command(top, words[0])
        assert command is not None, words
        assert command.make_context(words[0], words[1:], parent=top).params["style"] == "markdown"


@pytest.mark.parametrize("name", ["plan", "apply", "drift"])
def test_a_workflow_is_safe_to_copy(workflows: Mapping[str, Any], name: str) -> None:
    """Actions by commit, no rights beyond a job's own, no key, no endless job, nothing from outside in a script."""
    workflow = workflows[name]
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"].startswith(f"mlflow-{name}")
    assert re.fullmatch(r"mlflow-reconcile==[\d.]+", workflow["env"]["PACKAGE"])
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        assert job["permissions"]["contents"] == "read"
        assert set(job["permissions"]) <= {"contents", "id-token", "pull-requests", "issues"}
        actions = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(PINNED.fullmatch(action) for action in actions)
        login = [
            step for step in job["steps"] if step.get("uses", "").startswith("google-github-actions/auth@")
        ]
        assert len(login) == (job["permissions"].get("id-token") == "write")
        assert all(set(step["with"]) == {"workload_identity_provider", "service_account"} for step in login)
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), (
            "values reach a script through env, where nothing is expanded"
        )
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_who_plans_cannot_apply(workflows: Mapping[str, Any]) -> None:
    """Pull requests and schedules read with their own identity; only a merge to main gets the one that writes."""
    accounts = {
        name: {
            step["with"]["service_account"]
            for step in steps(workflow)
            if "service_account" in step.get("with", {})
        }
        for name, workflow in workflows.items()
    }
    assert accounts["plan"] == accounts["drift"] == {"${{ vars.GCP_PLAN_SERVICE_ACCOUNT }}"}
    assert accounts["apply"] == {"${{ vars.GCP_APPLY_SERVICE_ACCOUNT }}"}
    assert "github.ref == 'refs/heads/main'" in workflows["apply"]["jobs"]["apply"]["if"]
    assert workflows["apply"]["concurrency"]["cancel-in-progress"] is False
