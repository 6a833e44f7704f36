"""Asking and telling a running sandbox how to behave, for the command line. Nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from reconciler.sandbox import contact, control
from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.home import LOG

PATH: Final = "/sandbox/v1/conditions"
WAY_OUT: Final = "The keys are explained in docs/sandbox.md."


class Refused(SandboxError):
    """The document says nothing that a sandbox can do; nothing was changed."""


def conditions(home: Path | None = None) -> dict[str, Any]:
    """The conditions document of the running sandbox; each fault with "fired" and "at". Raises SandboxError."""
    return _asked("GET", None, home)


def behave(document: Mapping[str, Any], home: Path | None = None) -> None:
    """Make the running sandbox behave like *document* ({} for: as at first). Raises Refused."""
    _asked("PUT", document, home)


def hasten(speed_up: float, home: Path | None = None) -> None:
    """Let work take as long as on Google Cloud, divided by *speed_up*; 0: no time. Raises SandboxError."""
    document = conditions(home)
    for fault in document.get("faults", []):
        del fault["fired"], fault["at"]
    behave({**document, "realistic": speed_up}, home)


def _asked(method: str, body: Mapping[str, Any] | None, home: Path | None) -> dict[str, Any]:
    running = control.status(home)
    if running is None:
        raise SandboxError("No sandbox runs.", "Start one: mlflow-reconcile sandbox start.")
    answer = contact.ask(running.port, method, PATH, body)
    if answer is None:
        raise SandboxError("The sandbox does not answer.", f"Look at {running.home / LOG}.")
    if "error" in answer:
        said = cast("dict[str, str]", answer["error"])["message"]
        raise Refused(f"The sandbox cannot behave like that: {said}.", WAY_OUT)
    return answer
