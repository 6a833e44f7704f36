"""`validate`: schema and rules, offline, without Google's libraries."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from reconciler.cli.options import output_format, specs_argument
from reconciler.errors import Exit
from reconciler.spec.values import Reading


@click.command(name="validate")
@specs_argument
@click.option(
    "--merged", is_flag=True, help="Print each spec as it is meant, bases merged and variables filled in."
)
@output_format
@click.pass_context
def command(context: click.Context, specs: tuple[str, ...], merged: bool, style: str) -> None:
    """Check each SPEC (or every spec of a folder) and report everything that is wrong at once.

    A spec that extends another one is printed as the two of them mean it.
    """
    from reconciler.spec.files import spec_files
    from reconciler.spec.finding import Finding
    from reconciler.spec.load import look
    from reconciler.spec.show import plain, shown

    findings: list[Finding] = []
    valid: dict[str, Reading] = {}
    for path in spec_files(specs):
        seen = look(path)
        findings += seen.findings
        if seen.deployment is not None and seen.reading is not None:
            valid[path] = seen.reading
    wrong = [finding for finding in findings if finding.severity == "error"]
    if style == "json":
        click.echo(
            json.dumps(
                {
                    "valid": not wrong,
                    "findings": [asdict(finding) for finding in findings],
                    "merged": {path: plain(reading) for path, reading in valid.items()},
                },
                indent=2,
            )
        )
    else:
        for finding in findings:
            click.echo(f"- {finding}" if style == "markdown" else str(finding), err=style == "text")
        for path, reading in valid.items():
            click.echo(f"{path}: {plain(reading)['name']} is valid.")
            if merged or len(reading.files) > 1:
                text = shown(reading)
                click.echo(f"```yaml\n{text}```" if style == "markdown" else text)
    if wrong:
        context.exit(Exit.SPEC)
