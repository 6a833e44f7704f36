"""`drift`: what somebody or something changed in Google Cloud, one spec or a folder of them."""

from __future__ import annotations

import json

import click

from reconciler.cli.options import on_sandbox, output_format, specs_argument
from reconciler.errors import Exit


@click.command(name="drift")
@specs_argument
@output_format
@on_sandbox
@click.pass_context
def command(context: click.Context, specs: tuple[str, ...], style: str, sandbox: bool) -> None:
    """Compare Google Cloud with each SPEC (or every spec of a folder). Exits 2 where something drifted."""
    from reconciler.cli import console, session
    from reconciler.pipeline import survey
    from reconciler.render.json import document
    from reconciler.render.values import summary_of_drift
    from reconciler.spec.files import spec_files
    from reconciler.spec.load import load

    deployments = [load(path) for path in spec_files(specs)]
    plans = [survey(session.connect(deployment, sandbox=sandbox), deployment) for deployment in deployments]
    if style == "json":
        documents = [document(plan) for plan in plans]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
    else:
        for plan in plans:
            console.show(plan, style, summary_of_drift(plan))
    if any(plan.wanted for plan in plans):
        context.exit(Exit.DIFFERENCES)
