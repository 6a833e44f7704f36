"""Python environments that stand in for what an image installs with pip; expensive, so kept apart."""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from reconciler.sandbox.errors import SandboxError

Log = Callable[[str], None]
# These would put packages where the environment does not look for them.
_REFUSED = ("-t", "--target", "--user", "--prefix", "--root", "--python", "-e", "--editable")
_LAST_LINES = 3
"""How many of pip's last lines say why it failed: an ERROR line each for what and why."""
_LEFT_OUT = ("--no-cache-dir", "--no-compile", "--compile", "--disable-pip-version-check")


@dataclass(frozen=True)
class PipStep:
    """One `pip install`: its arguments, and the text of every file that they name, by that name."""

    arguments: tuple[str, ...]
    files: Mapping[str, str]


class InstallError(Exception):
    """pip failed; the build log has its words."""


def cache_folder() -> Path:
    """Where environments are kept: MLFLOW_RECONCILE_CACHE, else below the user's cache folder."""
    named = os.environ.get("MLFLOW_RECONCILE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlflow-reconcile"


def key(steps: Sequence[PipStep]) -> str:
    """The content address of an environment: this Python and every step with its files."""
    recipe = [[list(step.arguments), dict(step.files)] for step in steps]
    identity = json.dumps(
        [platform.python_version(), sys.platform, platform.machine(), recipe], sort_keys=True
    )
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def provide(steps: Sequence[PipStep], log: Log) -> Path:
    """The environment for these steps, built where the cache lacks it. Raises InstallError.

    It is built under another name and renamed when complete, so that what has the right name is complete.
    """
    steps = [step for step in steps if not _adds_nothing(step)]
    top = cache_folder() / "environments"
    top.mkdir(parents=True, exist_ok=True)
    wanted = top / key(steps)
    if wanted.exists():
        return wanted
    with _only_one(top / f"{wanted.name}.lock"):
        if wanted.exists():
            return wanted
        partial = top / f"partial-{wanted.name}"
        # What a build left that was killed in its midst; whoever holds the lock is the only one to work there.
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        try:
            if len(steps) > 1:
                # As layers of an image are shared, so is what the steps before the last one installed.
                below = provide(steps[:-1], log)
                shutil.copytree(below, partial, symlinks=True, dirs_exist_ok=True)
                _readdress(partial, below, partial)
            else:
                _make(partial)
            for step in steps[-1:]:
                _install(_pip(partial), step, log)
            _settle(partial, wanted)
            partial.rename(wanted)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return wanted


def arguments_error(arguments: Sequence[str]) -> str:
    """Why these arguments of `pip install` cannot be followed here, or ""."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in _REFUSED:
            return f"pip's option {name} is not understood"
    return ""


@contextmanager
def _only_one(lock: Path) -> Generator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _adds_nothing(step: PipStep) -> bool:
    """Whether it names nothing but files, and those only constrain or are empty but for comments."""
    asked = [
        argument
        for before, argument in pairwise(("", *step.arguments))
        if before in ("-r", "--requirement")
        or not (argument.startswith("-") or before in ("-c", "--constraint"))
    ]
    texts = [step.files.get(argument, argument) for argument in asked]
    return not any(line.partition("#")[0].strip() for text in texts for line in text.splitlines())


def _own_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _make(folder: Path) -> None:
    options = ["--without-pip"] if _own_pip() else []
    made = subprocess.run(
        [sys.executable, "-m", "venv", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise SandboxError(
            f"A Python environment cannot be made: {(made.stdout + made.stderr).strip()[-800:]}"
        )


def _pip(folder: Path) -> list[str]:
    python = str(folder / "bin" / "python")
    return [sys.executable, "-m", "pip", "--python", python] if _own_pip() else [python, "-m", "pip"]


def _install(pip: list[str], step: PipStep, log: Log) -> None:
    with tempfile.TemporaryDirectory(prefix="mlr-pip-") as work:
        names = {name: str(Path(work) / f"{number}.txt") for number, name in enumerate(step.files)}
        for name, copy in names.items():
            Path(copy).write_text(step.files[name])
        arguments = [
            names.get(argument, argument) for argument in step.arguments if argument not in _LEFT_OUT
        ]
        command = [*pip, "install", "--no-compile", "--disable-pip-version-check", "--no-input", *arguments]
        # pip needs this machine's own settings: which index, which certificates.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
        }
        running = subprocess.Popen(
            command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with running as process:
            said: deque[str] = deque(maxlen=_LAST_LINES)
            for line in process.stdout or ():
                log(line.rstrip())
                said.append(line.strip())
        if running.returncode != 0:
            text = f"pip install returned a non-zero code: {running.returncode}"
            raise InstallError("; ".join([text, *filter(None, said)]))


def _readdress(folder: Path, before: Path, after: Path) -> None:
    """Let the scripts of the environment in *folder* say *after* where they say *before*."""
    for script in (folder / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if os.fsencode(before) in content and b"\0" not in content[:1024]:
            script.write_bytes(content.replace(os.fsencode(before), os.fsencode(after)))


def _settle(partial: Path, wanted: Path) -> None:
    """Write the final place into scripts, and compile: without that MLflow starts twice as slowly."""
    _readdress(partial, partial, wanted)
    compile_all = [
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "-s",
        str(partial),
        "-p",
        str(wanted),
        str(partial / "lib"),
    ]
    # Some packages ship files for other Python versions, so a non-zero end says nothing.
    subprocess.run([str(partial / "bin" / "python"), *compile_all], capture_output=True, check=False)
