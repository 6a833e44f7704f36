"""`verify`: prove that a user can work."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from reconciler.cli.options import on_sandbox, output_format, spec_argument


@click.command(name="verify")
@spec_argument
@click.option("--read-only", is_flag=True, help="Leave out the checks that write a run and an artifact.")
@output_format
@on_sandbox
def command(spec: str, read_only: bool, style: str, sandbox: bool) -> None:
    """Log in to the server of SPEC as a user would, write a run and a 33 MiB artifact, read them back, clean up."""
    from reconciler import verify
    from reconciler.cli import entry, session
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    checks: list[verify.Check] = []
    for check in verify.verify(entry.target(cloud, deployment), write=not read_only):
        checks.append(check)
        if style == "text":
            sign = "ok  " if check.passed else "FAIL"
            if check.skipped:
                click.echo(f"skip {check.name}: {check.detail}")
            else:
                click.echo(f"{sign} {check.name} ({check.seconds:.1f} s)")
        elif style == "markdown":
            click.echo(
                f"- {':white_check_mark:' if check.passed else ':x:'} {check.name} {check.detail}".rstrip()
            )
    if style == "json":
        click.echo(
            json.dumps(
                {"passed": all(c.passed for c in checks), "checks": [asdict(c) for c in checks]}, indent=2
            )
        )
    verify.refuse_if_failed(checks)
