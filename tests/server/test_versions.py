"""Which MLflow versions run, and why the others do not."""

from __future__ import annotations

import pytest

from reconciler.server import versions
from reconciler.spec.schema import load_schema


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("3.18.0", "cannot be installed"),
        ("3.7.0", "leaks database connections"),
        ("2.9.2", "older than 3.5.0"),
        ("3.4.9", "older than 3.5.0"),
        ("10.0.0", "newer than 3.17.2"),
        ("3.17.9", "newer than 3.17.2"),
        ("3.9.5", "never released"),
    ],
)
def test_a_version_that_does_not_run_has_its_reason(version: str, why: str) -> None:
    """Versions are compared as numbers: 3.9 is older than 3.17."""
    assert why in versions.objection(version)


def test_released_versions_run_unless_known_to_be_bad() -> None:
    """All others have no objection; the list is in order and ends with the newest."""
    assert [version for version in versions.RELEASED if versions.objection(version)] == ["3.7.0"]
    assert list(versions.RELEASED) == sorted(versions.RELEASED, key=versions.numbers)
    assert (versions.RELEASED[0], versions.RELEASED[-1]) == (versions.OLDEST, versions.NEWEST)


def test_the_default_is_the_newest() -> None:
    """The schema's default version is the one the image is tested with."""
    assert load_schema()["properties"]["server"]["properties"]["version"]["default"] == versions.NEWEST


def test_artifacts_stream_since_mlflow_does() -> None:
    """The release that hands uploads on as they come, and those after it."""
    assert [versions.streams(one) for one in ("3.5.0", "3.14.0", "3.15.0", "3.17.2")] == [
        False,
        False,
        True,
        True,
    ]
