"""`status`: where the server is, whether it is healthy and in sync, what runs, what it costs."""

from __future__ import annotations

import json
from typing import Any, cast

import click

from reconciler.cli.options import on_sandbox, output_format, spec_argument


@click.command(name="status")
@spec_argument
@output_format
@on_sandbox
def command(spec: str, style: str, sandbox: bool) -> None:
    """Show URL, health, whether Google Cloud matches SPEC, versions and the estimated monthly cost."""
    from reconciler.cli import session
    from reconciler.pipeline import survey
    from reconciler.spec.load import load

    deployment = load(spec)
    cloud = session.connect(deployment, sandbox=sandbox)
    facts = _facts(deployment, cloud, survey(cloud, deployment))
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        label = key.replace("_", " ")
        click.echo(
            f"- **{label}**: {_worded(value)}"
            if style == "markdown"
            else f"{label:<{width}}  {_worded(value)}"
        )


def _facts(deployment: Any, cloud: Any, plan: Any) -> dict[str, Any]:
    from reconciler.cli.entry import local_url
    from reconciler.cli.ways_in import browser_way, python_way
    from reconciler.resources import run_migration, run_service, sqladmin_instance
    from reconciler.server.naming import names_of
    from reconciler.server.prices import monthly_estimate

    names = names_of(deployment, cloud.project_number)
    found = {change.ref: change.observed for change in plan.changes}
    service = found.get(run_service.ref(names))
    instance = found.get(sqladmin_instance.ref(names))
    migration = found.get(run_migration.ref(names))
    cost = monthly_estimate(deployment)
    return {
        "deployment": deployment.name,
        "project": deployment.project,
        "url": names.url,
        **({"on_this_machine": local_url(cloud, names)} if cloud.endpoint and service else {}),
        "deployed": service is not None,
        "healthy": bool(service and service.body.get("ready")),
        "in_sync": not plan.wanted,
        "differences": len(plan.wanted),
        "auth": deployment.auth.mode,
        "browser": browser_way(deployment.auth),
        "python": python_way(deployment.auth),
        **(
            {"administrator": deployment.auth.mlflow.admin_username}
            if deployment.auth.mode == "mlflow"
            else {}
        ),
        "mlflow": deployment.server.version,
        **_largest(deployment),
        "image": service.body.get("template.containers.image") if service else None,
        "database": instance.body.get("databaseVersion") if instance else None,
        "schema": migration.body.get("state") if migration else None,
        "cost_usd_per_month": round(sum(usd for _, usd in cost), 2),
        "cost": {item: round(usd, 2) for item, usd in cost},
    }


def _largest(deployment: Any) -> dict[str, int]:
    """The limit on artifacts, where there is one."""
    from reconciler.server import capacity, logins

    server = deployment.server
    limit = capacity.largest_artifact(
        capacity.mebibytes(deployment.memory),
        server.workers,
        job_runner=server.job_runner,
        streams=logins.streams(deployment.auth.mode, server.version)
        or deployment.artifacts.access == "direct",
    )
    return {} if limit is None else {"largest_artifact_mib": limit}


def _worded(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{item} ${usd:.2f}" for item, usd in cast("dict[str, float]", value).items())
    return "-" if value is None else str(value)
