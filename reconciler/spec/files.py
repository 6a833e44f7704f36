"""Where the files that come with the program are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import SpecInvalid

REQUIRED = frozenset({"name", "project", "region"})
"""What makes a file a spec of its own; a base may leave them to those that extend it."""
PACKAGE = Path(__file__).resolve().parents[1]


def data_path(name: str) -> Path:
    """The file or folder *name* of the repository's top level. Raises FileNotFoundError."""
    for root in (PACKAGE / "data", PACKAGE.parent):
        if (path := root / name).exists():
            return path
    raise FileNotFoundError(f"{name} is neither in {PACKAGE / 'data'} nor in {PACKAGE.parent}: install again")


def schema_path() -> Path:
    """The spec's JSON Schema."""
    return data_path("schema") / "mlflow-deployment.schema.json"


def image_folder() -> Path:
    """The folder that the server's image is built from."""
    return data_path("image")


def specs_folder() -> Path:
    """The example specs."""
    return data_path("specs")


def _whole(files: list[str]) -> list[str]:
    """*files* without those that are there to be extended only: a base of another one, and no spec by itself."""
    from reconciler.spec.extend import read_whole
    from reconciler.spec.finding import UnreadableError

    bases: set[str] = set()
    partial: set[str] = set()
    for file in files:
        try:
            reading = read_whole(file)
        except UnreadableError:
            continue  # whoever checks it says why
        bases.update(reading.files[1:])
        if not isinstance(reading.value, dict) or not reading.value.keys() >= REQUIRED:
            partial.add(file)
    return [file for file in files if os.path.normpath(file) not in bases or file not in partial]


def spec_files(paths: Iterable[str]) -> list[str]:
    """*paths* with each folder replaced by the specs in it, in order. Raises SpecInvalid for a folder without any."""
    found: list[str] = []
    for path in paths:
        if not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(str(p) for p in Path(path).iterdir() if p.suffix in {".yaml", ".yml"})
        if not inside:
            raise SpecInvalid(
                f"{path}: this folder holds no .yaml file", way_out="Name a spec or a folder of specs."
            )
        found += _whole(inside)
    return found
