"""`init`: a commented spec to start from."""

from __future__ import annotations

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

    text = starter(name, project, region)
    try:
        with Path(file).open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise errors.ReconcileError(
            f"{file} exists, and was not touched", way_out="Name another file: init FILE."
        ) from error
    click.echo(f"Wrote {file}. Next: mlflow-reconcile validate {file}")
