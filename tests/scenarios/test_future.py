"""A Google Cloud of next year: every answer says more than we know, and nothing of it is ever a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from tests.conftest import QUICKSTART
from tests.relay import relay
from tests.scenarios.command import Bench

MAPS = {"labels", "userLabels", "annotations", "limits", "cleanupPolicies", "error"}
"""Objects whose keys are data, not fields; and errors, which no resource is."""
NEWS: dict[str, Any] = {
    "futureSwitch": True,
    "futureMode": "FUTURE_MODE_STRICT",
    "futureCount": 7,
    "futureConfig": {"enabled": False, "items": [{"name": "one"}], "ttl": "300s"},
    "future_snake": [],
}


def with_news(value: Any, within: str = "") -> Any:
    """The JSON value with fields that nobody knows in every object of it."""
    if isinstance(value, list):
        return [with_news(one, within) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    whole = {key: with_news(inner, key) for key, inner in cast("dict[str, Any]", value).items()}
    return whole if within in MAPS else {**whole, **NEWS}


def news(answer: bytes) -> bytes:
    """The answer with fields that nobody knows."""
    return json.dumps(with_news(json.loads(answer))).encode()


def without_news(value: Any) -> Any:
    """The JSON value as the sandbox, which is of this year, understands it."""
    if isinstance(value, list):
        return [without_news(one) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    whole = cast("dict[str, Any]", value)
    return {key: without_news(inner) for key, inner in whole.items() if key not in NEWS}


def understood(request: bytes) -> bytes:
    """A request without the fields that nobody knows: what was read and merged is rightly sent back with them."""
    return json.dumps(without_news(json.loads(request))).encode()


def test_unknown_fields_in_every_answer_are_no_difference(settled: Bench) -> None:
    """plan and drift of a settled deployment stay empty, whatever the server adds."""
    with relay(settled.endpoint, reshape=news, understand=understood) as through:
        env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
        planned = settled.run("plan", QUICKSTART, env=env)
        assert planned.code == 0, planned.said
        assert "No changes." in planned.out
        assert settled.run("drift", QUICKSTART, env=env).code == 0


def test_a_deployment_is_made_and_settles_on_such_a_cloud(settled: Bench, tmp_path: Path) -> None:
    """Operations, policies and resources are read all the way through a first apply; then there is nothing to do."""
    text = Path(QUICKSTART).read_text().replace("mlflow-sandbox", "mlflow-next-year")
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    with relay(settled.endpoint, reshape=news, understand=understood) as through:
        env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
        assert settled.run("plan", "--sandbox", str(spec)).code == 2  # makes the project
        applied = settled.run("apply", "--yes", str(spec), env=env, timeout=600)
        assert applied.code == 0, applied.said
        through.passed.clear()
        again = settled.run("apply", "--yes", str(spec), env=env)
        assert (again.code, through.writes) == (0, [])
