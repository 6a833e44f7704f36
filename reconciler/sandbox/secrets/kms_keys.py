"""Keys of Cloud KMS as other services use them: whether one is there, in the right place, and open to an agent."""

from __future__ import annotations

import re
from typing import Final

from reconciler.sandbox.iam import agents
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

RING: Final = "cloudkms.keyRing"
KEY: Final = "cloudkms.cryptoKey"
NAME: Final = re.compile(r"projects/([^/]+)/locations/([^/]+)/keyRings/([^/]+)/cryptoKeys/([^/]+)")
_USES: Final = (
    "cloudkms.cryptoKeyVersions.useToEncrypt",
    "cloudkms.cryptoKeyVersions.useToDecrypt",
)


def plain(world: World, name: str) -> str:
    """*name* with its project's id, where it was written with the number."""
    _, project, *rest = name.split("/")
    known = world.projects.find(project)
    return "/".join(["projects", known.project_id if known else project, *rest])


def find(world: World, name: str) -> Body | None:
    """The key of that full name."""
    return world.store.get(KEY, plain(world, name))


def location_of(name: str) -> str:
    """The location in a key's full name: "europe-west1"; "" where it is no key's name."""
    found = NAME.fullmatch(name)
    return found[2] if found else ""


def open_to(world: World, name: str, project_id: str, service: str) -> bool:
    """Whether the agent of *service* ("storage.googleapis.com") in a project may encrypt and decrypt with the key."""
    key = plain(world, name)
    known = world.projects.get(project_id)
    if known is None or world.store.get(KEY, key) is None:
        return False
    member = f"serviceAccount:{agents.address_of(agents.agent_of(service), known.number)}"
    parts = key.split("/")
    places = [key, "/".join(parts[:6]), "/".join(parts[:2])]
    return all(world.policies.allowed(member, use, places) for use in _USES)
