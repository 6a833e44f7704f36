"""`apply`: make Google Cloud what the spec says."""

from __future__ import annotations

import click

from reconciler.cli.options import on_sandbox, output_format, permission_check


@click.command(name="apply")
@click.argument("spec_or_plan", type=click.Path())
@click.option(
    "--dry-run", "--check", "dry_run", is_flag=True, help="Only show the plan (the same as `plan`)."
)
@click.option(
    "--diff",
    is_flag=True,
    expose_value=False,
    help="Accepted for Ansible's sake; differences are always shown.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@permission_check
@output_format
@on_sandbox
@click.pass_context
def command(
    context: click.Context,
    *,
    spec_or_plan: str,
    dry_run: bool,
    yes: bool,
    unchecked: bool,
    style: str,
    sandbox: bool,
) -> None:
    """Make Google Cloud what the SPEC says, or carry out a sealed PLAN exactly as it was reviewed."""
    from reconciler import lease, sealed
    from reconciler.cli import console, session
    from reconciler.cli.carry_out import carry_out
    from reconciler.guards import together
    from reconciler.pipeline import survey
    from reconciler.spec.load import load

    seal = sealed.read(spec_or_plan) if sealed.is_sealed(spec_or_plan) else None
    deployment = load(seal.spec if seal else spec_or_plan)
    cloud = session.connect(deployment, sandbox=sandbox)
    cloud.changing = not dry_run
    plan = survey(cloud, deployment)
    if seal:
        sealed.refuse_if_stale(seal, plan)
    if dry_run:
        plan = together.foreseen(cloud, deployment, plan)
    console.show(plan, style)
    if dry_run:
        context.exit(console.exit_code(plan))
    together.refuse_blocked(cloud, deployment, plan, checked=not unchecked)
    if not plan.wanted:
        return
    claim = lease.look(cloud, deployment)
    claim.refuse_if_held()
    console.agreed("Apply these changes?", yes=yes)
    carry_out(cloud, plan, claim, checked=not unchecked)
    click.echo(f"{deployment.name} serves at {plan.url}", err=style != "text")
