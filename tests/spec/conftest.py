"""Specs written to a file and checked, for every test of the loader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.spec.finding import Finding
from reconciler.spec.load import check, read

START = "version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n"
"""The four lines that every spec has; what a test adds begins on line 5."""

Check = Callable[[str], list[Finding]]


@pytest.fixture
def check_text(tmp_path: Path) -> Check:
    """The findings for a whole file with this text."""

    def checked(text: str) -> list[Finding]:
        path = tmp_path / "mlflow.yaml"
        path.write_bytes(text.encode())
        return check(path)

    return checked


@pytest.fixture
def check_with(check_text: Check) -> Check:
    """The findings for a valid spec with this text after its four lines."""
    return lambda text: check_text(START + text)


@pytest.fixture
def load_with(tmp_path: Path) -> Callable[[str], object]:
    """The deployment of a valid spec with this text after its four lines."""

    def loaded(text: str) -> object:
        path = tmp_path / "mlflow.yaml"
        path.write_text(START + text, encoding="utf-8")
        deployment, findings = read(path)
        assert deployment is not None, [str(finding) for finding in findings]
        return deployment

    return loaded
