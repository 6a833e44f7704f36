"""`plan`: what apply would do, and nothing else; `plan show`: the same again, out of a sealed plan."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.options import on_sandbox, output_format, spec_argument
from reconciler.cli.typed import as_typed


@click.command(name="show")
@click.argument("plan", type=click.Path())
@output_format
@click.pass_context
def show(context: click.Context, plan: str, style: str) -> None:
    """Show the sealed plan in the file PLAN as it was reviewed, and whether its spec is still the same; offline.

    Exits like the `plan` that made it, 6 where apply would refuse the file: damaged, not a plan, or its spec has
    changed. Whether Google Cloud has changed, apply finds out.
    """
    from reconciler import sealed
    from reconciler.cli import console, sealed_report
    from reconciler.errors import Exit

    seal = sealed.read(plan)
    sealed_report.show(seal, style)
    changed = sealed.state_of_spec(seal) == sealed.CHANGED
    context.exit(Exit.STALE if changed else console.exit_code(seal.plan))


class _OrShow(click.Command):
    """A command on a spec, unless its first argument is `show`; a spec of that name is called ./show."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of whichever of the two is meant."""
        if args[:1] == ["show"]:
            return show.make_context(f"{info_name} show", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(name="plan", cls=_OrShow)
@spec_argument
@output_format
@on_sandbox
@click.option(
    "--out", type=click.Path(), help="Also seal the plan into a file, for apply to carry out exactly."
)
@click.pass_context
def command(context: click.Context, spec: str, style: str, sandbox: bool, out: str | None) -> None:
    """Show what has to change for SPEC to come true. Exits 2 where something has to, 5 where a guard forbids it.

    `mlflow-reconcile plan show PLAN` shows what was sealed with --out.
    """
    from reconciler import sealed
    from reconciler.cli import console, session
    from reconciler.guards import together
    from reconciler.pipeline import survey
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    plan = together.foreseen(cloud, deployment, survey(cloud, deployment))
    console.show(plan, style)
    if out:
        sealed.save(plan, out)
        click.echo(as_typed(f"Sealed into {out}; carry it out with: mlflow-reconcile apply {out}"), err=True)
    context.exit(console.exit_code(plan))
