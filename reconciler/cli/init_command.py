"""`init`: a commented spec to start from."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler import errors


@click.command(name="init")
@click.argument("file", type=click.Path(), default="mlflow-deployment.yaml")
@click.option("--name", default="mlflow-prod", show_default=True, help="The deployment's name.")
@click.option("--project", default="my-project", show_default=True, help="The Google Cloud project's id.")
@click.option(
    "--region", default="europe-west1", show_default=True, help="The region of everything regional."
)
def command(file: str, name: str, project: str, region: str) -> None:
    """Write a commented spec to FILE (mlflow-deployment.yaml). An existing file is never touched."""
    from reconciler.spec.template import starter

    text = starter(name, project, region, schema=_schema_from(file))
    try:
        with Path(file).open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise errors.ReconcileError(
            f"{file} exists, and was not touched", way_out="Name another file: init FILE."
        ) from error
    click.echo(f"Wrote {file}. Next: mlflow-reconcile validate {file}")


def _schema_from(file: str) -> str:
    """The schema's path as seen from *file*, where both lie below this folder; "" elsewhere."""
    from reconciler.spec.files import schema_path

    here = Path.cwd().resolve()
    places = (schema_path().resolve(), Path(file).resolve())
    if not all(place.is_relative_to(here) for place in places):
        return ""
    return os.path.relpath(places[0], places[1].parent)
