"""`validate`: schema and rules, offline, without Google's libraries."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from reconciler.cli.options import output_format, specs_argument
from reconciler.errors import Exit


@click.command(name="validate")
@specs_argument
@output_format
@click.pass_context
def command(context: click.Context, specs: tuple[str, ...], style: str) -> None:
    """Check each SPEC (or every spec of a folder) and report everything that is wrong at once."""
    from reconciler.spec.files import spec_files
    from reconciler.spec.finding import Finding
    from reconciler.spec.load import read

    findings: list[Finding] = []
    names: dict[str, str] = {}
    for path in spec_files(specs):
        deployment, found = read(path)
        findings += found
        if deployment is not None:
            names[path] = deployment.name
    wrong = [finding for finding in findings if finding.severity == "error"]
    if style == "json":
        click.echo(
            json.dumps({"valid": not wrong, "findings": [asdict(finding) for finding in findings]}, indent=2)
        )
    else:
        for finding in findings:
            click.echo(f"- {finding}" if style == "markdown" else str(finding), err=style == "text")
        for path, name in names.items():
            click.echo(f"{path}: {name} is valid.")
    if wrong:
        context.exit(Exit.SPEC)
