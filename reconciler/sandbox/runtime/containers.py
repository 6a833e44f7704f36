"""Running containers: one process group with its metadata server, started, probed, watched and stopped."""

import contextlib
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime import metadata, probes, processes
from reconciler.sandbox.runtime.container_log import ContainerLog, Identity
from reconciler.sandbox.runtime.environments import InstallError
from reconciler.sandbox.runtime.folders import instance_folder, sql_view
from reconciler.sandbox.runtime.launch import Places, prepare
from reconciler.sandbox.runtime.processes import Group, StartError
from reconciler.sandbox.runtime.resolve import Resolved
from reconciler.sandbox.runtime.revision import Container
from reconciler.sandbox.world import Listening, World


class ContainerFailed(Exception):
    """A container did not come up; the text is what Cloud Run says of it."""


@dataclass(frozen=True)
class Running:
    """A container that was started."""

    group: Group
    port: int
    log: ContainerLog
    memory: int
    """Its limit, in bytes."""
    server: Listening
    folder: Path
    over_limit: threading.Event = field(default_factory=threading.Event)
    """Set when it held more memory than it may."""
    shut_down: threading.Event = field(default_factory=threading.Event)
    """Set when the platform ended it for another reason, and said so in its log."""

    @property
    def alive(self) -> bool:
        """Whether its first process is there."""
        return not self.group.exited.is_set()


def launch(
    world: World,
    who: Identity,
    container: Container,
    resolved: Resolved,
    variables: Mapping[str, str],
    log: ContainerLog,
    shared: Path | None = None,
) -> Running:
    """Start a container. `variables` are K_SERVICE and its like; PORT is added where they ask for one with "".

    `shared` is where the volumes of its instance are; its own folder where there is none. Raises
    ContainerFailed where there is nothing to start.
    """
    for warning in resolved.warnings:
        log.write(warning)
    folder = instance_folder(world.home, secrets.token_hex(3))
    folder.mkdir(mode=0o711)
    port = free_port()
    subject = metadata.Subject(container.account, who.project, who.number, who.region)
    server = world.listen(0, metadata.server(world, subject))
    try:
        places = Places(folder, _mounts(folder, container, resolved, shared or folder / "volumes"))
        given = {name: value or str(port) for name, value in variables.items()}
        platform = {**given, **network(world, server.port)}
        start = prepare(resolved.image, container, resolved.env, platform, places, log.write)
        output = (log.printed, log.complained)
        group = processes.start(start.arguments, start.env, start.cwd, folder, *output)
    except (StartError, InstallError, SandboxError, OSError) as error:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
        log.write(f"Application failed to start: {error}", "ERROR")
        raise ContainerFailed(f"Application failed to start: {error}") from error
    return Running(group, port, log, container.memory, server, folder)


def wait_until_ready(running: Running, container: Container) -> None:
    """Make the startup probe. Raises ContainerFailed, with the container stopped, when it does not pass."""
    probe = container.probe
    if probe is None:
        return
    began = time.monotonic()
    if probes.passes(probe, running.port, running.group.exited):
        tries = _times(int((time.monotonic() - began) // probe.period) + 1, "attempt")
        running.log.write(probes.words("STARTUP", probe, container, f"succeeded after {tries}") + ".", "INFO")
        return
    died = running.group.exited.is_set()
    code = stop(running)
    if died:
        running.log.write(f"Container called exit({code}).")
    else:
        text = probes.words(
            "STARTUP", probe, container, f"failed {_times(probe.failures, 'time')} consecutively"
        )
        running.log.write(f"{text}. The instance was not started.", "ERROR")
    if probe.kind != "tcp" and not died:
        raise ContainerFailed(
            "The user-provided container failed the configured startup probe checks. "
            "Logs for this revision might contain more information."
        )
    raise ContainerFailed(
        "The user-provided container failed to start and listen on the port defined provided by the "
        f"PORT={container.port} environment variable within the allocated timeout. This can happen when the container "
        "port is misconfigured or if the timeout is too short. The health check timeout can be extended. "
        "Logs for this revision might contain more information."
    )


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def stop(running: Running, grace: float = processes.GRACE) -> int:
    """Stop a container and remove its files; returns the exit code of its first process."""
    code = processes.stop(running.group, grace)
    running.server.close()
    shutil.rmtree(running.folder, ignore_errors=True)
    return code


def enforce_memory(running: Running) -> None:
    """Kill the container where it holds more than its limit, and say so as Cloud Run does."""
    used = processes.memory(running.group)
    if used > running.memory and running.alive:
        running.over_limit.set()
        limit, mebi = running.memory // 1024**2, used // 1024**2
        running.log.write(
            f"Memory limit of {limit} MiB exceeded with {mebi} MiB used. Consider increasing the memory limit, "
            "see https://cloud.google.com/run/docs/configuring/memory-limits",
            "ERROR",
        )
        processes.kill(running.group)


def network(world: World, metadata_port: int) -> dict[str, str]:
    """What stands for Google's network inside a container: the sandbox as proxy, and the metadata server.

    LISTEN_ADDRESS asks an image that knows it to listen on this machine alone: in Cloud Run nobody reaches a container
    but through the front door.
    """
    proxy = f"http://127.0.0.1:{world.port}"
    authority = str(world.home / "tls" / "ca.pem")
    address = f"127.0.0.1:{metadata_port}"
    local = "127.0.0.1,localhost"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": local,
        "no_proxy": local,
        "REQUESTS_CA_BUNDLE": authority,
        "SSL_CERT_FILE": authority,
        "GCE_METADATA_HOST": address,
        "GCE_METADATA_IP": address,
        "GCE_METADATA_ROOT": address,
        "LISTEN_ADDRESS": "127.0.0.1",
    }


def watch(every: float, work: Callable[[], None], over: threading.Event) -> None:
    """Do `work`, which looks after what runs, every so many seconds until `over` is set."""
    while not over.wait(every):
        with contextlib.suppress(OSError):
            work()


def _mounts(folder: Path, container: Container, resolved: Resolved, shared: Path) -> dict[str, Path]:
    """Lay out what is mounted: sockets of databases, files of secrets, what is shared below `shared`."""
    mounts: dict[str, Path] = {}
    for mount in container.sql_mounts:
        view = sql_view(folder)
        view.mkdir(exist_ok=True)
        for name, sockets in resolved.sockets.items():
            link = view / name
            if not link.is_symlink():
                link.symlink_to(sockets)
        mounts[mount] = view
    for mount, below in container.shared_mounts.items():
        mounts[mount] = shared / below
        mounts[mount].mkdir(parents=True, exist_ok=True)
    for number, mount in enumerate(sorted({file.mount for file in container.secret_files})):
        place = folder / "mounts" / str(number)
        place.mkdir(parents=True)
        mounts[mount] = place
    for file in container.secret_files:
        target = mounts[file.mount] / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(resolved.files[file.mount, file.path])
    return mounts


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
