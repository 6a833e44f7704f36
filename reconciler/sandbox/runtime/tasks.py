"""Tasks of jobs: their containers started, waited for, cancelled."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.sandbox.runtime import containers
from reconciler.sandbox.runtime.container_log import ContainerLog, Identity
from reconciler.sandbox.runtime.containers import ContainerFailed, Running
from reconciler.sandbox.runtime.databases import Databases
from reconciler.sandbox.runtime.instances import start_all, stop_all
from reconciler.sandbox.runtime.resolve import Unresolved
from reconciler.sandbox.runtime.revision import Container, containers_of
from reconciler.sandbox.world import World


class Tasks:
    """The tasks that run."""

    def __init__(self, world: World, databases: Databases) -> None:
        self._world = world
        self._databases = databases
        self._found: dict[str, list[tuple[Running, Container]]] = {}

    def run(
        self,
        name: str,
        who: Identity,
        template: Mapping[str, Any],
        variables: Mapping[str, str],
        cancelled: Callable[[], bool],
    ) -> tuple[str, int]:
        """Run a task of a job to its end. Returns "" or why it failed, and its exit code.

        `name` is the task's full name; the log is that of `who`. `cancelled` is asked once the task can be found by
        `cancel`, so that a cancellation is seen by one of the two.
        """
        started: list[tuple[Running, Container]] = []
        self._found[name] = started
        log = ContainerLog(self._world, who)
        try:
            try:
                parts, volumes = start_all(
                    self._world, self._databases, who, template, variables, "Job", started
                )
            except (Unresolved, ContainerFailed) as error:
                log.write(str(error), "ERROR")
                return str(error), 0
            if cancelled():
                self.cancel(name)
            timeout = containers_of(template)[0].timeout
            in_time = _wait(parts, timeout)
            codes = stop_all(parts, volumes)
        finally:
            del self._found[name]
        return _verdict(log, parts, codes, timeout if not in_time else 0.0)

    def cancel(self, name: str) -> None:
        """End a task that runs."""
        for running, _ in list(self._found.get(name, ())):
            containers.stop(running)

    def running(self) -> list[Running]:
        """Every container of every task."""
        return [running for parts in list(self._found.values()) for running, _ in list(parts)]


def _verdict(
    log: ContainerLog, parts: list[tuple[Running, Container]], codes: list[int], late: float
) -> tuple[str, int]:
    """("" or why the task failed, its exit code); `late` is the time in which it did not end, or 0."""
    if late:
        text = f"Terminating task because it has reached the maximum timeout of {late:g} seconds."
        log.write(text, "ERROR")
        return "The configured timeout was reached.", codes[-1]
    if any(running.over_limit.is_set() for running, _ in parts):
        return "Memory limit exceeded.", codes[-1]
    code = next((code for code in codes if code != 0), 0)
    log.write(f"Container called exit({code}).", "ERROR" if code else "INFO")
    return (f"The container exited with an error: exit({code}).", code) if code else ("", 0)


def _wait(parts: list[tuple[Running, Container]], timeout: float) -> bool:
    """Wait for every container to end; False where one does not in time. One that fails ends the wait."""
    events = [running.group.exited for running, _ in parts]
    if len(events) == 1:
        return events[0].wait(timeout)
    over = threading.Event()

    def follow(running: Running) -> None:
        running.group.exited.wait()
        if running.group.process.returncode != 0 or all(event.is_set() for event in events):
            over.set()

    for running, _ in parts:
        threading.Thread(target=follow, args=(running,), name="task", daemon=True).start()
    return over.wait(timeout)
