"""The way of artifacts, and the place and key of their bucket: each rule finds its problem, with ways out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.spec.finding import Finding

Check = Callable[[str], list[Finding]]
KEY = "projects/p/locations/{}/keyRings/r/cryptoKeys/k"
GROUP = "writers: ['group:ml@acme.example']"

PROBLEMS = [
    # the artifacts section, key, part of the message, part of the way out, severity
    ("{access: direct}", "artifacts.access", "without writers", "writers: [group:", "error"),
    ("{access: direct, existing: true, bucket: lake}", "artifacts.access", "without", "proxied", "warning"),
    (f"{{{GROUP}}}", "artifacts.writers", "has no effect", "access: direct", "warning"),
    ("{access: direct, writers: [allUsers]}", "artifacts.writers.0", "everybody", "proxied", "error"),
    ("{access: direct, writers: [ada]}", "artifacts.writers.0", "does not say what", "user:", "error"),
    ("{location: mars-west1}", "artifacts.location", "no location", "leave it out", "error"),
    ("{existing: true, bucket: lake, location: eu}", "artifacts.location", "else's", "remove it", "error"),
    (
        "{existing: true, bucket: lake, storage_class: nearline}",
        "artifacts.storage_class",
        "somebody",
        "remove",
        "error",
    ),
    (
        f"{{kms_key: {KEY.format('europe')}}}",
        "artifacts.kms_key",
        "lies in europe",
        "artifacts.location: eu",
        "error",
    ),
    (f"{{location: eu, kms_key: {KEY.format('eu')}}}", "artifacts.kms_key", "in europe", "a key in", "error"),
]


@pytest.mark.parametrize(("section", "key", "message", "way", "severity"), PROBLEMS)
def test_the_problem_is_found_at_its_key(
    check_with: Check, section: str, key: str, message: str, way: str, severity: str
) -> None:
    """Once, with what is wrong and a way out."""
    (found,) = check_with(f"artifacts: {section}\n")
    assert (found.key, found.severity) == (key, severity)
    assert message in found.message
    assert way in found.way_out


@pytest.mark.parametrize(
    "section",
    [
        f"{{access: direct, {GROUP}}}",
        f"{{access: direct, {GROUP}, existing: true, bucket: lake, folder: mlflow/prod}}",
        "{location: eur4, storage_class: coldline}",
        f"{{location: eu, kms_key: {KEY.format('europe')}}}",
    ],
)
def test_what_works_is_let_through(check_with: Check, section: str) -> None:
    """Without a word."""
    assert check_with(f"artifacts: {section}\n") == []
