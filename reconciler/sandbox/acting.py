"""Working on a sandbox as somebody with roles of their own, and what that asked for. Nothing here prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from reconciler.sandbox import contact, control
from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.home import LOG

TOKENS: Final = "tokens"
"""The folder below the home that keeps tokens for gcloud, which takes them from files only."""
PROBE_SECONDS: Final = 300.0
"""A probe may have to wait for an instance to start."""
WITHOUT_CREDENTIALS: Final = "CLOUDSDK_AUTH_DISABLE_CREDENTIALS"


def token(member: str, home: Path | None = None) -> str:
    """An access token that makes its bearer *member* ("user:…", "serviceAccount:…"). Raises SandboxError."""
    return str(_asked("POST", "token", {"member": member}, home)["token"])


def identity_token(endpoint: str, audience: str, access_token: str = "") -> str:
    """An ID token for *audience*, from the sandbox at *endpoint*, of whom the access token stands for.

    Without one: of whoever calls the sandbox without a token. Raises SandboxError.
    """
    port = urlsplit(endpoint).port or 80
    asked = {"audience": audience, **({"accessToken": access_token} if access_token else {})}
    answer = contact.ask(port, "POST", "/sandbox/v1/identity", asked)
    if answer is None or "token" not in answer:
        raise SandboxError(
            f"What answers at {endpoint} gives no ID token.", "Set MLFLOW_TRACKING_TOKEN to one."
        )
    return str(answer["token"])


def asked(home: Path | None = None) -> list[dict[str, Any]]:
    """What was asked of IAM so far: each {member, permission, resource, granted, times}. Raises SandboxError."""
    return cast("list[dict[str, Any]]", _asked("GET", "permissions", None, home)["asked"])


def forget(home: Path | None = None) -> None:
    """Begin anew with what was asked. Raises SandboxError."""
    _asked("DELETE", "permissions", {}, home)


def probe(home: Path | None = None) -> dict[str, Any]:
    """What every uptime check finds now, and what every alert policy sees: {checks, alerts}. Raises SandboxError."""
    return _asked("POST", "probe", {}, home, seconds=PROBE_SECONDS)


def env(member: str, home: Path | None = None, project: str | None = None) -> str:
    """Shell lines that make gcloud and mlflow-reconcile work on the sandbox as *member*, for an hour.

    The token itself is in no line: gcloud reads it from a file, and so does the shell.
    """
    running = control.needed(home)
    path = _kept(running.home, member, token(member, home))
    variables = control.environment(running, project)
    variables.pop(WITHOUT_CREDENTIALS, None)
    variables["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = str(path)
    own = f'export MLFLOW_RECONCILE_ACCESS_TOKEN="$(cat {shlex.quote(str(path))})"\n'
    return f"unset {WITHOUT_CREDENTIALS}\n{control.shell(running, variables)}{own}"


def _kept(home: Path, member: str, text: str) -> Path:
    """The file that holds *member*'s token, readable for its owner alone."""
    folder = home / TOKENS
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / re.sub(r"[^A-Za-z0-9.@-]", "-", member)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.rename(path)
    return path


def _asked(
    method: str, what: str, body: dict[str, Any] | None, home: Path | None, seconds: float = 10.0
) -> dict[str, Any]:
    running = control.needed(home)
    answer = contact.ask(running.port, method, f"/sandbox/v1/{what}", body, seconds=seconds)
    if answer is None:
        raise SandboxError("The sandbox does not answer.", f"Look at {running.home / LOG}.")
    if "error" in answer:
        raise SandboxError(cast("dict[str, str]", answer["error"])["message"])
    return answer
