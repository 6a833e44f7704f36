"""The secrets that a container asks for, read with the rights of its service account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.revision import Container, SecretRef
from reconciler.sandbox.secrets.secret_names import SECRET
from reconciler.sandbox.secrets.secret_versions import access_payload
from reconciler.sandbox.world import World

SPECS: Final = {"Revision": "spec.template.spec", "Job": "spec.template.spec.template.spec"}
"""Where v1 has the containers of a revision and of a job, in whose terms Cloud Run says what is wrong."""


class Denied(Exception):
    """Secrets that cannot be read; the text has a line for each, in Cloud Run's words."""


@dataclass(frozen=True)
class Payloads:
    """What was read."""

    env: Mapping[str, str]
    files: Mapping[tuple[str, str], bytes]
    """By mount path and path below it."""


def read(world: World, project: str, container: Container, owner: str) -> Payloads:
    """Read every secret of a container. `owner` is "Revision" or "Job". Raises Denied."""
    member = f"serviceAccount:{container.account}"
    spec = f"{SPECS[owner]}.containers[{container.number}]"
    env: dict[str, str] = {}
    files: dict[tuple[str, str], bytes] = {}
    wrong: list[str] = []
    for name, ref in container.secret_env.items():
        place = f"{spec}.env[{container.variables.index(name)}].value_from.secret_key_ref.name"
        payload = _payload(world, project, member, ref, owner)
        if isinstance(payload, str):
            wrong.append(f"{place}: {payload}")
        else:
            env[name] = payload.decode()
    for file in container.secret_files:
        payload = _payload(world, project, member, file.ref, owner)
        if isinstance(payload, str):
            wrong.append(f"{SPECS[owner]}.volumes[{file.mount}].secret.items[{file.path}]: {payload}")
        else:
            files[file.mount, file.path] = payload
    if wrong:
        raise Denied("\n".join(dict.fromkeys(wrong)))
    return Payloads(env, files)


def _payload(world: World, project: str, member: str, ref: SecretRef, owner: str) -> bytes | str:
    """The payload, or why it cannot be read."""
    named, identity = project, ref.secret
    if ref.secret.startswith("projects/"):
        named, identity = ref.secret.split("/")[1], ref.secret.split("/")[3]
    known = world.projects.get(named)
    number = known.number if known else named
    project_id = known.project_id if known else named
    shown = f"projects/{number}/secrets/{identity}/versions/{ref.version}"
    resource = f"projects/{project_id}/secrets/{identity}"
    places = [resource, f"projects/{project_id}"]
    if not world.policies.allowed(member, "secretmanager.versions.access", places):
        return (
            f"Permission denied on secret: {shown} for {owner} service account {member.partition(':')[2]}. The service "
            "account used must be granted the 'Secret Manager Secret Accessor' role "
            "(roles/secretmanager.secretAccessor) at the secret, project or higher level."
        )
    if world.store.get(SECRET, resource) is None:
        return f"Secret {shown} was not found"
    try:
        return access_payload(world, project_id, identity, ref.version)
    except ApiError as error:
        return f"Secret {shown} cannot be read: {error.message}"
