"""What `sandbox probe` shows."""

from __future__ import annotations

import json
from typing import Any

from reconciler.cli.sandbox_probe import shown

CHECK: dict[str, Any] = {"displayName": "server", "url": "https://x/health", "seconds": 0.25}
ALERT: dict[str, Any] = {"displayName": "errors", "threshold": 0.0, "lasting": "300s"}


def test_what_is_well_is_said_shortly() -> None:
    """One line each; what was not measured is not taken for nothing."""
    found: dict[str, Any] = {
        "checks": [{**CHECK, "passed": True, "reason": ""}],
        "alerts": [{**ALERT, "value": None, "above": False, "tells": []}],
    }
    assert shown(found, "text") == (
        "server: passed in 0.2 s  (https://x/health)\nerrors: nothing measured, threshold 0"
    )


def test_what_is_not_well_says_why_and_who_would_be_told() -> None:
    """And that nobody would be."""
    found: dict[str, Any] = {
        "checks": [{**CHECK, "passed": False, "reason": "answered 503"}],
        "alerts": [
            {**ALERT, "value": 7.0, "above": True, "tells": ["ada@acme.example"]},
            {**ALERT, "value": 7.0, "above": True, "tells": []},
        ],
    }
    first, second, third = shown(found, "markdown").splitlines()
    assert first == "- server: FAILED: answered 503  (https://x/health)"
    assert second == "- errors: 7, threshold 0  ABOVE: after 300s of that, ada@acme.example would be told"
    assert "nobody would be told" in third
    assert json.loads(shown(found, "json")) == found


def test_an_unwatched_sandbox_says_so() -> None:
    """Nothing is not shown as an empty page."""
    assert shown({"checks": [], "alerts": []}, "text").startswith("Nothing is watched")
