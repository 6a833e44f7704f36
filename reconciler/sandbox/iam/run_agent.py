"""What Cloud Run's own agent may do in a project: pull images, and enter networks.

Enabling the API grants it `roles/run.serviceAgent` there, which is enough for everything in the same project.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.sandbox.iam import agents
from reconciler.sandbox.world import World

_PULLED: Final = re.compile(
    r"(?P<region>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/.+"
)


def address(world: World, project: str) -> str:
    """The agent's e-mail in a project."""
    known = world.projects.get(project)
    return agents.address_of(agents.agent_of("run.googleapis.com"), known.number if known else project)


def may(world: World, project: str, permission: str, resource: str) -> bool:
    """Whether the agent of *project* holds *permission* on *resource* ("projects/P/…"), or where that lies."""
    owner = "/".join(resource.split("/")[:2])
    member = f"serviceAccount:{address(world, project)}"
    return world.policies.allowed(member, permission, [resource, owner])


def refusal(world: World, project: str, image: str) -> str:
    """What Cloud Run says where its agent may not pull *image*, "" where it may; images of elsewhere are public."""
    found = _PULLED.fullmatch(image)
    if found is None:
        return ""
    owner, region = found["project"], found["region"]
    repository = f"projects/{owner}/locations/{region}/repositories/{found['repository']}"
    if may(world, project, "artifactregistry.repositories.downloadArtifacts", repository):
        return ""
    agent = address(world, project)
    text = (
        f"Google Cloud Run Service Agent {agent} must have permission to read the image, {image}. Ensure that the "
        "provided container image URL is correct and that the above account has permission to access the image. If "
        "you just enabled the Cloud Run API, the permissions might take a few minutes to propagate."
    )
    elsewhere = (
        f" Note that the image is from project [{owner}], which is not the same as this project [{project}]. "
        f"Permission must be granted to the Google Cloud Run Service Agent {agent} from this project."
    )
    return text if owner == project else text + elsewhere
