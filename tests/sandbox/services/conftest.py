"""The shared sandbox, in a folder that PostgreSQL's own user can reach."""

import pytest

from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.services.gcloud import Gcloud


@pytest.fixture(scope="session", autouse=True)
def _reachable(running: Running) -> None:
    """Others may pass through the folder above the home."""
    running.home.parent.chmod(0o711)


@pytest.fixture(name="gcloud")
def _gcloud(running: Running, cloud: Cloud) -> Gcloud:
    """The real gcloud on a project with the usual APIs."""
    return Gcloud(running, cloud.project)
