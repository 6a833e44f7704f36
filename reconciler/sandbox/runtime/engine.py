"""What really runs: the databases, the instances of revisions, the tasks of jobs, and the ports of services."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.runtime import containers, front_door, images, pages, processes
from reconciler.sandbox.runtime.container_log import ContainerLog, Identity, file_log, identity
from reconciler.sandbox.runtime.containers import ContainerFailed, Running
from reconciler.sandbox.runtime.databases import Databases
from reconciler.sandbox.runtime.folders import run_folder
from reconciler.sandbox.runtime.front_door import NotServing, Target
from reconciler.sandbox.runtime.instances import REVISION, SERVICE, Instances, least
from reconciler.sandbox.runtime.processes import BoundedLog
from reconciler.sandbox.runtime.resolve import Unresolved
from reconciler.sandbox.runtime.tasks import Tasks
from reconciler.sandbox.world import Listening, Visit, World

FIRST_PORT: Final = 9480
_LAST_PORT: Final = 9679
_WATCH: Final = 1.0


class Engine:
    """The runtime of one sandbox. Its state is in the store; what is here are processes, ports and locks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.databases = Databases(world)
        self._over = threading.Event()
        self.serving = Instances(world, self.databases, self._over)
        self.tasks = Tasks(world, self.databases)
        self._ports: dict[str, Listening] = {}
        self._passwords: dict[str, str] = {}

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
        watched: dict[str, Callable[[], None]] = {
            "memory": self._enforce_memory,
            "serving": self.serving.tend,
        }
        for name, work in watched.items():
            arguments = (_WATCH, work, self._over)
            threading.Thread(target=containers.watch, args=arguments, name=name, daemon=True).start()

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
        self.serving.clear()
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
                    "url": next(iter(resource.get("urls", ())), ""),
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
            instance = self.serving.ensure(revision)
        except (ContainerFailed, Unresolved) as error:
            raise NotServing(str(error)) from error
        return Target(instance.pool, instance.container.h2c, instance.container.timeout, instance.gone)

    def admitted(self, revision: str) -> AbstractContextManager[None]:
        """Room for one request to the revision. Raises Crowded where none comes free in time."""
        return self.serving.admitted(revision)

    def note(self, revision: str, line: str) -> None:
        """A line of the platform's own in the revision's log."""
        ContainerLog(self._world, identity(self._world, revision)).write(line, "ERROR")

    def log(self, name: str) -> BoundedLog:
        """The file of the log of a revision or a task."""
        return file_log(self._world, name)

    def start_revision(self, revision: str) -> None:
        """Start an instance of a new revision. Raises ContainerFailed or Unresolved, in Google's words."""
        self.serving.ensure(revision)

    def stop_revision(self, revision: str) -> None:
        """Stop the revision's instance; nothing happens where none runs."""
        self.serving.stop(revision)

    def run_task(
        self,
        name: str,
        who: Identity,
        template: Mapping[str, Any],
        variables: Mapping[str, str],
        cancelled: Callable[[], bool],
    ) -> tuple[str, int]:
        """Run a task of a job to its end: Tasks.run."""
        return self.tasks.run(name, who, template, variables, cancelled)

    def cancel_task(self, name: str) -> None:
        """End a task that runs."""
        self.tasks.cancel(name)

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

    def _bring_up(self) -> None:
        self.databases.start_all()
        for _, stored in self._world.store.list(SERVICE):
            resource = stored["resource"]
            ready = resource.get("latestReadyRevision")
            known = self._world.store.get(REVISION, ready) if ready else None
            if known and least(resource, known["resource"]) > 0 and not self._over.is_set():
                try:
                    self.serving.ensure(ready)
                except (ContainerFailed, Unresolved) as error:
                    self.note(ready, str(error))

    def _enforce_memory(self) -> None:
        for running in self._everything():
            containers.enforce_memory(running)

    def _everything(self) -> list[Running]:
        return [*self.serving.running(), *self.tasks.running()]

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
