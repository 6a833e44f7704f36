"""`destroy`: the deployment goes; its data stays, unless that is said twice."""

from __future__ import annotations

import sys

import click

from reconciler import errors
from reconciler.cli.options import on_sandbox, output_format, permission_check, spec_argument


@click.command(name="destroy")
@spec_argument
@click.option(
    "--dry-run", "--check", "dry_run", is_flag=True, help="Only show what would go and what would stay."
)
@click.option("--delete-data", is_flag=True, help="Also delete the bucket, the database and the secrets.")
@click.option(
    "--delete-peering", is_flag=True, help="With --delete-data: also the private network's range and peering."
)
@click.option("--confirm", metavar="NAME", help="The deployment's name, in place of typing it.")
@click.option("--yes", is_flag=True, help="Do not ask, where no data is deleted.")
@permission_check
@output_format
@on_sandbox
@click.pass_context
def command(
    context: click.Context,
    spec: str,
    dry_run: bool,
    delete_data: bool,
    delete_peering: bool,
    confirm: str | None,
    yes: bool,
    unchecked: bool,
    style: str,
    sandbox: bool,
) -> None:
    """Take the deployment of SPEC away. The bucket, the SQL instance and the secrets stay unless --delete-data."""
    from reconciler import lease
    from reconciler.cli import console, session
    from reconciler.cli.carry_out import carry_out
    from reconciler.pipeline import survey_removal
    from reconciler.spec.load import load

    options = _besides(delete_data=delete_data, delete_peering=delete_peering)
    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    cloud.changing = not dry_run
    plan = survey_removal(cloud, deployment, delete_data=delete_data, options=options)
    console.show(plan, style)
    if dry_run:
        context.exit(console.exit_code(plan))
    plan.refuse_if_blocked()
    if not plan.wanted:
        return
    claim = lease.look(cloud, deployment)
    claim.refuse_if_held()
    claim.gone = delete_data
    if delete_data:
        _name_typed(deployment.name, confirm)
    else:
        console.agreed("Take these away?", yes=yes or confirm == deployment.name)
    carry_out(cloud, plan, claim, checked=not unchecked)
    left = [change.ref.address for change in plan.changes if change.reason.startswith("left in place")]
    click.echo(f"Left in place: {', '.join(left) or 'nothing'}.", err=style != "text")


def _besides(*, delete_data: bool, delete_peering: bool) -> tuple[str, ...]:
    """What else goes that would be left to others."""
    from reconciler.resources import compute_address

    if delete_peering and not delete_data:
        raise click.UsageError(
            "--delete-peering goes with --delete-data: the database that stays uses the peering"
        )
    return (compute_address.PEERING,) if delete_peering else ()


def _name_typed(name: str, confirm: str | None) -> None:
    if confirm is None and sys.stdin.isatty():
        confirm = click.prompt(
            f"This deletes data for good. Type {name} to go on", default="", show_default=False
        )
    if confirm != name:
        raise errors.Protected(
            "the deployment's name was not typed, and nothing was deleted",
            way_out=f"Type it when asked, or add --confirm {name}.",
        )
