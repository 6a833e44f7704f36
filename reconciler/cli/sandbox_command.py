"""`sandbox`: a local Google Cloud that really runs what is deployed to it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from reconciler import errors
from reconciler.cli.options import output_format

if TYPE_CHECKING:
    from reconciler.sandbox.control import Running


@contextmanager
def _explained() -> Generator[None]:
    from reconciler.sandbox.errors import SandboxError

    try:
        yield
    except SandboxError as error:
        raise errors.ReconcileError(error.message, way_out=error.way_out) from error


@click.group(name="sandbox")
def command() -> None:
    """Start, stop and look at the sandbox; nothing in it ever leaves this machine."""


@command.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The port to listen on; remembered. Default 9470."
)
@click.option(
    "--realistic",
    type=click.FloatRange(0),
    metavar="SPEED-UP",
    help="Let work take as long as on Google Cloud, divided by this; 0 ends it. Remembered.",
)
def start(port: int | None, realistic: float | None) -> None:
    """Start the sandbox in the background, if it does not run."""
    from reconciler.sandbox import control, tuning

    with _explained():
        started = control.start(port=port)
        if realistic is not None:
            tuning.hasten(realistic)
    running = started.running
    word = "runs already" if started.already else "runs"
    click.echo(f"The sandbox {word} at {running.endpoint} (pid {running.pid}, state in {running.home}).")


@command.command()
def stop() -> None:
    """Stop the sandbox and everything it started; what it holds is kept."""
    from reconciler.sandbox import control

    with _explained():
        stopped = control.stop()
    click.echo("The sandbox is stopped; its state is kept." if stopped else "No sandbox runs.")


@command.command()
@output_format
def status(style: str) -> None:
    """Show whether the sandbox runs, and what is deployed to it."""
    from reconciler.sandbox import control

    with _explained():
        running = control.status()
    if style == "json":
        click.echo(json.dumps(None if running is None else _facts(running), indent=2))
    elif running is None:
        click.echo("No sandbox runs. Start one with: mlflow-reconcile sandbox start")
    else:
        click.echo(f"The sandbox runs at {running.endpoint} (pid {running.pid}, state in {running.home}).")
        for service in running.services:
            click.echo(
                f"  {service['name']} ({service['state']}): {service['local_url']}  as {service['url']}"
            )
        for one in running.instances:
            served = (
                f", served by {one['served_by']}: psql -h {one['socket']} -U postgres"
                if one["socket"]
                else ""
            )
            click.echo(f"  {one['name']} ({one['state']}): {one['version']}{served}")


def _facts(running: Running) -> dict[str, Any]:
    return {**asdict(running), "home": str(running.home), "endpoint": running.endpoint}


@command.command()
@click.option("--project", help="The project gcloud works on; default: the newest in the sandbox.")
@click.option("--as", "member", metavar="MEMBER", help="Work as this one, such as user:me@acme.example.")
def env(project: str | None, member: str | None) -> None:
    """Print shell lines that make gcloud work on the sandbox: eval "$(mlflow-reconcile sandbox env)"."""
    from reconciler.sandbox import acting, control

    with _explained():
        lines = acting.env(member, project=project) if member else control.env(project=project)
        click.echo(lines.rstrip())


@command.command()
@click.argument("member")
def token(member: str) -> None:
    """Print an access token that makes its bearer MEMBER (user:…, group:… or serviceAccount:…) for an hour."""
    from reconciler.sandbox import acting

    with _explained():
        click.echo(acting.token(member))


@command.command()
@click.option("--member", help="Only what was asked about this one.")
@click.option("--forget", is_flag=True, help="Begin anew.")
@output_format
def permissions(*, member: str | None, forget: bool, style: str) -> None:
    """Show which permissions the sandbox asked for, of whom and on what: what a role for them must hold."""
    from reconciler.cli import sandbox_permissions
    from reconciler.sandbox import acting

    with _explained():
        if forget:
            acting.forget()
        asked = [one for one in acting.asked() if member in (None, one["member"])]
    click.echo(sandbox_permissions.shown(asked, style))


@command.command()
@output_format
def probe(*, style: str) -> None:
    """Ask the servers what Google's uptime checks ask, and show what alert policies see and whom they would tell."""
    from reconciler.cli import sandbox_probe
    from reconciler.sandbox import acting

    with _explained():
        found = acting.probe()
    click.echo(sandbox_probe.shown(found, style))


@command.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop the sandbox and forget everything in it."""
    from reconciler.cli.console import agreed
    from reconciler.sandbox import control

    agreed("Delete everything in the sandbox?", yes=yes)
    with _explained():
        control.reset()
    click.echo("The sandbox is empty.")


@command.command()
@click.argument("file", type=click.File(), required=False)
@click.option("--clear", is_flag=True, help="Everything at once and nothing in the way, as at first.")
def conditions(file: TextIO | None, clear: bool) -> None:
    """Show how the sandbox behaves, or make it behave as FILE (YAML) says: durations, faults, quotas, policies."""
    import yaml

    from reconciler.sandbox import tuning

    if file is not None and clear:
        raise click.UsageError("Give a FILE or --clear, not both.")
    with _explained():
        if file is not None:
            _behave(file)
        elif clear:
            tuning.behave({})
        document = tuning.conditions()
    click.echo(yaml.safe_dump(document, sort_keys=False).rstrip() if document else "{}  # nothing in the way")


def _behave(file: TextIO) -> None:
    from reconciler.sandbox import tuning

    try:
        tuning.behave(_mapping(file))
    except tuning.Refused as error:
        raise errors.SpecInvalid(f"{file.name}: {error.message}", way_out=error.way_out) from error


def _mapping(file: TextIO) -> dict[str, Any]:
    import yaml

    try:
        document: Any = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise errors.SpecInvalid(f"{file.name} is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise errors.SpecInvalid(f"{file.name} holds no mapping: the keys are explained in docs/sandbox.md.")
    return cast("dict[str, Any]", document)


@command.command()
@click.option("--last", default=20, show_default=True, help="How many calls to show; 0 for all.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@click.option("--method", default="*", metavar="PATTERN", help='Only these, such as "sqladmin.*".')
@click.option("--failed", is_flag=True, help="Only what was not answered with success.")
@click.option("--bodies", is_flag=True, help="Show what was sent and answered, too.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For a person, or one JSON object a line.",
)
def log(*, last: int, follow: bool, method: str, failed: bool, bodies: bool, style: str) -> None:
    """Show the API calls that the sandbox was asked, and what it answered; secrets are masked."""
    from reconciler.cli import sandbox_log
    from reconciler.sandbox import home

    wanted = sandbox_log.Wanted(method, failed)
    show = sandbox_log.as_json if style == "json" else sandbox_log.as_text
    for entry in sandbox_log.entries(home.default_home() / "logs", wanted, last, follow=follow):
        click.echo(show(entry, bodies=bodies))
