"""`adopt`: what exists under the deployment's names, and is not the deployment's, becomes it."""

from __future__ import annotations

import click

from reconciler.cli.options import on_sandbox, output_format, permission_check, spec_argument


@click.command(name="adopt")
@spec_argument
@click.option("--dry-run", "--check", "dry_run", is_flag=True, help="Only show what would be adopted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--from",
    "place",
    metavar="PLACE",
    default="",
    help="Write SPEC: describe the deployment that somebody made by hand at PROJECT or PROJECT/REGION/SERVICE.",
)
@click.option(
    "--instance", default="", help="With --from: its Cloud SQL instance, where that cannot be told."
)
@click.option("--bucket", default="", help="With --from: its bucket, where that cannot be told.")
@permission_check
@output_format
@on_sandbox
@click.pass_context
def command(
    context: click.Context,
    spec: str,
    dry_run: bool,
    yes: bool,
    place: str,
    instance: str,
    bucket: str,
    unchecked: bool,
    style: str,
    sandbox: bool,
) -> None:
    """Take over what exists under the names of SPEC's deployment and is not marked as its own.

    Only the mark is written: two labels, or the description where a kind has no labels. From then on apply changes
    these things, and destroy --delete-data deletes them. All are adopted, or none where one cannot be.

    A deployment under other names first needs its spec: --from writes that, and changes nothing else.
    """
    if place:
        from reconciler.cli.adopt_found import write_found

        write_found(spec, place, instance=instance, bucket=bucket, only_show=dry_run, sandbox=sandbox)
        return
    if instance or bucket:
        raise click.UsageError("--instance and --bucket say what --from shall take; give it, too.")
    _adopt(context, spec, style, dry_run=dry_run, yes=yes, unchecked=unchecked, sandbox=sandbox)


def _adopt(
    context: click.Context, spec: str, style: str, *, dry_run: bool, yes: bool, unchecked: bool, sandbox: bool
) -> None:
    from reconciler import lease
    from reconciler.adoption import adoption, closing
    from reconciler.cli import console, session
    from reconciler.cli.carry_out import carry_out
    from reconciler.pipeline import survey
    from reconciler.render.values import summary
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    cloud.changing = not dry_run
    plan = adoption(survey(cloud, deployment))
    console.show(plan, style, closing(plan))
    if dry_run:
        context.exit(console.exit_code(plan))
    plan.refuse_if_blocked()
    if not plan.wanted:
        return
    claim = lease.look(cloud, deployment)
    claim.refuse_if_held()
    console.agreed("Adopt these?", yes=yes)
    carry_out(cloud, plan, claim, checked=not unchecked)
    cloud.forget()
    after = survey(cloud, deployment)
    click.echo(f"{deployment.name} has adopted them. Next comes: {summary(after)}", err=style != "text")
