"""Turns an image and a container into a program to start: its folder, its words, its exact environment."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime import environments, programs
from reconciler.sandbox.runtime.draft import DEFAULT_PATH
from reconciler.sandbox.runtime.images import Image
from reconciler.sandbox.runtime.processes import StartError
from reconciler.sandbox.runtime.revision import Container

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
_PATH_IN_TEXT = re.compile(r"(?<![\w/.:-])/[\w./-]+")


@dataclass(frozen=True)
class Launch:
    """A program to start."""

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True)
class Places:
    """Where things of the image and of the platform are on this machine."""

    folder: Path
    """The instance's own folder: root/, tmp/, home/ and mounts/ are in it."""
    mounts: Mapping[str, Path]
    """Mount path -> the folder that stands for it."""


def prepare(
    image: Image,
    container: Container,
    resolved: Mapping[str, str],
    platform: Mapping[str, str],
    places: Places,
    log: environments.Log,
) -> Launch:
    """Lay out the instance's folder and compute what to start.

    `resolved` holds the values of the secret environment, `platform` what Cloud Run sets (PORT) and the
    stand-ins for its network. Raises StartError where there is no program to start.
    """
    root = places.folder / "root"
    shutil.copytree(image.root, root, symlinks=True, dirs_exist_ok=True)
    for name in ("tmp", "home"):
        (places.folder / name).mkdir(exist_ok=True)
    environment = environments.provide(image.steps, log)
    # In a container /tmp is its own, and in memory.
    mounts = {"/tmp": places.folder / "tmp", **places.mounts}  # noqa: S108 -- the image's path, not this machine's
    image_env = {
        name: _in_image(_mounted(value, mounts), image, root, environment)
        for name, value in image.env.items()
        if name != "PATH"
    }
    own_env = {name: _mounted(value, mounts) for name, value in container.env.items()}
    # A secret may be an address with a socket's folder in it; that a password holds /tmp is no reason to change it.
    secret_env = {name: _mounted(value, places.mounts) for name, value in resolved.items()}
    private = {"HOME": str(places.folder / "home"), "TMPDIR": str(places.folder / "tmp")}
    env = {**private, **image_env, **own_env, **secret_env, **platform}
    env.setdefault("PATH", _search_path(image, root, environment))
    words = [*(container.command or image.entrypoint), *_arguments(image, container)]
    if not words:
        raise StartError("the image has neither an entrypoint nor a command")
    mapped = [_in_image(_mounted(word, mounts), image, root, environment) for word in words]
    cwd = root / (container.workdir or image.workdir).lstrip("/")
    cwd.mkdir(parents=True, exist_ok=True)
    return Launch((_program(mapped[0], env["PATH"], cwd), *mapped[1:]), env, cwd)


def _arguments(image: Image, container: Container) -> tuple[str, ...]:
    if container.arguments:
        return container.arguments
    # As with Kubernetes: a command of the revision's own sets the image's CMD aside.
    return () if container.command else image.command


def _program(word: str, path: str, cwd: Path) -> str:
    found = shutil.which(word, path=path) if "/" not in word else str(cwd / word)
    if found is None or not Path(found).exists():
        raise StartError(f"failed to load {word}: no such file or directory")
    if not os.access(found, os.X_OK):
        raise StartError(f"failed to load {word}: permission denied")
    return found


def _search_path(image: Image, root: Path, environment: Path) -> str:
    own: list[str] = []
    for part in image.env.get("PATH", DEFAULT_PATH).split(":"):
        inside = root / part.lstrip("/")
        if inside.is_dir():
            own.append(str(inside))
    found = [*own, str(environment / "bin")]
    if "nginx" in image.programs:
        try:
            found.append(str(programs.nginx().parent))
        except SandboxError as error:
            raise StartError(f"{error} {error.way_out}") from error
    return ":".join([*found, _SYSTEM_PATH])


def _in_image(text: str, image: Image, root: Path, environment: Path) -> str:
    """The text with every absolute path of the image replaced by where that file is on this machine."""

    def place(match: re.Match[str]) -> str:
        path = match.group(0)
        inside = root / path.lstrip("/")
        if path.strip("/") and (inside.exists() or inside.is_symlink()):
            return str(inside)
        for prefix in image.environment_paths:
            if path.startswith(prefix + "/") and (environment / path[len(prefix) + 1 :]).exists():
                return str(environment / path[len(prefix) + 1 :])
        return path

    return _PATH_IN_TEXT.sub(place, text)


def _mounted(text: str, mounts: Mapping[str, Path]) -> str:
    """The text with every mount path replaced by the folder that stands for it, in one go: the folder's own path
    may begin with another mount path.
    """
    if not mounts:
        return text
    longest_first = "|".join(re.escape(mount) for mount in sorted(mounts, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w/.-])({longest_first})(?=[^\w.-]|$)")
    return pattern.sub(lambda match: str(mounts[match.group(1)]), text)
