"""`plan`: what apply would do, and nothing else."""

from __future__ import annotations

import click

from reconciler.cli.options import on_sandbox, output_format, spec_argument


@click.command(name="plan")
@spec_argument
@output_format
@on_sandbox
@click.option(
    "--out", type=click.Path(), help="Also seal the plan into a file, for apply to carry out exactly."
)
@click.pass_context
def command(context: click.Context, spec: str, style: str, sandbox: bool, out: str | None) -> None:
    """Show what has to change for SPEC to come true. Exits 2 where something has to, 5 where a guard forbids it."""
    from reconciler import sealed
    from reconciler.cli import console, session
    from reconciler.pipeline import survey
    from reconciler.spec.load import load

    deployment = load(spec)
    plan = survey(session.connect(deployment, sandbox=sandbox), deployment)
    console.show(plan, style)
    if out:
        sealed.save(plan, out)
        where = "--sandbox " if sandbox else ""
        click.echo(f"Sealed into {out}; carry it out with: mlflow-reconcile apply {where}{out}", err=True)
    context.exit(console.exit_code(plan))
