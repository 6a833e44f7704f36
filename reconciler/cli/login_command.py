"""`login`: the settings that let a client or a browser in. The one command that prints a password, because asked to."""

from __future__ import annotations

import shlex

import click

from reconciler.cli.options import on_sandbox, spec_argument


@click.command(name="login")
@spec_argument
@on_sandbox
def command(spec: str, sandbox: bool) -> None:
    """Print shell lines for MLflow's client: eval "$(mlflow-reconcile login SPEC)". Shows the password."""
    from reconciler.cli import entry, session
    from reconciler.spec.deployment import PASSWORD_MODES
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    way = entry.enter(cloud, deployment)
    settings = {"MLFLOW_TRACKING_URI": way.local_url or way.names.url}
    if deployment.auth.mode in PASSWORD_MODES:
        settings |= {"MLFLOW_TRACKING_USERNAME": way.username, "MLFLOW_TRACKING_PASSWORD": way.password}
    elif deployment.auth.mode == "iam":
        settings["MLFLOW_TRACKING_TOKEN"] = entry.identity_token(cloud, way.names.url)
    for name, value in settings.items():
        click.echo(f"export {name}={shlex.quote(value)}")
