"""The sandbox's process: builds the world, opens the port, and sorts requests by what they are for."""

from __future__ import annotations

import importlib.util
import json
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from reconciler.sandbox import admin
from reconciler.sandbox.errors import SandboxError, body, not_emulated
from reconciler.sandbox.home import LOG, claim
from reconciler.sandbox.iam import accounts, custom_roles, federation, oauth
from reconciler.sandbox.iam.identities import Identities
from reconciler.sandbox.iam.policies import Policies, Surroundings
from reconciler.sandbox.operations import Operations
from reconciler.sandbox.projects import Projects
from reconciler.sandbox.runtime import sign_in
from reconciler.sandbox.scheduling import ticker
from reconciler.sandbox.source import fingerprint
from reconciler.sandbox.store import Store
from reconciler.sandbox.upgrades import upgrade
from reconciler.sandbox.weather import faults
from reconciler.sandbox.weather.conditions import Conditions
from reconciler.sandbox.web import batch, tls
from reconciler.sandbox.web.dispatch import Apis, load_services
from reconciler.sandbox.web.front import Front
from reconciler.sandbox.web.journal import Journal
from reconciler.sandbox.web.wire import Listener
from reconciler.sandbox.world import Runtime, Visit, World, timestamp, utc_now

FOLDERS: Final = ("objects", "images", "logs", "tls", "run", "keys")
METADATA: Final = ("metadata.google.internal", "metadata", "169.254.169.254")
LOCAL: Final = ("127.0.0.1", "localhost", "[::1]", "sandbox")
CHECK: Final = "MLFLOW_RECONCILE_SANDBOX_CHECK"
ENGINE: Final = "reconciler.sandbox.runtime.engine"


def build_world(home: Path, port: int) -> World:
    """The world of *home*, as its state.db remembers it."""
    for folder in FOLDERS:
        (home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    _claim(home)
    store = Store(home / "state.db")
    conditions = Conditions(store, utc_now)

    def now() -> str:
        return timestamp(utc_now())

    projects = Projects(store, now)
    world = World(
        home=home,
        port=port,
        store=store,
        projects=projects,
        identities=Identities(store, home / "keys", utc_now),
        policies=Policies(
            store,
            lambda email: accounts.bindable(store, projects, conditions, email, utc_now()),
            _around(store, projects, conditions),
        ),
        operations=Operations(store, now, _output(home), lambda: faults.pace(conditions)),
        conditions=conditions,
        listen=Listener,
    )
    upgrade(world)
    return world


def _around(store: Store, projects: Projects, conditions: Conditions) -> Surroundings:
    """What the policies of this sandbox have around them."""

    def number(project: str) -> str:
        known = projects.get(project)
        return known.number if known is not None else ""

    return Surroundings(
        forbids=conditions.forbids,
        delay=lambda: conditions.propagation("policies"),
        number=number,
        role_exists=lambda role: custom_roles.usable(store, projects, role),
        permissions=lambda role: custom_roles.permissions(store, role),
        clock=utc_now,
    )


class Server:
    """A running sandbox. `serve` returns when somebody asked it to stop."""

    def __init__(self, world: World, *, strict: bool) -> None:
        self._world = world
        self.port = world.port
        self._stop = threading.Event()
        self._source = fingerprint()
        self._authority = tls.Authority(world.home / "tls")
        journal = Journal(world.home / "logs", world.now)
        catalog, methods = load_services(world)
        self._front = Front(world, Apis(world, catalog, methods, strict, journal.write))

    def serve(self, ready: Callable[[], None]) -> None:
        """Open the port, bring up what should run, call *ready*, and serve until stopped.

        Raises SandboxError where the port is taken.
        """
        world = self._world
        self._authority.prepare()
        world.runtime = open_runtime(world)
        try:
            listener = Listener(world.port, self._accept, self._tunnel)
        except OSError as error:
            raise SandboxError(
                f"Port {world.port} is taken.",
                "Choose another one: mlflow-reconcile sandbox start --port N (it is remembered).",
            ) from error
        # Port 0 asks for any free one; from here on everybody needs to know which it is.
        world.port = self.port = listener.port
        world.operations.resume()
        if world.runtime is not None:
            world.runtime.start()
        ticker.start(world, self._stop)
        ready()
        self._stop.wait()
        listener.close()
        if world.runtime is not None:
            world.runtime.stop()
        world.operations.join(2.0)
        world.store.close()

    def stop(self) -> None:
        """Ask the server to end; returns at once. May be called from a signal."""
        self._stop.set()

    def _accept(self, visit: Visit) -> None:
        world = self._world
        if visit.host.endswith(".run.app"):
            self._run(visit, "a Cloud Run service", lambda runtime: runtime.front_door(visit))
        elif visit.host in METADATA:
            self._run(visit, "the metadata server", lambda runtime: runtime.metadata(visit))
        elif not _ours(visit.host):
            # A name that somebody points at 127.0.0.1 must not become a way in for a web page.
            _refuse(
                visit, f"This is a sandbox: it stands in for Google Cloud and does not serve {visit.host}."
            )
        elif visit.header("origin") is not None:
            _refuse(visit, "The sandbox's APIs are not for web pages.")
        elif visit.target.startswith(admin.PREFIX):
            admin.answer(world, visit, self._source, self.stop)
        elif oauth.serves(visit):
            oauth.answer(world, visit)
        elif sign_in.serves(visit):
            sign_in.answer(world, visit)
        elif federation.serves(visit):
            federation.answer(world, visit)
        elif batch.serves(visit):
            batch.answer(visit, self._front.answer)
        else:
            self._front.answer(visit)

    def _run(self, visit: Visit, what: str, serve: Callable[[Runtime], None]) -> None:
        runtime = self._world.runtime
        if runtime is None:
            _refuse(visit, f"The sandbox has nothing that runs {what}.", 404)
        else:
            serve(runtime)

    def _tunnel(self, host: str, port: int) -> ssl.SSLContext | None:
        return self._authority.context(host) if port == 443 and tls.serves(host) else None


def _claim(home: Path) -> None:
    """Hold *home* for as long as this process lives: two sandboxes on one state would corrupt it."""
    if claim(home) is None:
        raise SandboxError(f"A sandbox already runs on {home}.", "Stop it, or choose another --home.")


def _output(home: Path) -> str:
    """Where this process writes what went wrong: the path of its log where it was started with one."""
    log = home / LOG
    try:
        return str(log) if os.path.samestat(os.fstat(2), log.stat()) else "what it printed"
    except OSError:
        return "what it printed"


def open_runtime(world: World) -> Runtime | None:
    """What really runs; None where the runtime is not installed."""
    if importlib.util.find_spec(ENGINE) is None:
        return None
    engine = cast("Any", importlib.import_module(ENGINE))
    return engine.open_runtime(world)


def _ours(host: str) -> bool:
    return host in LOCAL or tls.serves(host) or host.endswith(".sandbox")


def _refuse(visit: Visit, text: str, status: int = 403) -> None:
    error = not_emulated(visit.method, visit.target.partition("?")[0])
    error.status, error.message = status, text
    visit.respond(status, [admin.JSON], json.dumps(body("", error)).encode())
