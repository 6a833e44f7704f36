"""Instances of revisions: started with all their containers, kept alive, restarted, and stopped when nobody asks."""

import contextlib
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.sandbox.runtime import containers, probes, processes
from reconciler.sandbox.runtime.bucket_mirror import Unmountable
from reconciler.sandbox.runtime.container_log import ContainerLog, Identity, identity
from reconciler.sandbox.runtime.containers import ContainerFailed, Running
from reconciler.sandbox.runtime.databases import Databases
from reconciler.sandbox.runtime.front_door import Crowded
from reconciler.sandbox.runtime.resolve import Unresolved, resolve
from reconciler.sandbox.runtime.revision import Container, containers_of
from reconciler.sandbox.runtime.upstream import Pool
from reconciler.sandbox.runtime.volumes import Volumes
from reconciler.sandbox.world import World

SERVICE: Final = "run.service"
"""The store's kind of a service: {"resource": its v2 body, "localPort": its own port}."""
REVISION: Final = "run.revision"
"""The store's kind of a revision: {"resource": its v2 body}."""
IDLE_SECONDS: Final = 900.0
"""How long an instance may be idle before it is stopped, as Cloud Run does "within 15 minutes"."""
PENDING_SECONDS: Final = 10.0
"""How long a request waits for room in an instance before it is turned away, as on Cloud Run."""
_RESTART_SECONDS: Final = 10.0


@dataclass
class Instance:
    """The containers of one instance, started in this order; requests go to the entrance."""

    parts: list[tuple[Running, Container]]
    pool: Pool
    volumes: Volumes
    used: float = field(default_factory=time.monotonic)
    busy: int = 0

    @property
    def container(self) -> Container:
        """The container that requests go to."""
        return next(container for _, container in self.parts if container.entrance)

    @property
    def alive(self) -> bool:
        """Whether all its containers are there: one that ends, ends the instance."""
        return all(running.alive for running, _ in self.parts)

    def gone(self, seconds: float) -> bool:
        """Whether one of its containers ends within so many seconds; one that has ended has."""
        share = seconds / len(self.parts)
        return any(running.group.exited.wait(share) for running, _ in self.parts)

    def stop(self) -> None:
        """Stop every container, the last one started first."""
        self.pool.close()
        stop_all(self.parts, self.volumes)


def start_all(
    world: World,
    databases: Databases,
    who: Identity,
    template: Mapping[str, Any],
    variables: Mapping[str, str],
    owner: str,
    started: list[tuple[Running, Container]],
) -> tuple[list[tuple[Running, Container]], Volumes]:
    """Start the containers of a template, each once those before it are ready; returns them and what they share.

    What has been started so far is in `started`, too. Raises ContainerFailed or Unresolved, with all of them stopped.
    """
    found = containers_of(template)
    where = (who.project, who.region)
    resolved = [resolve(world, databases, where, one, one.image, owner) for one in found]
    volumes = Volumes(world)
    try:
        _open(volumes, template, ContainerLog(world, who))
        for container, fetched in zip(found, resolved, strict=True):
            log = ContainerLog(world, who, container.name if len(found) > 1 else "")
            # PORT is the entrance's alone; the others listen where they like.
            given = {name: value for name, value in variables.items() if value or container.entrance}
            running = containers.launch(world, who, container, fetched, given, log, volumes.folder)
            started.append((running, container))
            # A job's own container is waited for to its end; what only stands by it must be there before.
            if owner == "Revision" or not container.entrance:
                containers.wait_until_ready(running, container)
    except (ContainerFailed, Unresolved):
        stop_all(started, volumes)
        raise
    return started, volumes


def _open(volumes: Volumes, template: Mapping[str, Any], log: ContainerLog) -> None:
    try:
        volumes.open(template, lambda text: log.write(text, "WARNING"))
    except Unmountable as error:
        text = f"Application failed to start: {error}"
        log.write(text, "ERROR")
        raise ContainerFailed(text) from error


def stop_all(parts: list[tuple[Running, Container]], volumes: Volumes) -> list[int]:
    """Stop containers, the last one started first; their exit codes in the order of their start."""
    codes = [containers.stop(running) for running, _ in reversed(parts)]
    volumes.close()
    return codes[::-1]


class Instances:
    """The instances of every revision: one at most for each, which takes the requests that all may take."""

    def __init__(self, world: World, databases: Databases, over: threading.Event) -> None:
        self._world = world
        self._databases = databases
        self._over = over
        self._found: dict[str, Instance] = {}
        self._starting: dict[str, list[tuple[Running, Container]]] = {}
        self._failed: dict[str, float] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._admitted: dict[str, int] = {}
        self._room = threading.Condition()
        self._guard = threading.Lock()
        self.idle_seconds = IDLE_SECONDS
        self.pending_seconds = PENDING_SECONDS

    def ensure(self, revision: str) -> Instance:
        """The revision's instance, started where none runs. Raises ContainerFailed or Unresolved."""
        with self._lock(revision):
            known = self._found.get(revision)
            if known is not None and known.alive:
                return known
            if known is not None:
                self._bury(revision, known)
            fresh = self._start(revision)
            self._found[revision] = fresh
        self._watch(revision, fresh)
        return fresh

    def stop(self, revision: str) -> None:
        """Stop the revision's instance; nothing happens where none runs."""
        with self._lock(revision):
            known = self._found.pop(revision, None)
        if known is not None:
            known.stop()

    def running(self) -> list[Running]:
        """Every container of every instance, also of those that are being started."""
        parts = [part for one in list(self._found.values()) for part in one.parts]
        parts += [part for started in list(self._starting.values()) for part in list(started)]
        return [running for running, _ in parts]

    def clear(self) -> None:
        """Forget all of them; what they were is stopped already."""
        for one in self._found.values():
            one.pool.close()
            one.volumes.close()
        self._found.clear()

    @contextlib.contextmanager
    def admitted(self, revision: str) -> Generator[None]:
        """Hold room for one request to the revision. Raises Crowded where none comes free in time."""
        most = self._capacity(revision)
        with self._room:
            if not self._room.wait_for(lambda: self._admitted.get(revision, 0) < most, self.pending_seconds):
                raise Crowded
            self._admitted[revision] = self._admitted.get(revision, 0) + 1
        try:
            yield
        finally:
            with self._room:
                self._admitted[revision] -= 1
                self._room.notify_all()
            if known := self._found.get(revision):
                known.used = time.monotonic()

    def tend(self) -> None:
        """Stop what has been idle for long, and start again what died and must run. Called again and again."""
        for revision, one in list(self._found.items()):
            least = self._least(revision)
            if not one.alive and least == 0:
                with self._lock(revision):
                    if self._found.get(revision) is one:
                        self._bury(revision, one)
            elif (
                not one.alive
                and time.monotonic() - self._failed.get(revision, -_RESTART_SECONDS) >= _RESTART_SECONDS
            ):
                self._restart(revision)
            elif self._is_idle(revision, one) and least == 0:
                self.stop(revision)

    def _is_idle(self, revision: str, one: Instance) -> bool:
        return self._admitted.get(revision, 0) == 0 and time.monotonic() - one.used > self.idle_seconds

    def _restart(self, revision: str) -> None:
        def again() -> None:
            try:
                self.ensure(revision)
            except (ContainerFailed, Unresolved):
                self._failed[revision] = time.monotonic()

        self._failed[revision] = time.monotonic()
        threading.Thread(target=again, name=f"restart {revision}", daemon=True).start()

    def _bury(self, revision: str, dead: Instance) -> None:
        """Put a dead instance away, and say in its log how it died."""
        for running, _ in dead.parts:
            if not running.alive and not running.over_limit.is_set() and not running.shut_down.is_set():
                code = running.group.process.returncode
                text = (
                    f"Container called exit({code})."
                    if code >= 0
                    else f"Container terminated on signal {-code}."
                )
                running.log.write(text)
        self._found.pop(revision, None)
        dead.stop()

    def _start(self, revision: str) -> Instance:
        stored = self._world.store.get(REVISION, revision)
        if stored is None or self._over.is_set():
            raise ContainerFailed(f"There is no revision {revision}.")
        who = identity(self._world, revision)
        service, short = who.resource["service_name"], who.name
        variables = {"PORT": "", "K_SERVICE": service, "K_REVISION": short, "K_CONFIGURATION": service}
        started: list[tuple[Running, Container]] = []
        self._starting[revision] = started
        try:
            parts, volumes = start_all(
                self._world, self._databases, who, stored["resource"], variables, "Revision", started
            )
        finally:
            del self._starting[revision]
        running, entrance = next(part for part in parts if part[1].entrance)
        return Instance(list(parts), Pool(running.port, h2c=entrance.h2c), volumes)

    def _watch(self, revision: str, instance: Instance) -> None:
        """Make the liveness probes of the instance's containers until it ends."""
        for running, container in instance.parts:
            if container.liveness is not None:
                arguments = (revision, running, container)
                threading.Thread(
                    target=self._check, args=arguments, name=f"liveness {revision}", daemon=True
                ).start()

    def _check(self, revision: str, running: Running, container: Container) -> None:
        probe = container.liveness
        if probe is None:
            return

        def noted(failures: int) -> None:
            text = probes.words("LIVENESS", probe, container, f"failed {failures} times consecutively")
            running.log.write(f"{text}.")

        if probes.fails(probe, running.port, running.group.exited, noted) and not self._over.is_set():
            text = probes.words("LIVENESS", probe, container, f"failed {probe.failures} times consecutively")
            running.shut_down.set()
            running.log.write(f"{text}. The instance has been shut down.", "ERROR")
            processes.kill(running.group)
            self._restart(revision)

    def _capacity(self, revision: str) -> int:
        """How many requests at once all instances that the revision may have would take."""
        resource = (self._world.store.get(REVISION, revision) or {}).get("resource", {})
        concurrency = resource.get("maxInstanceRequestConcurrency", 80)
        most = resource.get("scaling", {}).get("maxInstanceCount", 100)
        service = self._world.store.get(SERVICE, revision.partition("/revisions/")[0]) or {"resource": {}}
        scaling: Mapping[str, Any] = service["resource"].get("scaling", {})
        limits = [scaling[key] for key in ("maxInstanceCount", "manualInstanceCount") if scaling.get(key)]
        return concurrency * min([most, *limits])

    def _least(self, revision: str) -> int:
        """How many instances the revision keeps when nobody asks for it."""
        stored = self._world.store.get(SERVICE, revision.partition("/revisions/")[0])
        known = self._world.store.get(REVISION, revision)
        return least(stored["resource"], known["resource"]) if stored and known else 0

    def _lock(self, revision: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(revision, threading.Lock())


def least(service: Mapping[str, Any], template: Mapping[str, Any]) -> int:
    """How many instances a revision with this template keeps: the manual count, its own minimum, or its service's."""
    scaling: Mapping[str, Any] = service.get("scaling", {})
    if scaling.get("scalingMode") == "MANUAL":
        return int(scaling.get("manualInstanceCount", 0))
    own = template.get("scaling", {}).get("minInstanceCount", 0)
    return max(own, scaling.get("minInstanceCount", 0))
