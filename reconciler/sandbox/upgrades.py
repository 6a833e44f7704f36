"""What the state of an older version lacks, made good when the sandbox starts with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.iam import agents
from reconciler.sandbox.world import World


def upgrade(world: World) -> None:
    """Bring the world's state to this version's format; nothing happens to one that has it.

    Raises SandboxError for the state of a newer version, which nobody here can read.
    """
    with world.store.transaction():
        found = world.store.format_number
        if found > len(_STEPS):
            raise SandboxError(
                f"{world.home} holds the state of a newer version of the sandbox.",
                "Use that version, or forget what it holds: mlflow-reconcile sandbox reset",
            )
        for step in _STEPS[found:]:
            step(world)
        if found < len(_STEPS):
            world.store.format_number = len(_STEPS)


def _agents_have_their_roles(world: World) -> None:
    """Before roles counted for anything, enabling an API granted its agent nothing: no image could be pulled."""
    for project in world.projects.list():
        for service in world.projects.enabled_services(project.project_id):
            agents.welcome(world.policies, project.project_id, project.number, service)


_STEPS: Final[tuple[Callable[[World], None], ...]] = (_agents_have_their_roles,)
"""From format 0 on; a change of what is stored adds one at the end. Steps may find their work done already: a new
world passes all of them."""
