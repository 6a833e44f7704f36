"""What is deployed where MLflow is not the point: an image that stands in for the server's, and is up at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from reconciler.resources import artifactregistry_image
from tests.scenarios.command import ROOT


def standin(folder: Path) -> Path:
    """The files of the stand-in's image: its own, and those with which the real one reads its environment."""
    shutil.copytree(ROOT / "tests/standin/image", folder)
    pins = (ROOT / "image/requirements.txt").read_text().splitlines()
    (folder / "requirements.txt").write_text(next(pin for pin in pins if pin.startswith("psycopg2")) + "\n")
    (folder / "serving").mkdir()
    for name in ("__init__", "environment", "provider"):
        shutil.copy(ROOT / f"image/serving/{name}.py", folder / "serving")
    for name in ("packages.txt", "requirements-oidc.txt"):
        (folder / name).write_text("")
    return folder


def use(folder: Path) -> None:
    """Let this process build the server's image from *folder*, to its end."""
    artifactregistry_image.image_folder = lambda: folder


@contextmanager
def used(folder: Path) -> Generator[None]:
    """`use` for as long as the block lasts."""
    before = artifactregistry_image.image_folder
    use(folder)
    try:
        yield
    finally:
        artifactregistry_image.image_folder = before


@contextmanager
def standing_in() -> Generator[None]:
    """Let this process build the stand-in's image for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder, used(standin(Path(folder) / "image")):
        yield
