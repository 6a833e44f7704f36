"""`login`: the settings that let a client or a browser in. The one command that prints a password, because asked to."""

from __future__ import annotations

import shlex

import click

from reconciler.cli.options import on_sandbox, spec_argument

SERVERLESS = "CLOUD_RUN_TOKEN"
"""The token for Cloud Run where MLflow's own variables hold the login behind it."""


@click.command(name="login")
@spec_argument
@on_sandbox
def command(spec: str, sandbox: bool) -> None:
    """Print shell lines for MLflow's client: eval "$(mlflow-reconcile login SPEC)". Shows the password."""
    from reconciler.cli import entry, session, tokens
    from reconciler.cli.ways_in import python_way
    from reconciler.spec.auth import PASSWORD_MODES
    from reconciler.spec.load import load

    deployment = load(spec)
    auth = deployment.auth
    cloud = session.connect(deployment, sandbox=sandbox)
    way = entry.enter(cloud, deployment)
    settings = {"MLFLOW_TRACKING_URI": way.local_url or way.names.url}
    if auth.mode in PASSWORD_MODES:
        settings |= {"MLFLOW_TRACKING_USERNAME": way.username, "MLFLOW_TRACKING_PASSWORD": way.password}
    if auth.asks_iam or (auth.mode == "iap" and tokens.account_for(auth)):
        variable = tokens.GIVEN if auth.mode in {"iam", "iap"} else SERVERLESS
        settings[variable] = tokens.token_for(cloud, auth, way.names.url)
    if not auth.public:
        click.echo(f"# {python_way(auth)}")
    for name, value in settings.items():
        click.echo(f"export {name}={shlex.quote(value)}")
