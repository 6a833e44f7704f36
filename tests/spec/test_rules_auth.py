"""Every combination of ways to log in and members that means nothing, or something else, is told with a way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.spec.finding import Finding

Check = Callable[[str], list[Finding]]
ADA = "['user:ada@acme.example']"
BOTH = "['user:ada@acme.example', 'serviceAccount:t@acme-ml.iam.gserviceaccount.com']"
FOUND = [
    ("mode: basic, acknowledge_public: true", "acknowledge_public", "warning", "not public", "remove"),
    ("mode: none, acknowledge_public: true, behind_iam: true", "behind_iam", "error", "mode iam", "mode iam"),
    (f"mode: iam, behind_iam: true, invokers: {ADA}", "behind_iam", "error", "is that already", "mode basic"),
    (f"mode: iap, behind_iam: true, accessors: {BOTH}", "behind_iam", "error", "no invokers", "mode basic"),
    ("mode: basic, behind_iam: true", "behind_iam", "error", "nobody may call", "invokers: ["),
    (f"mode: basic, invokers: {ADA}", "invokers", "warning", "means nothing", "behind_iam: true"),
    (f"mode: iap, accessors: {BOTH}, invokers: {ADA}", "invokers", "warning", "means nothing", "accessors"),
    ("mode: iap", "mode", "error", "nobody passes", "accessors: ["),
    (f"mode: iap, accessors: {ADA}", "accessors", "warning", "no program gets in", "serviceAccount:"),
    ("mode: iap, accessors: [allAuthenticatedUsers]", "accessors.0", "error", "everybody", "mode none"),
    (f"mode: iam, invokers: {ADA}, accessors: {ADA}", "accessors", "warning", "only iap", "invokers"),
    ("mode: basic, exclusive: true", "exclusive", "warning", "no role", "iam or iap"),
]


@pytest.mark.parametrize(("auth", "key", "severity", "message", "way_out"), FOUND)
def test_what_does_not_go_together_is_told(
    check_with: Check, auth: str, key: str, severity: str, message: str, way_out: str
) -> None:
    """With its key, the reason, and what to write instead."""
    found = [one for one in check_with(f"auth: {{{auth}}}\n") if one.key == f"auth.{key}"]
    assert [(one.severity, message in one.message, way_out in one.way_out) for one in found] == [
        (severity, True, True)
    ]


@pytest.mark.parametrize(
    "auth",
    [
        "mode: none, acknowledge_public: true",
        f"mode: iam, exclusive: true, invokers: {ADA}",
        f"mode: iap, exclusive: true, accessors: {BOTH}",
        f"mode: basic, behind_iam: true, invokers: {ADA}",
    ],
)
def test_what_goes_together_is_accepted(check_with: Check, auth: str) -> None:
    """No word about it."""
    assert check_with(f"auth: {{{auth}}}\n") == []
