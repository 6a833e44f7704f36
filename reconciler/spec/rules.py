"""What the schema cannot say: rules over the whole deployment.

A rule is a function that yields problems, each with the two cheapest ways out. Rules see only the deployment,
so they hold for any source of one; where a key stands is found afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from reconciler.server import reserved, versions
from reconciler.server.naming import DEPLOYMENT_LABEL, MANAGED_BY
from reconciler.spec import (
    rules_artifacts,
    rules_auth,
    rules_capacity,
    rules_database,
    rules_lifecycle,
    rules_monitoring,
    rules_networking,
    rules_oidc,
    rules_storage,
    rules_users,
)
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.regions import REGIONS, nearest

MLFLOW_PACKAGES = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})

Rule = Callable[[Deployment], Iterator[Problem]]


def instances_fit(deployment: Deployment) -> Iterator[Problem]:
    """The fewest instances are not more than the most."""
    least, most = deployment.scaling.min_instances, deployment.scaling.max_instances
    if least > most:
        yield Problem(
            ("scaling.min_instances", "scaling.max_instances"),
            f"{least} is more than max_instances ({most})",
            (f"min_instances: {most}", f"max_instances: {least}"),
        )


def region_is_known(deployment: Deployment) -> Iterator[Problem]:
    """An unheard-of region is probably misspelt; but Google opens new ones, so it is only a warning."""
    if deployment.region not in REGIONS:
        near = nearest(deployment.region)
        yield Problem(
            ("region",),
            f"{deployment.region} is not a Cloud Run region that this version knows",
            (f"did you mean {near}?",) if near else ("gcloud run regions list prints them",),
            "warning",
        )


def version_is_known(deployment: Deployment) -> Iterator[Problem]:
    """MLflow's version installs and is not known to fail."""
    version = deployment.server.version
    if why := versions.objection(version):
        yield Problem(
            ("server.version",), f"{version} cannot be used: {why}", (f'write "{versions.NEWEST}"',)
        )
    elif version != versions.NEWEST:
        message = f"{version} works, but only {versions.NEWEST} is tested with this version of the program"
        yield Problem(("server.version",), message, (f'write "{versions.NEWEST}"',), "warning")


def environment_is_free(deployment: Deployment) -> Iterator[Problem]:
    """The extra environment sets nothing that is derived, reserved or secret."""
    for name, value in deployment.server.env.items():
        key = f"server.env.{name}"
        if why := reserved.objection(name):
            source = reserved.DERIVED.get(name)
            ways = (f"set {source} instead",) if source else ()
            yield Problem((key,), why, (*ways, "remove it"))
        elif value and reserved.looks_secret(name):
            yield Problem(
                (key,),
                "looks like a secret, and everybody who may view the project can read it there",
                ("keep it in Secret Manager and read it from your code", "rename it if it is none"),
                "warning",
            )


def secrets_are_free(deployment: Deployment) -> Iterator[Problem]:
    """No secret takes the place of what is derived, nor two of them the same place."""
    server = deployment.server
    for name in server.secrets:
        key = f"server.secrets.{name}"
        if why := reserved.objection(name):
            yield Problem((key,), why, ("choose another name", "remove it"))
        elif name in server.env:
            message = "is in server.env as well, and a variable has one value"
            yield Problem((key, f"server.env.{name}"), message, ("remove one of the two",))
    folders: dict[str, str] = {}
    for path in server.secret_files:
        folder = path.rpartition("/")[0]
        if first := folders.setdefault(folder, path) != path and folders[folder]:
            message = f"is in the folder of {first}, and Cloud Run mounts one secret in a folder"
            yield Problem((f"server.secret_files.{path}",), message, ("choose another folder",))


def packages_differ(deployment: Deployment) -> Iterator[Problem]:
    """A package is asked for in one version, and MLflow's own is the business of another key."""
    seen: dict[str, str] = {}
    for position, package in enumerate(deployment.server.pip):
        name = re.split(r"[\[=]", package)[0].lower().replace("_", "-").replace(".", "-")
        key = f"server.pip.{position}"
        if name in MLFLOW_PACKAGES:
            yield Problem((key,), f"{name} has a key of its own", ("set server.version", "remove it"))
        elif name in seen:
            yield Problem((key,), f"asks for {name} again, after {seen[name]}", ("keep one of the two",))
        seen.setdefault(name, package)


def labels_are_free(deployment: Deployment) -> Iterator[Problem]:
    """The two labels that mark a resource as ours are not the user's."""
    for own in (MANAGED_BY[0], DEPLOYMENT_LABEL):
        if own in deployment.labels:
            message = "is how mlflow-reconcile recognises its own resources"
            yield Problem((f"labels.{own}",), message, ("choose another key", "remove it"))


def job_runner_keeps_running(deployment: Deployment) -> Iterator[Problem]:
    """Background jobs live in the instance: without CPU they stall, without an instance they are lost."""
    scaling = deployment.scaling
    if not deployment.server.job_runner:
        return
    if scaling.min_instances < 1:
        message = "true loses its jobs when the last instance stops"
        ways = ("scaling.min_instances: 1", "job_runner: false")
        yield Problem(("server.job_runner", "scaling.min_instances"), message, ways)
    if not scaling.cpu_always_on:
        message = "true stalls between requests, when Cloud Run takes the CPU away"
        ways = ("scaling.cpu_always_on: true", "job_runner: false")
        yield Problem(("server.job_runner", "scaling.cpu_always_on"), message, ways)


RULES: tuple[Rule, ...] = (
    *rules_auth.RULES,
    instances_fit,
    region_is_known,
    version_is_known,
    environment_is_free,
    secrets_are_free,
    packages_differ,
    labels_are_free,
    job_runner_keeps_running,
    *rules_capacity.RULES,
    *rules_database.RULES,
    *rules_lifecycle.RULES,
    *rules_networking.RULES,
    *rules_oidc.RULES,
    *rules_storage.RULES,
    *rules_users.RULES,
    *rules_artifacts.RULES,
    *rules_monitoring.RULES,
)


def problems(deployment: Deployment) -> Iterator[Problem]:
    """Everything the rules have to say about *deployment*."""
    for rule in RULES:
        yield from rule(deployment)
