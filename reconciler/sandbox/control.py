"""Starting, stopping and asking a sandbox, for the command line. Standard library only; nothing here prints.

A sandbox belongs to its home folder: two starts on one home make one sandbox. Everything raises SandboxError with a
message and a way out.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from reconciler.sandbox import contact
from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.home import (
    HOME_VARIABLE,
    LOCK,
    LOG,
    PORT,
    REMEMBERED,
    claim,
    default_home,
    empty,
    remember,
    remembered_port,
    starting,
)
from reconciler.sandbox.source import fingerprint

STATE: Final = "state.db"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Running:
    """A sandbox that answers."""

    home: Path
    port: int
    pid: int
    projects: tuple[str, ...]
    """Their ids, the newest last."""
    services: tuple[Mapping[str, Any], ...]
    """Each with "project", "region", "name", "url", "local_url" and "state"."""
    source: str
    """The fingerprint of the code that it runs."""
    instances: tuple[Mapping[str, Any], ...] = ()
    """Of Cloud SQL, each with "project", "region", "name", "version", "served_by", "state" and "socket"."""

    @property
    def endpoint(self) -> str:
        """What MLFLOW_RECONCILE_ENDPOINT must be."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Started:
    """What start did: *already* where a sandbox ran before."""

    running: Running
    already: bool


def start(home: Path | None = None, port: int | None = None, project: str | None = None) -> Started:
    """Make sure that a sandbox runs on *home*, with *project* in it, and wait until it answers.

    One that runs other code than this, such as what was here before an update, is started anew; it keeps its state.
    *port*: the one given, else the one it had last, else 9470. Raises SandboxError.
    """
    home = (home or default_home()).absolute()
    with starting(home):
        running = status(home)
        if running is None:
            return Started(_spawn(home, port or remembered_port(home), project), already=False)
        if port is not None and port != running.port:
            text = f"The sandbox of {home} already runs on port {running.port}."
            raise SandboxError(text, "Stop it first (sandbox stop), or leave --port out.")
        current = running.source == fingerprint()
        if not current:
            _end(running)
            running = _spawn(home, running.port, None)
    if project is not None and project not in running.projects:
        add_project(running, project)
        running = status(home) or running
    return Started(running, already=current)


def status(home: Path | None = None) -> Running | None:
    """The sandbox of *home*, or None where none answers."""
    home = (home or default_home()).absolute()
    answer = contact.ask(remembered_port(home), "GET", "/sandbox/v1/status")
    if answer is None or answer.get("home") != str(home.resolve()):
        return None
    projects = cast("list[str]", answer["projects"])
    services = cast("list[dict[str, Any]]", answer["services"])
    return Running(
        home,
        int(answer["port"]),
        int(answer["pid"]),
        tuple(projects),
        tuple(services),
        str(answer.get("source", "")),
        tuple(cast("list[dict[str, Any]]", answer.get("instances", []))),
    )


def stop(home: Path | None = None) -> bool:
    """Stop the sandbox of *home* and what it runs, and wait until it is gone; False where nothing ran.

    Where the sandbox itself was killed, what it left running is ended.
    """
    home = (home or default_home()).absolute()
    running = status(home)
    if running is None:
        return _end_left_overs(home)
    if not _end(running):
        _end_left_overs(home)
    return True


def _end(running: Running) -> bool:
    """Stop a sandbox that answers; False where it had to be killed, which leaves what it runs."""
    contact.ask(running.port, "POST", "/sandbox/v1/stop")
    if contact.gone(running.pid, STOP_SECONDS):
        return True
    # It had its time; its state survives a kill.
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    if not contact.gone(running.pid, 5.0):
        raise SandboxError(
            f"The sandbox (process {running.pid}) does not end.", f"Look at {running.home / LOG}."
        )
    return False


def _end_left_overs(home: Path) -> bool:
    """End what a killed sandbox left running; False where there is nothing, or a sandbox that does not answer."""
    if not (home / STATE).exists():
        return False
    # Imported here alone: nothing else of the command line needs what runs.
    from reconciler.sandbox.runtime import left_overs

    with starting(home):
        claimed = claim(home)
        if claimed is None:
            return False
        try:
            return left_overs.end(home)
        finally:
            os.close(claimed)


def reset(home: Path | None = None) -> bool:
    """Stop the sandbox and forget all it knows; the port is remembered. False where there was nothing."""
    home = (home or default_home()).absolute()
    stop(home)
    if not home.exists() or not any(entry.name != LOCK for entry in home.iterdir()):
        return False
    if not (home / STATE).exists() and not (home / REMEMBERED).exists():
        raise SandboxError(f"{home} is not a sandbox's folder.", f"Set {HOME_VARIABLE} to the right one.")
    port = remembered_port(home)
    # Imported here alone: nothing else of the command line needs what runs.
    from reconciler.sandbox.runtime import left_overs

    with starting(home):
        left_overs.clear(home)
        empty(home)
    if port != PORT:
        remember(home, port)
    return True


def add_project(running: Running, project: str) -> None:
    """Create *project* in a running sandbox; nothing happens where it exists. Raises SandboxError."""
    answer = contact.ask(running.port, "POST", "/sandbox/v1/projects", {"projectId": project})
    if answer is None or "error" in answer:
        error = cast("dict[str, str]", (answer or {}).get("error") or {})
        said = error.get("message", "it does not answer.")
        raise SandboxError(f"The sandbox cannot create the project: {said}", "Choose another project id.")


def environment(running: Running, project: str | None = None) -> dict[str, str]:
    """The variables that make gcloud and mlflow-reconcile work on the sandbox, in *project*.

    Without one: in the newest project that has a Cloud Run service, else in the newest.

    gcloud gets a configuration folder of its own, so that neither its account nor its settings mix with the real ones.
    """
    home = running.home
    chosen = project or _default_project(running)
    return {
        "MLFLOW_RECONCILE_ENDPOINT": running.endpoint,
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
        "CLOUDSDK_PROXY_PORT": str(running.port),
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(home / "tls" / "ca.pem"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        **({"CLOUDSDK_CORE_PROJECT": chosen} if chosen else {}),
    }


def _default_project(running: Running) -> str:
    """The newest project with a Cloud Run service, else the newest, else ""."""
    serving = {service["project"] for service in running.services}
    newest_first = running.projects[::-1]
    return next((project for project in newest_first if project in serving), next(iter(newest_first), ""))


def python_environment(running: Running) -> dict[str, str]:
    """The variables that lead unmodified Python clients (requests, httplib2) through the sandbox's proxy."""
    certificate = str(running.home / "tls" / "ca.pem")
    return {
        "HTTPS_PROXY": running.endpoint,
        "REQUESTS_CA_BUNDLE": certificate,
        "HTTPLIB2_CA_CERTS": certificate,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def env(home: Path | None = None, project: str | None = None) -> str:
    """Shell lines for `eval "$(mlflow-reconcile sandbox env)"`; raises SandboxError where no sandbox runs."""
    running = needed(home)
    return shell(running, environment(running, project))


def needed(home: Path | None = None) -> Running:
    """The sandbox of *home*; raises SandboxError where none runs."""
    running = status(home)
    if running is None:
        text = f"No sandbox runs on {(home or default_home()).absolute()}."
        raise SandboxError(text, "Start one: mlflow-reconcile sandbox start.")
    return running


def shell(running: Running, variables: Mapping[str, str]) -> str:
    """Shell lines that set *variables*, and what else Python clients need as comments."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(
        "# For unmodified Python clients (httplib2 needs PySocks, too); every HTTPS request then goes here:"
    )
    lines += [f"# export {name}={shlex.quote(value)}" for name, value in python_environment(running).items()]
    return "\n".join(lines) + "\n"


def _spawn(home: Path, port: int, project: str | None) -> Running:
    contact.check_port(port)
    command = [sys.executable, "-m", "reconciler.sandbox", "--home", str(home), "--port", str(port)]
    if project is not None:
        command += ["--project", project]
    try:
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        log_path = home / LOG
        log_path.touch(mode=0o600)
        begin = log_path.stat().st_size
        with log_path.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                close_fds=True,
            )
        remember(home, port)
    except OSError as error:
        text = f"The sandbox cannot write in {home}: {error.strerror}."
        raise SandboxError(text, f"Choose a writable folder with {HOME_VARIABLE} or --home.") from error
    return _await(child, home, begin)


def _await(child: subprocess.Popen[bytes], home: Path, begin: int) -> Running:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            with (home / LOG).open("rb") as log:
                log.seek(begin)
                said = log.read().decode("utf-8", "replace").strip().splitlines()
            text = said[-1] if said else f"it ended with code {child.returncode}"
            raise SandboxError(f"The sandbox did not start: {text}", f"Its log is {home / LOG}.")
        running = status(home)
        if running is not None:
            return running
        time.sleep(contact.POLL_SECONDS)
    child.terminate()
    raise SandboxError(
        f"The sandbox did not answer within {START_SECONDS:.0f} s.", f"Its log is {home / LOG}."
    )
