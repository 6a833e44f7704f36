"""`lease`: who is changing a deployment right now, and the way past somebody who is gone."""

from __future__ import annotations

import click

from reconciler.cli.options import on_sandbox, spec_argument


@click.group(name="lease")
def command() -> None:
    """Show or break the lease: the claim that keeps two applies on one deployment apart."""


@command.command()
@spec_argument
@on_sandbox
def show(spec: str, sandbox: bool) -> None:
    """Show who holds the lease of SPEC's deployment, since when, and when it expires unless renewed."""
    from datetime import UTC, datetime

    from reconciler import lease
    from reconciler.cli import session
    from reconciler.spec.load import load

    deployment = load(spec)
    held = lease.standing(session.connect(deployment, sandbox=sandbox), deployment)
    told = (
        f"{deployment.name}: {held.told(datetime.now(UTC))}"
        if held
        else f"{deployment.name}: nobody holds it"
    )
    click.echo(told)


@command.command(name="break")
@spec_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_sandbox
def break_(spec: str, yes: bool, sandbox: bool) -> None:
    """Take the lease of SPEC's deployment from whoever holds it.

    For a run that is gone without having given it back: it would expire by itself in minutes. A run that still works
    notices within a minute and begins nothing new; what it has begun goes on. Until then two runs may write, each only
    on what it has read: one that comes second is refused by Google, and plans anew.
    """
    from datetime import UTC, datetime

    from reconciler import lease
    from reconciler.cli import console, session
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    cloud.changing = True
    held = lease.standing(cloud, deployment)
    if held is None:
        click.echo(f"{deployment.name}: nobody holds it")
        return
    click.echo(f"{deployment.name}: {held.told(datetime.now(UTC))}")
    click.echo("A run that still works begins nothing new when it notices; what it has begun goes on.")
    console.agreed("Take it away?", yes=yes)
    lease.break_it(cloud, deployment)
    click.echo(f"{deployment.name}: nobody holds it any more")
