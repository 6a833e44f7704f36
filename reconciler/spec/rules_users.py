"""Rules about MLflow's own users: the version that has them, and what checking their passwords takes."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.server import capacity, passwords, versions
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

STEPS = (512, 1024, 2048, 4096, 8192, 16384, 32768)
"""Sizes of memory to propose, in MiB."""


def version_has_users(deployment: Deployment) -> Iterator[Problem]:
    """The schema of users is migrated by its revision, which older versions do not note."""
    version = deployment.server.version
    if passwords.kept(deployment) and versions.numbers(version) < versions.numbers(passwords.SINCE):
        message = f"mlflow needs MLflow {passwords.SINCE} or newer: {version} cannot tell which schema its users have"
        ways = (f'server.version: "{versions.NEWEST}"', "choose mode basic")
        yield Problem(("auth.mode", "server.version"), message, ways)


def passwords_fit(deployment: Deployment) -> Iterator[Problem]:
    """There is memory to check as many passwords at a time as connections allow, whoever sends them."""
    server, memory = deployment.server, capacity.mebibytes(deployment.memory)
    usual = capacity.memory_needed(server.workers, job_runner=server.job_runner)
    checks = passwords.memory(deployment)
    needed = usual + checks
    if not usual <= memory < needed:
        return  # too little even without users is another rule's finding
    pool = f"(pool_size {server.pool_size} + pool_overflow {server.pool_overflow})"
    message = (
        f"{deployment.memory} is too little for mode mlflow: {usual}Mi for the server and {checks}Mi to check "
        f"passwords, workers {server.workers} × {pool} × {passwords.CHECK}Mi"
    )
    ways = [f"memory: {capacity.quantity(next(step for step in STEPS if step >= needed))}"]
    most = (memory - usual) // (server.workers * passwords.CHECK)
    ways.append(
        f"server.pool_size: {most - 1} and server.pool_overflow: 1" if most >= 2 else "choose mode basic"
    )
    yield Problem(("memory", "auth.mode", "server.pool_size", "server.workers"), message, tuple(ways))


RULES = (version_has_users, passwords_fit)
