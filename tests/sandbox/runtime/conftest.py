"""A folder that PostgreSQL's own user can reach, and a cache of environments that all tests share."""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.sandbox.runtime import postgres


@pytest.fixture(name="top")
def _top() -> Generator[Path]:
    """A short folder under /tmp that others may pass through; what PostgreSQL runs below it is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="mr", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    postgres.stop_all(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Environments of this run, apart from the machine's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_RECONCILE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
