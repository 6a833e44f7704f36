"""Where the files that come with the program are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

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
