"""`sandbox`: a local Google Cloud that really runs what is deployed to it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

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
def start(port: int | None) -> None:
    """Start the sandbox in the background, if it does not run."""
    from reconciler.sandbox import control

    with _explained():
        started = control.start(port=port)
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


def _facts(running: Running) -> dict[str, Any]:
    return {**asdict(running), "home": str(running.home), "endpoint": running.endpoint}


@command.command()
@click.option("--project", help="The project gcloud works on; default: the newest in the sandbox.")
def env(project: str | None) -> None:
    """Print shell lines that make gcloud work on the sandbox: eval "$(mlflow-reconcile sandbox env)"."""
    from reconciler.sandbox import control

    with _explained():
        click.echo(control.env(project=project).rstrip())


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
