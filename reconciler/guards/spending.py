"""Whether a plan spends what its own budget does not hold: nobody has to be asked for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from reconciler.change import Action, Change
from reconciler.guards.obstacle import Obstacle, Question
from reconciler.spec.deployment import Deployment
from reconciler.spec.rules_monitoring import idle_fits_the_budget

COSTLY: Final = {
    "sqladmin.instance": (
        "settings.tier",
        "settings.edition",
        "settings.availabilityType",
        "settings.dataDiskSizeGb",
    ),
    "run.service": ("template.scaling.minInstanceCount", "template.containers.resources."),
    "vpcaccess.connector": ("machineType", "minInstances"),
}
"""What runs whether or not anybody uses it, and the fields that its price hangs on."""


def questions(deployment: Deployment, changes: Iterable[Change]) -> Iterator[Question]:
    """One, where something that costs is begun or changed. What is there already may stay, and go."""
    if any(_costs(change) for change in changes):
        yield partial(_over, deployment)


def _over(deployment: Deployment) -> Iterator[Obstacle]:
    for problem in idle_fits_the_budget(deployment):
        where = deployment.origin(problem.keys[0])
        yield Obstacle(f"a budget of {problem.message} ({where})", f"Write {', or '.join(problem.ways_out)}.")


def _costs(change: Change) -> bool:
    fields = COSTLY.get(change.ref.kind)
    if fields is None or change.action in {Action.KEEP, Action.DELETE}:
        return False
    return change.action is not Action.UPDATE or any(f.field.startswith(fields) for f in change.fields)
