"""`adopt --from`: the spec of a deployment that somebody made by hand."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli.typed import as_typed
from reconciler.discovery.find import Place, find
from reconciler.discovery.parts import Parts
from reconciler.spec.finding import Finding

SHAPE = "PROJECT or PROJECT/REGION/SERVICE"


def write_found(file: str, place: str, *, instance: str, bucket: str, only_show: bool, sandbox: bool) -> None:
    """Find what stands at *place*, and write the spec of it to *file*; *only_show* prints it instead.

    Raises `SpecInvalid` where the spec needs somebody's word before it is one; it is written all the same.
    """
    from reconciler.cli import session
    from reconciler.discovery.describe import describe
    from reconciler.discovery.fit import fit

    target = Path(file)
    if target.exists() and not only_show:
        raise errors.ReconcileError(
            f"{file} exists, and was not touched",
            way_out="Name a new file. To adopt what an existing spec describes, leave out --from.",
        )
    where = _place(place)
    parts = find(session.connect_to(where.project, sandbox=sandbox), where, instance=instance, bucket=bucket)
    said = describe(parts)
    findings = fit(said)
    if only_show:
        click.echo(said.text(), nl=False)
    else:
        with target.open("x", encoding="utf-8") as out:
            out.write(said.text())
        click.echo(_told(parts))
        click.echo(f"Wrote {file}, and changed nothing else.")
    if findings:
        raise _unfinished(findings)
    if not only_show:
        spec = shlex.quote(file)
        click.echo(
            as_typed(
                f"Next: read it, then\n"
                f"  mlflow-reconcile adopt {spec}   marks them as this deployment's, and changes nothing else\n"
                f"  mlflow-reconcile plan {spec}    then shows what is to change, each line with its reason"
            )
        )


def _place(text: str) -> Place:
    parts = text.strip("/").split("/")
    if len(parts) not in (1, 3) or not all(parts):
        raise click.BadParameter(f"{text!r} is not {SHAPE}.", param_hint="--from")
    return Place(*parts)


def _told(parts: Parts) -> str:
    url = parts.service.get("uri", "")
    folder = f"/{parts.folder}" if parts.folder else ""
    return (
        f"Found in project {parts.project}:\n"
        f"  service   {parts.name} in {parts.region}: {url}\n"
        f"  instance  {parts.instance['name']}: {parts.how['instance']}\n"
        f"  database  {parts.database}: {parts.how['database']}\n"
        f"  user      {parts.user}: {parts.how['user']}\n"
        f"  bucket    {parts.bucket['name']}{folder}: {parts.how['bucket']}"
    )


def _unfinished(findings: Sequence[Finding]) -> errors.SpecInvalid:
    listed = "\n".join(
        f"- {one.key}: {one.message}{f' ({one.way_out})' if one.way_out else ''}" for one in findings
    )
    return errors.SpecInvalid(
        f"the spec is not finished:\n{listed}",
        way_out="Mend these in the file; then: mlflow-reconcile validate.",
    )
