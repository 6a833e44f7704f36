"""What a container needs from the rest of the cloud, fetched with the rights of its service account."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.sandbox.iam import run_agent
from reconciler.sandbox.networking import egress
from reconciler.sandbox.registry import resolve_image
from reconciler.sandbox.runtime import images, samples, secret_access
from reconciler.sandbox.runtime.databases import Databases
from reconciler.sandbox.runtime.images import Image
from reconciler.sandbox.runtime.revision import Container
from reconciler.sandbox.runtime.secret_access import Denied
from reconciler.sandbox.world import World


class Unresolved(Exception):
    """Something is missing or not allowed; the text is what Cloud Run says of it.

    *status* is the gRPC name that its operation ends with, *reason* a common reason of the API's conditions, or "".
    """

    def __init__(self, text: str, status: str = "INTERNAL", reason: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Resolved:
    """Everything fetched."""

    image: Image
    env: Mapping[str, str]
    files: Mapping[tuple[str, str], bytes]
    """By mount path and path below it."""
    sockets: Mapping[str, Path]
    """Connection name -> the folder with PostgreSQL's socket; only what the account may connect to, and reaches."""
    warnings: tuple[str, ...] = ()
    """What the platform writes into the container's log before it starts."""


def pinned(world: World, reference: str) -> str | None:
    """The reference by digest; None where neither the registry nor Google's own samples have it."""
    return resolve_image(world, reference) or samples.pinned(world.home / "images", reference)


def find_image(world: World, reference: str) -> Image:
    """The image behind a reference. Raises Unresolved, in Google's words, where the registry has none."""
    named = pinned(world, reference)
    found = images.load(world.home / "images", named.rpartition("@")[2]) if named else None
    if found is None:
        raise Unresolved(f"Image '{reference}' not found.", "NOT_FOUND", "CONTAINER_MISSING")
    return found


def resolve(
    world: World, databases: Databases, where: tuple[str, str], container: Container, image: str, owner: str
) -> Resolved:
    """Fetch what a container in `where` (project and region) needs. `owner` is "Revision" or "Job", for the messages.

    Raises Unresolved.
    """
    project, region = where
    if container.unsupported:
        raise Unresolved(f"The sandbox does not emulate {container.unsupported}.")
    member = f"serviceAccount:{container.account}"
    try:
        payloads = secret_access.read(world, project, container, owner)
    except Denied as error:
        raise Unresolved(str(error), "PERMISSION_DENIED", "SECRETS_ACCESS_CHECK_FAILED") from error
    refused = "" if samples.published(image) else run_agent.refusal(world, project, image)
    if refused:
        raise Unresolved(refused, "PERMISSION_DENIED", "CONTAINER_PERMISSION_DENIED")
    found = find_image(world, image)
    network = reached_network(world, project, region, container.vpc_access)
    sockets: dict[str, Path] = {}
    warnings: list[str] = []
    for name in dict.fromkeys(name for names in container.sql_mounts.values() for name in names):
        place = _socket(world, databases, member, name)
        address = databases.private_address(name, network) if place is not None else ""
        if address:
            warnings.append(
                "Cloud SQL connection failed. Please see https://cloud.google.com/sql/docs/postgres/connect-run for "
                f'additional details: couldn\'t connect to "{name}": dial tcp {address}:3307: i/o timeout'
            )
        elif place is not None:
            sockets[name] = place
    return Resolved(found, payloads.env, payloads.files, sockets, tuple(warnings))


def reached_network(world: World, project: str, region: str, access: Mapping[str, Any]) -> str:
    """The full name of the network that a template's `vpcAccess` leads into, or "". Raises Unresolved."""
    try:
        return egress.network_of(world, project, region, access)
    except egress.Unreachable as error:
        raise Unresolved(str(error), "FAILED_PRECONDITION", "VPC_NETWORK_NOT_FOUND") from error


def _socket(world: World, databases: Databases, member: str, name: str) -> Path | None:
    """The socket's folder; None without the right to connect, or without the instance: then nothing is there."""
    project, _, rest = name.partition(":")
    region, _, instance = rest.partition(":")
    about = f"projects/{project}/instances/{instance}"
    # The proxy asks for the instance's certificate, and then for one of its own.
    for permission in ("cloudsql.instances.get", "cloudsql.instances.connect"):
        if not world.policies.allowed(member, permission, [f"projects/{project}"], about):
            return None
    where = databases.running(project, instance)
    named = databases.cluster(project, region, instance)
    return where.sockets if where is not None and where.sockets == named.sockets else None
