"""What really runs: the databases, the instances of revisions, the tasks of jobs, and the ports of services."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.runtime import containers, front_door, images, pages, processes
from reconciler.sandbox.runtime.containers import ContainerFailed, Identity, Running
from reconciler.sandbox.runtime.databases import Databases
from reconciler.sandbox.runtime.folders import run_folder
from reconciler.sandbox.runtime.front_door import NotServing, Target
from reconciler.sandbox.runtime.processes import BoundedLog
from reconciler.sandbox.runtime.resolve import Unresolved, resolve
from reconciler.sandbox.runtime.revision import Container, container_of
from reconciler.sandbox.runtime.upstream import Pool
from reconciler.sandbox.world import Listening, Visit, World

SERVICE: Final = "run.service"
"""The store's kind of a service: {"resource": its v2 body, "localPort": its own port}."""
REVISION: Final = "run.revision"
"""The store's kind of a revision: {"resource": its v2 body}."""
FIRST_PORT: Final = 9480
_LAST_PORT: Final = 9679
_WATCH: Final = 1.0


class Engine:
    """The runtime of one sandbox. Its state is in the store; what is here are processes, ports and locks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.databases = Databases(world)
        self._instances: dict[str, tuple[Running, Container, Pool]] = {}
        self._tasks: dict[str, Running] = {}
        self._ports: dict[str, Listening] = {}
        self._starting: dict[str, Running] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._passwords: dict[str, str] = {}
        self._over = threading.Event()

    def prepare(self) -> None:
        """Clear away what an earlier sandbox left, and open the services' ports, before anybody can ask for them."""
        processes.end_left_overs(run_folder(self._world.home))
        self._remove_unused_images()
        for name, _ in self._world.store.list(SERVICE):
            port = self.open_port(name)
            self._world.store.update(SERVICE, name, lambda stored, port=port: {**stored, "localPort": port})

    def start(self) -> None:
        """Start what should run; returns at once."""
        threading.Thread(target=self._bring_up, name="bring up", daemon=True).start()
        threading.Thread(
            target=containers.watch, args=(_WATCH, self._everything, self._over), name="memory", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop every port, container and database."""
        self._over.set()
        for port in list(self._ports.values()):
            port.close()
        running = self._everything()
        stoppers = [threading.Thread(target=containers.stop, args=(one,)) for one in running]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
        self._instances.clear()
        self.databases.stop_all()

    def front_door(self, visit: Visit) -> None:
        """Answer a request for a *.run.app host."""
        for _, stored in self._world.store.list(SERVICE):
            resource = stored["resource"]
            hosts = {url.removeprefix("https://") for url in resource.get("urls", ())}
            if visit.host in hosts or visit.host.partition("---")[2] in hosts:
                front_door.answer(self._world, self, resource, visit)
                return
        pages.send(visit, pages.not_found(visit.target))

    def metadata(self, visit: Visit) -> None:
        """There is one metadata server for each container, at GCE_METADATA_HOST; this address serves none."""
        text = b"The sandbox serves metadata to containers only, at the address in GCE_METADATA_HOST.\n"
        visit.respond(404, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))], text)

    def services(self) -> list[dict[str, Any]]:
        """For the status page."""
        found: list[dict[str, Any]] = []
        for name, stored in self._world.store.list(SERVICE):
            parts, resource = name.split("/"), stored["resource"]
            condition = resource.get("terminalCondition", {}).get("state", "CONDITION_PENDING")
            found.append(
                {
                    "project": parts[1],
                    "region": parts[3],
                    "name": parts[5],
                    "url": resource["urls"][0],
                    "local_url": f"http://127.0.0.1:{stored['localPort']}" if stored.get("localPort") else "",
                    "state": condition.removeprefix("CONDITION_").lower(),
                }
            )
        return found

    def instances(self) -> list[dict[str, Any]]:
        """For the status page: the instances of Cloud SQL."""
        return self.databases.shown()

    def target(self, revision: str) -> Target:
        """A ready instance of the revision, started where none runs. Raises NotServing."""
        try:
            _, container, pool = self._ensure(revision)
        except (ContainerFailed, Unresolved) as error:
            raise NotServing(str(error)) from error
        return Target(pool, container.h2c, container.timeout)

    def note(self, revision: str, line: str) -> None:
        """A line of the platform's own in the revision's log."""
        self.log(revision.rpartition("/")[2]).write(line)

    def log(self, name: str) -> BoundedLog:
        """The log of a revision or a task."""
        return BoundedLog(self._world.home / "logs" / f"{name}.log")

    def start_revision(self, revision: str) -> None:
        """Start an instance of a new revision. Raises ContainerFailed or Unresolved, in Google's words."""
        self._ensure(revision)

    def stop_revision(self, revision: str) -> None:
        """Stop the revision's instance; nothing happens where none runs."""
        with self._lock(revision):
            known = self._instances.pop(revision, None)
        if known is not None:
            known[2].close()
            containers.stop(known[0])

    def run_task(
        self,
        name: str,
        who: Identity,
        template: Mapping[str, Any],
        variables: Mapping[str, str],
        cancelled: Callable[[], bool],
    ) -> tuple[str, int]:
        """Run a task of a job to its end. Returns "" or why it failed, and its exit code.

        `name` is the task's full name; the log is that of `who`. `cancelled` is asked once the task can be found by
        `cancel_task`, so that a cancellation is seen by one of the two.
        """
        container, where = container_of(template), (who.project, who.region)
        log = self.log(who.name)
        try:
            resolved = resolve(self._world, self.databases, where, container, container.image, "Job")
            running = containers.launch(self._world, who, container, resolved, variables, log)
        except (Unresolved, ContainerFailed) as error:
            log.write(str(error))
            return str(error), 0
        self._tasks[name] = running
        try:
            if cancelled():
                containers.stop(running)
            in_time = running.group.exited.wait(container.timeout)
            code = containers.stop(running)
        finally:
            del self._tasks[name]
        if not in_time:
            log.write(
                f"Terminating task because it has reached the maximum timeout of {container.timeout:g} seconds."
            )
            return "The configured timeout was reached.", code
        if running.over_limit.is_set():
            return "Memory limit exceeded.", code
        if code != 0:
            log.write(f"Container called exit({code}).")
            return f"The container exited with an error: exit({code}).", code
        return "", 0

    def cancel_task(self, name: str) -> None:
        """End a task that runs."""
        running = self._tasks.get(name)
        if running is not None:
            containers.stop(running)

    def open_port(self, service: str) -> int:
        """Give the service its own port on this machine; the one it had, unless somebody else took it. Returns it."""
        if service in self._ports:
            return self._ports[service].port
        stored = self._world.store.get(SERVICE, service) or {}
        taken = {one.get("localPort") for _, one in self._world.store.list(SERVICE)}
        free = [port for port in range(FIRST_PORT, _LAST_PORT) if port not in taken]
        for port in [stored["localPort"], *free] if stored.get("localPort") else free:
            if self._listen(service, port):
                return port
        return 0

    def close_port(self, service: str) -> None:
        """Take the service's port away."""
        port = self._ports.pop(service, None)
        if port is not None:
            port.close()

    def remember_password(self, key: str, password: str) -> None:
        """Keep a password that an operation is going to set: in memory only."""
        self._passwords[key] = password

    def forget_password(self, key: str) -> str | None:
        """The password that was kept, once; None where there is none, as after a restart."""
        return self._passwords.pop(key, None)

    def _listen(self, service: str, port: int) -> bool:
        def accept(visit: Visit) -> None:
            stored = self._world.store.get(SERVICE, service)
            if stored is None:
                pages.send(visit, pages.not_found(visit.target))
            else:
                front_door.answer(self._world, self, stored["resource"], visit)

        try:
            self._ports[service] = self._world.listen(port, accept)
        except OSError:
            return False
        return True

    def _ensure(self, revision: str) -> tuple[Running, Container, Pool]:
        with self._lock(revision):
            known = self._instances.get(revision)
            if known is not None and known[0].alive:
                return known
            if known is not None:
                known[2].close()
                containers.stop(known[0])
                del self._instances[revision]
            fresh = self._start(revision)
            self._instances[revision] = fresh
            return fresh

    def _start(self, revision: str) -> tuple[Running, Container, Pool]:
        stored = self._world.store.get(REVISION, revision)
        if stored is None or self._over.is_set():
            raise ContainerFailed(f"There is no revision {revision}.")
        container = container_of(stored["resource"])
        _, project, _, region, _, service, _, short = revision.split("/")
        known = self._world.projects.get(project)
        who = Identity(project, known.number if known else "", region, short)
        resolved = resolve(
            self._world, self.databases, (project, region), container, container.image, "Revision"
        )
        variables = {"PORT": "", "K_SERVICE": service, "K_REVISION": short, "K_CONFIGURATION": service}
        running = containers.launch(self._world, who, container, resolved, variables, self.log(short))
        self._starting[revision] = running
        try:
            containers.wait_until_ready(running, container)
        finally:
            del self._starting[revision]
        return running, container, Pool(running.port, h2c=container.h2c)

    def _bring_up(self) -> None:
        self.databases.start_all()
        for _, stored in self._world.store.list(SERVICE):
            resource = stored["resource"]
            ready = resource.get("latestReadyRevision")
            least = resource["template"].get("scaling", {}).get("minInstanceCount", 0)
            least = max(least, resource.get("scaling", {}).get("minInstanceCount", 0))
            if ready and least > 0 and not self._over.is_set():
                try:
                    self._ensure(ready)
                except (ContainerFailed, Unresolved) as error:
                    self.note(ready, str(error))

    def _everything(self) -> list[Running]:
        ready = [running for running, _, _ in list(self._instances.values())]
        return [*ready, *list(self._starting.values()), *list(self._tasks.values())]

    def _lock(self, revision: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(revision, threading.Lock())

    def _remove_unused_images(self) -> None:
        wanted = {body["digest"] for _, body in self._world.store.list("artifactregistry.version")}
        for _, stored in self._world.store.list(REVISION):
            wanted.update(stored.get("digests", ()))
        folder: Path = self._world.home / "images"
        for image in folder.iterdir() if folder.exists() else ():
            if image.is_dir() and f"sha256:{image.name}" not in wanted:
                images.remove(folder, image.name)


def open_runtime(world: World) -> Engine:
    """The runtime of a sandbox, with its ports open."""
    engine = Engine(world)
    engine.prepare()
    return engine


def engine_of(world: World) -> Engine:
    """The world's runtime, for the services that need more of it than the server does."""
    if not isinstance(world.runtime, Engine):
        raise TypeError("the sandbox runs without its runtime")
    return world.runtime
