"""The environments of images: they have the whole of MLflow, which this project does not install."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.sandbox.runtime.environments import cache_folder

PINNED = Path(__file__).parents[1] / "image" / "requirements.txt"


def mlflow_pythons() -> list[Path]:
    """The Pythons that have the image's MLflow; none where no image was built on this machine yet."""
    version = re.search(r"^mlflow==([\w.]+)", PINNED.read_text(), re.MULTILINE)
    assert version is not None
    made = (cache_folder() / "environments").glob(
        f"*/lib/python3*/site-packages/mlflow-{version[1]}.dist-info"
    )
    return sorted(
        found.parents[3] / "bin" / "python"
        for found in made
        if (found.parents[3] / "bin" / "mlflow").exists()
    )
