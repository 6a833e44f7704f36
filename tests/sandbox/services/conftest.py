"""The shared sandbox, in a folder that PostgreSQL's own user can reach."""

import pytest

from reconciler.sandbox.control import Running


@pytest.fixture(scope="session", autouse=True)
def _reachable(running: Running) -> None:
    """Others may pass through the folder above the home."""
    running.home.parent.chmod(0o711)
