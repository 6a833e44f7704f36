"""Deployments for the tests of what the server needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.spec.deployment import Deployment
from reconciler.spec.load import load


@pytest.fixture
def deployed(tmp_path: Path) -> Callable[[str], Deployment]:
    """The deployment `mlflow-test` in europe-west1, with this text after its four lines."""

    def loaded(text: str = "") -> Deployment:
        path = tmp_path / "mlflow.yaml"
        start = "version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n"
        path.write_text(start + text, encoding="utf-8")
        return load(path)

    return loaded
